"""Amazon SNS.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from typing import Any

from .. import semconv
from ._base import NOTHING, Batch, Carrier, EventSource, Message, Trigger
from ._fields import Event, arn_resource, first_record, mapping, records, text


def _matches(event: Event) -> bool:
    return is_record(first_record(event))


def is_record(record: Event) -> bool:
    """True for one record of an SNS event."""
    source = record.get("EventSource") or record.get("eventSource")
    return source == "aws:sns" and isinstance(record.get("Sns"), dict)


def _describe(event: Event) -> Trigger:
    messages = tuple(_message(mapping(record)) for record in records(event))
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=Batch(semconv.SYSTEM_SNS, messages, single=True))


def _one(record: Any) -> Message | None:
    return _message(record) if is_record(mapping(record)) else None


def _message(record: Event) -> Message:
    notification = mapping(record.get("Sns"))
    topic = text(notification.get("TopicArn"))
    return Message(
        system=semconv.SYSTEM_SNS,
        id=text(notification.get("MessageId")),
        destination=arn_resource(topic),
        where={semconv.AWS_SNS_TOPIC_ARN: topic} if topic else NOTHING,
        carriers=carriers(record),
    )


def carriers(record: Event) -> tuple[Carrier, ...]:
    """Where the context of a record may be: its message attributes."""
    return attribute_carrier(mapping(record.get("Sns")).get("MessageAttributes"), "Value")


def attribute_carrier(attributes: object, value_key: str) -> tuple[Carrier, ...]:
    """Message attributes as a carrier; binary ones hold no context.

    Args:
        attributes: Message attributes by name.
        value_key: What the value of one is called: `Value` in SNS, `stringValue` in SQS.
    """
    found: dict[str, str] = {}
    for name, attribute in mapping(attributes).items():
        value: object = mapping(attribute).get(value_key)
        if isinstance(value, str) and isinstance(name, str):
            found[name.lower()] = value
    return (found,) if found else ()


SNS = EventSource("sns", _matches, _describe, _one, key="Records")
