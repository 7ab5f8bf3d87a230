"""Amazon DynamoDB Streams.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from __future__ import annotations

from typing import Any

from .. import semconv
from ._base import Attributes, EventSource, Message, Trigger
from ._document import common, document
from ._fields import Event, arn_resource, first_record, iso_time, mapping, records, text
from .kinesis import is_empty_window

_OPERATIONS = {"INSERT": "insert", "MODIFY": "edit", "REMOVE": "delete"}


def _matches(event: Event) -> bool:
    return _is_record(first_record(event)) or is_empty_window(event, ":dynamodb:")


def _is_record(record: Event) -> bool:
    return record.get("eventSource") == "aws:dynamodb" and isinstance(record.get("dynamodb"), dict)


def _describe(event: Event) -> Trigger:
    found = [_attributes(mapping(record)) for record in records(event)]
    attributes = common(found) if found else document(_table(event.get("eventSourceARN")))
    return Trigger(faas_trigger=semconv.TRIGGER_DATASOURCE, attributes=attributes, answer="batch")


def _one(record: Any) -> Message | None:
    if not _is_record(mapping(record)):
        return None
    return Message(
        destination=_table(record.get("eventSourceARN")),
        item=text(record["dynamodb"].get("SequenceNumber")),
        attributes=_attributes(record),
    )


def _attributes(record: Event) -> Attributes:
    return document(
        _table(record.get("eventSourceARN")),
        _OPERATIONS.get(text(record.get("eventName")) or ""),
        iso_time(mapping(record.get("dynamodb")).get("ApproximateCreationDateTime")),
    )


def _table(arn: object) -> str | None:
    """The table of a stream ARN: `...:table/orders/stream/2026-01-01T00:00:00.000`."""
    resource = arn_resource(arn) or ""
    return resource.removeprefix("table/").partition("/")[0] or None if resource.startswith("table/") else None


DYNAMODB = EventSource("dynamodb", _matches, _describe, _one, key="Records")
