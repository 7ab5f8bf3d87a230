"""Amazon DocumentDB change streams.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-documentdb.html
"""

from __future__ import annotations

from typing import Any, cast

from .. import semconv
from ._base import Attributes, EventSource, Message, Trigger
from ._document import common, document
from ._fields import Event, iso_time, mapping, text

_OPERATIONS = {
    "insert": "insert",
    "update": "edit",
    "replace": "edit",
    "rename": "edit",
    "delete": "delete",
    "drop": "delete",
    "dropDatabase": "delete",
}


def _matches(event: Event) -> bool:
    return event.get("eventSource") == "aws:docdb" and isinstance(event.get("events"), list)


def _describe(event: Event) -> Trigger:
    changes = [mapping(mapping(item).get("event")) for item in cast("list[object]", event["events"])]
    return Trigger(
        faas_trigger=semconv.TRIGGER_DATASOURCE,
        attributes=common([_attributes(change) for change in changes]),
    )


def _one(record: Any) -> Message | None:
    change = mapping(mapping(record).get("event"))
    if "operationType" not in change:
        return None
    return Message(destination=text(mapping(change.get("ns")).get("db")), attributes=_attributes(change))


def _attributes(change: Event) -> Attributes:
    namespace = mapping(change.get("ns"))
    timestamp = mapping(mapping(change.get("clusterTime")).get("$timestamp"))
    found = document(
        text(namespace.get("db")),
        _OPERATIONS.get(text(change.get("operationType")) or ""),
        iso_time(timestamp.get("t")),
    )
    collection = text(namespace.get("coll"))
    return {**found, semconv.FAAS_DOCUMENT_NAME: collection} if collection else found


DOCUMENTDB = EventSource("documentdb", _matches, _describe, _one, key="eventSource")
