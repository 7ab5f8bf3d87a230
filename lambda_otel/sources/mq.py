"""Amazon MQ: ActiveMQ and RabbitMQ.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html
"""

from __future__ import annotations

from typing import Any, cast

from .. import semconv
from ._base import NOTHING, Attributes, Batch, Carrier, EventSource, Message, Trigger
from ._fields import Event, carrier, decode, mapping, text


def _is_activemq(event: Event) -> bool:
    return event.get("eventSource") in ("aws:mq", "aws:amq") and isinstance(event.get("messages"), list)


def _is_rabbitmq(event: Event) -> bool:
    return event.get("eventSource") == "aws:rmq" and isinstance(event.get("rmqMessagesByQueue"), dict)


def _describe_activemq(event: Event) -> Trigger:
    messages = tuple(_activemq_message(mapping(message)) for message in cast("list[object]", event["messages"]))
    return _trigger(semconv.SYSTEM_ACTIVEMQ, messages)


def _describe_rabbitmq(event: Event) -> Trigger:
    messages: list[Message] = []
    for key, queue in mapping(event["rmqMessagesByQueue"]).items():
        destination = text(key.partition("::")[0]) if isinstance(key, str) else None
        found = cast("list[object]", queue) if isinstance(queue, list) else []
        messages += [_rabbitmq_message(mapping(message), destination) for message in found]
    return _trigger(semconv.SYSTEM_RABBITMQ, tuple(messages))


def _trigger(system: str, messages: tuple[Message, ...]) -> Trigger:
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=Batch(system, messages) if messages else None)


def _one_activemq(record: Any) -> Message | None:
    found = mapping(record)
    return _activemq_message(found) if "messageID" in found and isinstance(found.get("destination"), dict) else None


def _one_rabbitmq(record: Any) -> Message | None:
    """A message does not say its queue: that is the key of the list that it stands in."""
    found = mapping(record)
    return _rabbitmq_message(found, None) if isinstance(found.get("basicProperties"), dict) else None


def _activemq_message(message: Event) -> Message:
    return Message(
        system=semconv.SYSTEM_ACTIVEMQ,
        id=text(message.get("messageID")),
        destination=text(mapping(message.get("destination")).get("physicalName")),
        attributes=_conversation(message.get("correlationID") or message.get("correlationId")),
        carriers=carrier(message.get("properties")),
    )


def _rabbitmq_message(message: Event, destination: str | None) -> Message:
    properties = mapping(message.get("basicProperties"))
    return Message(
        system=semconv.SYSTEM_RABBITMQ,
        id=text(properties.get("messageId")),
        destination=destination,
        attributes=_conversation(properties.get("correlationId")),
        carriers=_rabbitmq_carriers(properties.get("headers")),
    )


def _conversation(correlation: object) -> Attributes:
    return {semconv.MESSAGING_MESSAGE_CONVERSATION_ID: correlation} if isinstance(correlation, str) and correlation else NOTHING


def _rabbitmq_carriers(headers: object) -> tuple[Carrier, ...]:
    """Header values come as strings or as `{"bytes": [...]}`."""
    found: dict[str, str] = {}
    for name, value in mapping(headers).items():
        decoded = decode(value["bytes"] if "bytes" in mapping(value) else value)
        if decoded is not None and isinstance(name, str):
            found[name.lower()] = decoded
    return (found,) if found else ()


ACTIVEMQ = EventSource("activemq", _is_activemq, _describe_activemq, _one_activemq, key="eventSource")
RABBITMQ = EventSource("rabbitmq", _is_rabbitmq, _describe_rabbitmq, _one_rabbitmq, key="eventSource")
