"""Apache Kafka: Amazon MSK and self-managed clusters.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html
https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
"""

from __future__ import annotations

from typing import Any, cast

from .. import semconv
from ._base import NOTHING, Attributes, AttributeValue, Batch, Carrier, EventSource, Message, Trigger
from ._fields import Event, decode, mapping, text


def _is_msk(event: Event) -> bool:
    return event.get("eventSource") == "aws:kafka" and isinstance(event.get("records"), dict)


def _is_self_managed(event: Event) -> bool:
    return event.get("eventSource") in ("SelfManagedKafka", "aws:SelfManagedKafka") and isinstance(event.get("records"), dict)


def _describe(event: Event) -> Trigger:
    partitions = mapping(event["records"]).values()
    found = [record for partition in partitions if isinstance(partition, list) for record in cast("list[object]", partition)]
    messages = tuple(_message(mapping(record)) for record in found)
    batch = Batch(semconv.SYSTEM_KAFKA, messages) if messages else None
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=batch, answer="batch")


def _one(record: Any) -> Message | None:
    found = mapping(record)
    return _message(found) if isinstance(found.get("topic"), str) and "partition" in found and "offset" in found else None


def _message(record: Event) -> Message:
    topic, partition, offset = text(record.get("topic")), record.get("partition"), record.get("offset")
    attributes: dict[str, AttributeValue] = {}
    if _is_int(offset):
        attributes[semconv.MESSAGING_KAFKA_OFFSET] = cast("int", offset)
    if "value" in record and record["value"] is None:
        attributes[semconv.MESSAGING_KAFKA_MESSAGE_TOMBSTONE] = True
    return Message(
        system=semconv.SYSTEM_KAFKA,
        destination=topic,
        item=f"{topic}-{partition}@{offset}" if _is_int(partition) and _is_int(offset) else None,
        where={semconv.MESSAGING_DESTINATION_PARTITION_ID: str(partition)} if _is_int(partition) else NOTHING,
        attributes=attributes,
        opt_in=_key(record.get("key")),
        carriers=_carriers(record.get("headers")),
    )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _key(key: object) -> Attributes:
    """The key as it comes: base64 of its bytes."""
    return {semconv.MESSAGING_KAFKA_MESSAGE_KEY: key} if isinstance(key, str) and key else NOTHING


def _carriers(headers: object) -> tuple[Carrier, ...]:
    """Headers come as a list of one-key dicts whose values are lists of signed bytes."""
    found: dict[str, str] = {}
    for header in cast("list[object]", headers) if isinstance(headers, list) else []:
        for name, value in mapping(header).items():
            decoded = decode(value)
            if decoded is not None and isinstance(name, str):
                found[name.lower()] = decoded
    return (found,) if found else ()


KAFKA_MSK = EventSource("kafka_msk", _is_msk, _describe, _one, key="eventSource")
KAFKA_SELF_MANAGED = EventSource("kafka_self_managed", _is_self_managed, _describe, _one, key="eventSource")
