"""Amazon S3: event notifications, Batch Operations and Object Lambda.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/olap-writing-lambda.html
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote_plus

from .. import semconv
from ._base import NOTHING, Attributes, EventSource, Message, Trigger
from ._document import common, document
from ._fields import Event, arn_resource, first_record, mapping, records, text


def _matches(event: Event) -> bool:
    return _is_record(first_record(event))


def _is_record(record: Event) -> bool:
    return record.get("eventSource") == "aws:s3" and isinstance(record.get("s3"), dict)


def _describe(event: Event) -> Trigger:
    found = [mapping(record) for record in records(event)]
    return Trigger(
        faas_trigger=semconv.TRIGGER_DATASOURCE,
        attributes=common([_attributes(record) for record in found]),
        opt_in=common([_object_name(mapping(record.get("s3"))) for record in found]),
    )


def _one(record: Any) -> Message | None:
    if not _is_record(mapping(record)):
        return None
    return Message(destination=_bucket(record), attributes=_attributes(record), opt_in=_object_name(record["s3"]))


def _bucket(record: Event) -> str | None:
    return text(mapping(mapping(record.get("s3")).get("bucket")).get("name"))


def _attributes(record: Event) -> Attributes:
    return document(_bucket(record), _operation(text(record.get("eventName"))), text(record.get("eventTime")))


def _operation(event_name: str | None) -> str | None:
    if not event_name:
        return None
    kind = event_name.removeprefix("s3:").partition(":")[0]
    return {"ObjectCreated": "insert", "ObjectRemoved": "delete", "LifecycleExpiration": "delete"}.get(kind, "edit")


def _object_name(s3: Event) -> Attributes:
    return _document_name(text(mapping(s3.get("object")).get("key")))


def _document_name(key: str | None) -> Attributes:
    return {semconv.FAAS_DOCUMENT_NAME: unquote_plus(key)} if key else NOTHING


def _is_batch_job(event: Event) -> bool:
    return (
        isinstance(event.get("invocationSchemaVersion"), str)
        and isinstance(event.get("tasks"), list)
        and isinstance(event.get("job"), dict)
    )


def _describe_batch_job(event: Event) -> Trigger:
    tasks = cast("list[object]", event["tasks"])
    task = mapping(tasks[0]) if tasks else NOTHING
    return Trigger(
        faas_trigger=semconv.TRIGGER_DATASOURCE,
        attributes=document(text(task.get("s3Bucket")) or arn_resource(task.get("s3BucketArn"))),
        opt_in=_document_name(text(task.get("s3Key"))),
    )


def _is_object_lambda(event: Event) -> bool:
    return (
        isinstance(event.get("xAmzRequestId"), str)
        and isinstance(event.get("userRequest"), dict)
        and isinstance(event.get("configuration"), dict)
    )


def _describe_object_lambda(event: Event) -> Trigger:
    return Trigger()


S3 = EventSource("s3", _matches, _describe, _one, key="Records")
S3_BATCH = EventSource("s3_batch", _is_batch_job, _describe_batch_job, key="tasks")
S3_OBJECT_LAMBDA = EventSource("s3_object_lambda", _is_object_lambda, _describe_object_lambda, key="userRequest")
