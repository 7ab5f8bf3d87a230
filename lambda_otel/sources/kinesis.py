"""Amazon Kinesis Data Streams.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from __future__ import annotations

from typing import Any

from .. import semconv
from ._base import Attributes, AttributeValue, Batch, EventSource, Message, Trigger
from ._fields import Event, arn_resource, first_record, mapping, records, text


def _matches(event: Event) -> bool:
    return _is_record(first_record(event)) or is_empty_window(event, ":kinesis:")


def is_empty_window(event: Event, service: str) -> bool:
    """True for a tumbling window that closes without a record; `service` is the part of the ARN that names the source."""
    arn = event.get("eventSourceARN")
    return event.get("Records") == [] and isinstance(event.get("window"), dict) and isinstance(arn, str) and service in arn


def _is_record(record: Event) -> bool:
    return record.get("eventSource") == "aws:kinesis" and isinstance(record.get("kinesis"), dict)


def _describe(event: Event) -> Trigger:
    messages = tuple(_message(mapping(record)) for record in records(event))
    batch = Batch(semconv.SYSTEM_KINESIS, messages) if messages else None
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=batch, answer="batch")


def _one(record: Any) -> Message | None:
    return _message(record) if _is_record(mapping(record)) else None


def _message(record: Event) -> Message:
    stream = _stream(record.get("eventSourceARN"))
    sequence_number = text(mapping(record.get("kinesis")).get("sequenceNumber"))
    return Message(
        system=semconv.SYSTEM_KINESIS,
        id=sequence_number,
        destination=stream,
        item=sequence_number,
        where=_where(stream, text(record.get("eventID"))),
    )


def _stream(arn: object) -> str | None:
    resource = arn_resource(arn) or ""
    return resource.removeprefix("stream/").partition("/")[0] or None if resource.startswith("stream/") else None


def _where(stream: str | None, event_id: str | None) -> Attributes:
    where: dict[str, AttributeValue] = {}
    if stream:
        where[semconv.AWS_KINESIS_STREAM_NAME] = stream
    if event_id and ":" in event_id:
        where[semconv.MESSAGING_DESTINATION_PARTITION_ID] = event_id.partition(":")[0]
    return where


KINESIS = EventSource("kinesis", _matches, _describe, _one, key="Records")
