"""Amazon SQS, with SNS, EventBridge or S3 notifications inside the body.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from .. import semconv
from ._base import NOTHING, Attributes, Batch, Carrier, EventSource, Message, Messages, Trigger
from ._fields import Event, first_record, mapping, records, same_field, text
from .eventbridge import is_event as is_eventbridge
from .sns import attribute_carrier


def _matches(event: Event) -> bool:
    return is_record(first_record(event))


def is_record(record: Event) -> bool:
    """True for one record of an SQS event."""
    return record.get("eventSource") == "aws:sqs" and "messageId" in record and "body" in record


def _describe(event: Event) -> Trigger:
    found = records(event)
    items = [text(mapping(record).get("messageId")) for record in found]
    batch = Batch(semconv.SYSTEM_SQS, Messages(found, _message, items), uniform=same_field(found, "eventSourceARN"))
    return Trigger(faas_trigger=semconv.TRIGGER_PUBSUB, batch=batch, answer="batch")


def _one(record: Any) -> Message | None:
    return _message(record) if is_record(mapping(record)) else None


def _message(found: object) -> Message:
    record = mapping(found)
    arn = record.get("eventSourceARN")
    destination, where = _queue(arn) if isinstance(arn, str) else (None, NOTHING)
    identifier = text(record.get("messageId"))
    body = _json_body(record.get("body"))
    return Message(
        system=semconv.SYSTEM_SQS,
        id=identifier,
        destination=destination,
        item=identifier,
        where=where,
        carriers=carriers(record, body),
        payload=mapping(body.get("detail")) if body and is_eventbridge(body) else None,
    )


@lru_cache(maxsize=64)
def _queue(arn: str) -> tuple[str | None, Attributes]:
    """Name and URL of a queue, from its ARN: `arn:aws:sqs:us-east-1:123456789012:orders`."""
    parts = arn.split(":")
    if len(parts) != 6 or not parts[5]:
        return None, NOTHING
    _, partition, _, region, account, name = parts
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return name, {semconv.AWS_SQS_QUEUE_URL: f"https://sqs.{region}.{domain}/{account}/{name}"}


def carriers(record: Event, body: Event | None = None) -> tuple[Carrier, ...]:
    """Where the context of a record may be: its own attributes, those of an SNS envelope, X-Ray's system attribute."""
    attributes = record.get("messageAttributes")
    found = attribute_carrier(attributes, "stringValue") if attributes else ()
    if body is None:
        body = _json_body(record.get("body"))
    if body and body.get("Type") == "Notification" and "TopicArn" in body and "Message" in body:
        found += attribute_carrier(body.get("MessageAttributes"), "Value")
    header = mapping(record.get("attributes")).get("AWSTraceHeader")
    return (*found, {"x-amzn-trace-id": header}) if header and isinstance(header, str) else found


def _json_body(body: object) -> Event:
    """The body if it is an envelope of SNS or EventBridge; other text is not parsed."""
    if not isinstance(body, str):
        return mapping(body)
    if not body.startswith("{") or not ("TopicArn" in body or "detail-type" in body):
        return NOTHING
    try:
        return mapping(json.loads(body))
    except (ValueError, RecursionError):
        return NOTHING


SQS = EventSource("sqs", _matches, _describe, _one, key="Records")
