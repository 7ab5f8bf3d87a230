"""The decorators beside those of Powertools for AWS Lambda, in every order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    async_process_partial_response,
    batch_processor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes import (
    APIGatewayProxyEventV2,
    DynamoDBStreamEvent,
    KafkaEvent,
    KinesisStreamEvent,
    S3Event,
    SNSEvent,
    SQSEvent,
    event_source,
)
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from lambda_otel import extract_sqs, span, traced_handler, traced_record

pytestmark = pytest.mark.usefixtures("nothing_complains")

EVENTS = Path(__file__).parent / "events"


def load(source: str, case: str) -> Any:
    """An event of the fixtures."""
    return json.loads((EVENTS / source / f"{case}.json").read_text())


def sqs() -> tuple[Any, list[str]]:
    event = load("sqs", "two_traces")
    return event, [record["messageId"] for record in event["Records"]]


def kinesis() -> tuple[Any, list[str]]:
    event = load("kinesis", "partial_batch_failure")
    return event, [record["kinesis"]["sequenceNumber"] for record in event["Records"]]


def dynamodb() -> tuple[Any, list[str]]:
    event = load("dynamodb", "mixed_operations")
    return event, [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]


def kafka() -> tuple[Any, list[str]]:
    event = load("kafka_msk", "several_topics")
    return event, [str(record["offset"]) for records in event["records"].values() for record in records]


def identifier(record: Any) -> str:
    """What names a record, by the class that Powertools makes of it."""
    if isinstance(record, SQSRecord):
        return record.message_id
    if isinstance(record, KinesisStreamRecord):
        return record.kinesis.sequence_number
    if isinstance(record, DynamoDBRecord):
        return str(record.dynamodb.sequence_number)
    return str(record.offset)


CASES = {
    "sqs": (sqs, EventType.SQS, SQSEvent),
    "kinesis": (kinesis, EventType.KinesisDataStreams, KinesisStreamEvent),
    "dynamodb": (dynamodb, EventType.DynamoDBStreams, DynamoDBStreamEvent),
    "kafka": (kafka, EventType.Kafka, KafkaEvent),
}


def by_record(spans: Any, names: list[str]) -> tuple[list[Any], list[Any]]:
    """The record spans, in the order of the records, and the others."""
    ended = spans.take()
    records = {entry.attributes["identifier"]: entry for entry in ended if "identifier" in entry.attributes}
    assert set(records) == set(names)
    return [records[name] for name in names], [entry for entry in ended if "identifier" not in entry.attributes]


def assert_batch(spans: Any, source: str, names: list[str], failed: list[str], lambda_context: Any) -> None:
    """One span a record under that of the batch, and errors where records failed."""
    records, others = by_record(spans, names)
    server = others[-1]
    above = server if source == "dynamodb" else others[-2]
    assert server.attributes["faas.invocation_id"] == lambda_context.aws_request_id
    assert [entry.kind for entry in records] == [SpanKind.CONSUMER] * len(names)
    assert all(entry.parent == above.context for entry in records)
    assert all(entry.name.startswith("process ") for entry in records)
    assert [entry.status.status_code is StatusCode.ERROR for entry in records] == [name in failed for name in names]
    assert [entry.attributes.get("error.type") for entry in records] == ["ValueError" if name in failed else None for name in names]
    if above is not server:
        assert above.attributes.get("lambda_otel.batch.failure_count") == (len(failed) or None)
    assert server.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("source", CASES)
@pytest.mark.parametrize("fails", [False, True])
def test_record_handler_of_a_batch_processor(source: str, fails: bool, spans: Any, lambda_context: Any) -> None:
    make, event_type, _ = CASES[source]
    event, names = make()
    processor = BatchProcessor(event_type=event_type)

    @traced_record
    def record_handler(record: Any) -> str:
        get_current_span().set_attribute("identifier", identifier(record))
        if fails and identifier(record) == names[-1]:
            raise ValueError
        return identifier(record)

    @traced_handler
    def handler(event: dict[str, Any], context: LambdaContext) -> Any:
        return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)

    response = handler(event, lambda_context)
    assert len(response["batchItemFailures"]) == fails
    assert len(processor.success_messages) == len(names) - fails
    assert_batch(spans, source, names, names[-1:] if fails else [], lambda_context)


@pytest.mark.parametrize("source", CASES)
def test_record_handler_of_an_async_batch_processor(source: str, spans: Any, lambda_context: Any) -> None:
    make, event_type, _ = CASES[source]
    event, names = make()
    processor = AsyncBatchProcessor(event_type=event_type)

    @traced_record
    async def record_handler(record: Any) -> None:
        get_current_span().set_attribute("identifier", identifier(record))
        await asyncio.sleep(0)
        if identifier(record) == names[0]:
            raise ValueError

    @traced_handler
    def handler(event: dict[str, Any], context: LambdaContext) -> Any:
        return async_process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)

    assert len(handler(event, lambda_context)["batchItemFailures"]) == 1
    assert_batch(spans, source, names, names[:1], lambda_context)


@pytest.mark.filterwarnings("ignore:The `batch_processor` decorator is deprecated")
@pytest.mark.parametrize("order", ["traced outside", "traced inside"])
def test_batch_processor_as_a_decorator(order: str, spans: Any, lambda_context: Any) -> None:
    event, names = sqs()
    processor = BatchProcessor(event_type=EventType.SQS)

    @traced_record
    def record_handler(record: SQSRecord, lambda_context: LambdaContext) -> None:
        get_current_span().set_attribute("identifier", record.message_id)
        get_current_span().set_attribute("request", lambda_context.aws_request_id)

    def plain(event: Any, context: LambdaContext) -> Any:
        return processor.response()

    decorate = batch_processor(record_handler=record_handler, processor=processor)
    handler = traced_handler(decorate(plain)) if order == "traced outside" else decorate(traced_handler(plain))
    assert handler(event, lambda_context) == {"batchItemFailures": []}
    records, others = by_record(spans, names)
    assert {entry.attributes["request"] for entry in records} == {lambda_context.aws_request_id}
    # Inside, the records have been handled before the invocation begins: they are traces of their own.
    assert all(entry.parent == (others[-2].context if order == "traced outside" else None) for entry in records)


def test_fifo_processor_that_stops_at_the_first_failure_fails_the_records_that_it_left(spans: Any, lambda_context: Any) -> None:
    event = load("sqs", "fifo")
    names = [record["messageId"] for record in event["Records"]]
    processor = SqsFifoPartialProcessor()

    @traced_record
    def record_handler(record: SQSRecord) -> None:
        get_current_span().set_attribute("identifier", record.message_id)
        raise ValueError

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        with pytest.raises(BatchProcessingError):
            process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
        return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}

    handler(event, lambda_context)
    record, batch, server = spans.take()
    assert (record.attributes["identifier"], record.attributes["error.type"]) == (names[0], "ValueError")
    assert (batch.status.status_code, batch.attributes["lambda_otel.batch.failure_count"]) == (StatusCode.ERROR, len(names))
    assert server.status.status_code is StatusCode.UNSET


def test_batch_of_which_every_record_failed_raises_and_each_span_is_an_error(spans: Any, lambda_context: Any) -> None:
    event, names = sqs()
    processor = BatchProcessor(event_type=EventType.SQS)

    @traced_record
    def record_handler(record: SQSRecord) -> None:
        raise ValueError(record.message_id)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)

    with pytest.raises(BatchProcessingError):
        handler(event, lambda_context)
    *records, batch, server = spans.take()
    assert [(entry.attributes["error.type"], entry.status.description) for entry in records] == [("ValueError", name) for name in names]
    error = "aws_lambda_powertools.utilities.batch.exceptions.BatchProcessingError"
    assert (batch.attributes["error.type"], server.attributes["error.type"]) == (error, error)


@pytest.mark.parametrize("order", ["traced outside", "traced inside"])
@pytest.mark.parametrize(
    ("source", "case", "data_class", "name"),
    [
        ("sqs", "two_traces", SQSEvent, "process orders"),
        ("kinesis", "enhanced_fan_out", KinesisStreamEvent, "process "),
        ("dynamodb", "all_same", DynamoDBStreamEvent, "process "),
        ("sns", "w3c_context", SNSEvent, "process "),
        ("s3", "object_created", S3Event, "process "),
    ],
)
def test_event_source_and_its_records(
    order: str, source: str, case: str, data_class: Any, name: str, spans: Any, lambda_context: Any
) -> None:
    event = load(source, case)
    seen = []

    @traced_record
    def process(record: Any) -> None:
        seen.append(record.raw_event)

    def plain(event: Any, context: LambdaContext) -> str:
        assert isinstance(event, data_class)
        for record in event.records:
            process(record)
        return "done"

    decorate = event_source(data_class=data_class)
    handler = traced_handler(decorate(plain)) if order == "traced outside" else decorate(traced_handler(plain))
    assert handler(event, lambda_context) == "done"
    assert seen == event["Records"]

    plain_spans = spans.take()
    process_plainly = traced_record(lambda record: None)
    traced_handler(lambda event, context: [process_plainly(record) for record in event["Records"]])(event, lambda_context)

    def shape(ended: list[Any]) -> list[Any]:
        own = {"code.function.name", "faas.coldstart"}
        return [
            (
                entry.name,
                entry.kind,
                {key: value for key, value in entry.attributes.items() if key not in own},
                [link.context.span_id for link in entry.links],
            )
            for entry in ended
        ]

    assert shape(plain_spans) == shape(spans.take())
    assert plain_spans[0].name.startswith(name)


def test_http_event_as_a_data_class(spans: Any, lambda_context: Any) -> None:
    event = load("http_api_v2", "any_route_custom_domain_stage")

    @event_source(data_class=APIGatewayProxyEventV2)
    @traced_handler
    def handler(event: APIGatewayProxyEventV2, context: LambdaContext) -> dict[str, Any]:
        return {"statusCode": 500}

    handler(event, lambda_context)
    ended = spans.one()
    assert (ended.attributes["faas.trigger"], ended.status.status_code) == ("http", StatusCode.ERROR)


@pytest.mark.parametrize("order", ["traced outside", "traced inside"])
def test_async_handler_with_event_source(order: str, spans: Any, lambda_context: Any) -> None:
    event, names = sqs()

    @traced_record
    async def process(record: SQSRecord) -> str:
        await asyncio.sleep(0)
        return record.message_id

    async def plain(event: SQSEvent, context: LambdaContext) -> list[str]:
        with span("inside"):
            return await asyncio.gather(*map(process, event.records))

    decorate = event_source(data_class=SQSEvent)
    handler: Callable[..., Any] = traced_handler(decorate(plain)) if order == "traced outside" else decorate(traced_handler(plain))
    assert handler(event, lambda_context) == names
    assert [entry.kind for entry in spans.take()][-2:] == [SpanKind.CONSUMER, SpanKind.SERVER]


def test_context_of_a_record_object_can_be_extracted(spans: Any) -> None:
    event, _ = sqs()
    record = SQSRecord(event["Records"][1])
    assert get_current_span(extract_sqs(record)).get_span_context().is_remote
