"""Amazon EventBridge: events of a bus, and schedules of EventBridge rules and EventBridge Scheduler.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
"""

from __future__ import annotations

from .. import semconv
from ._base import Attributes, Batch, EventSource, Message, Trigger
from ._fields import Event, mapping, text


def is_event(event: Event) -> bool:
    """True for the envelope of an EventBridge event."""
    return isinstance(event.get("detail-type"), str) and isinstance(event.get("source"), str) and "detail" in event


def _describe(event: Event) -> Trigger:
    message = Message(system=semconv.SYSTEM_EVENTBRIDGE, id=text(event.get("id")), payload=mapping(event["detail"]))
    batch = Batch(semconv.SYSTEM_EVENTBRIDGE, (message,), single=True)
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=batch)


def _is_scheduled(event: Event) -> bool:
    return is_event(event) and event["detail-type"] == "Scheduled Event" and event["source"] in ("aws.events", "aws.scheduler")


def _describe_scheduled(event: Event) -> Trigger:
    time = text(event.get("time"))
    attributes: Attributes = {semconv.FAAS_TIME: time} if time else {}
    return Trigger(faas_trigger=semconv.TRIGGER_TIMER, attributes=attributes)


EVENTBRIDGE = EventSource("eventbridge", is_event, _describe, key="detail-type")
SCHEDULED = EventSource("scheduled", _is_scheduled, _describe_scheduled, key="detail-type")
