"""`traced_record` around the function that handles one record."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from lambda_otel import inject_http, span, traced_handler, traced_record
from lambda_otel.sources import SOURCES, EventSource, Message, Trigger

pytestmark = pytest.mark.usefixtures("nothing_complains")

EVENTS = Path(__file__).parent / "events"
ORDERS = {"Records": json.loads((EVENTS / "sqs/two_traces.json").read_text())["Records"][1:]}
RECORD = ORDERS["Records"][0]


def in_batch(call: Callable[[Any], Any], event: Any = ORDERS, context: Any = None) -> Any:
    """What a call returns that a handler makes with its event."""
    return traced_handler(lambda event, context: call(event))(event, context)


def test_record_has_a_span_under_the_batch_and_a_link_to_its_sender(spans: Any) -> None:
    @traced_record
    def process(record: Any) -> Any:
        return record, get_current_span()

    event, inside = in_batch(lambda event: process(event["Records"][0]))
    assert event is RECORD
    record, batch, _ = spans.take()
    assert record.context == inside.get_span_context()
    assert (record.name, record.kind, record.parent) == ("process orders", SpanKind.CONSUMER, batch.context)
    assert record.attributes["messaging.message.id"] == RECORD["messageId"]
    assert record.attributes["code.function.name"].endswith("<locals>.process")
    assert [link.context for link in record.links] == [batch.links[0].context]


def test_each_record_has_its_own_link(spans: Any) -> None:
    process = traced_record(lambda record: None)
    in_batch(lambda event: [process(record) for record in event["Records"]])
    *records, batch, _ = spans.take()
    assert len(records) == len(ORDERS["Records"]) == len(batch.links)
    assert [entry.links[0].context.trace_id for entry in records] == [link.context.trace_id for link in batch.links]


def test_name_and_attributes_can_be_given(spans: Any) -> None:
    @traced_record(name="order", attributes={"team": "shop", "messaging.system": "mine"})
    def process(record: Any) -> None: ...

    process(RECORD)
    ended = spans.one()
    assert (ended.name, ended.attributes["team"], ended.attributes["messaging.system"]) == ("order", "shop", "mine")


def test_result_and_exception_pass_through_as_the_same_objects(spans: Any) -> None:
    result, error = object(), ValueError("no stock")

    @traced_record
    def process(record: Any) -> Any:
        if record is None:
            raise error
        return result

    @traced_record
    async def process_async(record: Any) -> Any:
        await asyncio.sleep(0)
        return process(record)

    assert process(RECORD) is result
    assert asyncio.run(process_async(RECORD)) is result
    for call in (process, lambda record: asyncio.run(process_async(record))):
        spans.take()
        with pytest.raises(ValueError, match="no stock") as caught:
            call(None)
        assert caught.value is error
        inner, *outer = spans.take()
        assert [event.name for event in inner.events] == ["exception"]
        assert all((entry.events, entry.status.status_code) == ((), StatusCode.ERROR) for entry in outer)


def test_metadata_survives() -> None:
    def process(record: dict[str, Any], lambda_context: Any = None) -> None:
        """Says what it does."""

    async def process_async(record: dict[str, Any]) -> None:
        """Says what it does."""

    for plain in (process, process_async):
        decorated: Any = traced_record(plain)
        assert decorated.__wrapped__ is plain
        assert (decorated.__name__, decorated.__doc__) == (plain.__name__, plain.__doc__)
        assert inspect.signature(decorated) == inspect.signature(plain)
        assert inspect.iscoroutinefunction(decorated) == inspect.iscoroutinefunction(plain)


class Worker:
    """Functions of many kinds."""

    def plain(self, record: Any) -> Any:
        return record

    @traced_record
    def method(self, record: Any) -> Any:
        return record

    @traced_record
    @classmethod
    def of_class(cls, record: Any) -> Any:
        return record

    @traced_record
    @staticmethod
    def static(record: Any) -> Any:
        return record

    def __call__(self, record: Any) -> Any:
        return record


def with_client(client: Any, record: Any) -> Any:
    """A function for partials."""
    return record


@pytest.mark.parametrize(
    ("process", "name"),
    [
        (Worker().method, "Worker.method"),
        (Worker.of_class, "Worker.of_class"),
        (Worker().of_class, "Worker.of_class"),
        (Worker.static, "Worker.static"),
        (traced_record(Worker().plain), "Worker.plain"),
        (traced_record(Worker()), "Worker"),
        (traced_record(functools.partial(with_client, "client")), "with_client"),
    ],
)
def test_function_may_be_anything_that_can_be_called(process: Callable[..., Any], name: str, spans: Any) -> None:
    assert process(RECORD) is RECORD
    assert process(record=RECORD) is RECORD
    for ended in spans.take():
        assert (ended.name, ended.attributes["code.function.name"]) == ("process orders", f"{__name__}.{name}")
        assert ended.attributes["messaging.message.id"] == RECORD["messageId"]


@pytest.mark.parametrize(
    "call",
    [
        lambda process: process(RECORD),
        lambda process: process(record=RECORD),
        lambda process: process(lambda_context=None, record=RECORD),
        lambda process: process(RECORD, lambda_context=None),
        lambda process: process(RECORD, None, "more"),
    ],
)
@pytest.mark.parametrize("kind", ["named", "loose"])
def test_record_is_found_however_it_is_passed(call: Any, kind: str, spans: Any) -> None:
    def named(record: Any, lambda_context: Any = None, *more: Any) -> Any:
        return record

    def loose(*args: Any, **kwargs: Any) -> Any:
        return named(*args, **kwargs)

    assert call(traced_record({"named": named, "loose": loose}[kind])) is RECORD
    assert spans.one().name == "process orders"


def test_record_may_have_another_name(spans: Any) -> None:
    process = traced_record(lambda message, lambda_context=None: message)
    assert process(lambda_context=None, message=RECORD) is RECORD
    assert spans.one().name == "process orders"


def test_record_of_another_source_than_the_event_is_recognised(spans: Any) -> None:
    uploaded = json.loads((EVENTS / "s3/object_created.json").read_text())["Records"][0]
    process = traced_record(lambda record: None)
    in_batch(lambda event: process(uploaded))
    record, *_ = spans.take()
    assert record.name == f"process {uploaded['s3']['bucket']['name']}"
    assert "messaging.system" not in record.attributes


ODD_RECORDS = [None, "text", 7, [], {}, {"eventSource": "aws:sqs"}, {"eventSource": "aws:sqs", "messageId": [], "body": 7}, object()]


@pytest.mark.parametrize("record", ODD_RECORDS, ids=lambda record: type(record).__name__)
def test_any_record_reaches_the_function(record: Any, spans: Any) -> None:
    assert traced_record(lambda record: record)(record) is record
    assert in_batch(lambda event: traced_record(lambda record: record)(record)) is record
    assert {entry.status.status_code for entry in spans.take()} == {StatusCode.UNSET}


def test_record_that_raises_when_it_is_looked_at_reaches_the_function_and_is_said_once(spans: Any, logged: Callable[[], list[str]]) -> None:
    class Hostile:
        @property
        def raw_event(self) -> Any:
            raise RuntimeError

    record = Hostile()
    process = traced_record(lambda record: record)
    assert [process(record) is record for _ in range(3)] == [True] * 3
    assert spans.take() == []
    assert len(logged()) == 1


def test_records_of_a_source_of_the_users_are_recognised(spans: Any) -> None:
    source = EventSource(
        "mine",
        lambda event: "jobs" in event,
        lambda event: Trigger(answer="batch"),
        message=lambda record: Message(destination="jobs", item=record["id"], attributes={"job": record["id"]}),
    )
    process = traced_record(lambda record: None)

    @traced_handler(sources=(source, *SOURCES))
    def handler(event: Any, context: Any) -> Any:
        for record in event["jobs"]:
            process(record)
        return {"batchItemFailures": [{"itemIdentifier": "b"}]}

    handler({"jobs": [{"id": "a"}, {"id": "b"}]}, None)
    first, second, _ = spans.take()
    assert (first.name, first.attributes["job"], first.status.status_code) == ("process jobs", "a", StatusCode.UNSET)
    assert (second.name, second.attributes["job"], second.status.status_code) == ("process jobs", "b", StatusCode.ERROR)


def test_source_that_breaks_on_a_record_leaves_it_untraced_and_is_said_once(spans: Any, logged: Callable[[], list[str]]) -> None:
    def broken(record: Any) -> Any:
        raise RuntimeError("broken")

    source = EventSource("mine", lambda event: True, lambda event: Trigger(), message=broken)
    process = traced_record(lambda record: record)
    handler = traced_handler(sources=(source,))(lambda event, context: [process(record) for record in event["Records"]])
    assert handler(ORDERS, None) == ORDERS["Records"]
    assert [entry.kind for entry in spans.take()] == [SpanKind.SERVER]
    assert len(logged()) == 1


# Concurrency


def test_records_under_gather_are_siblings(spans: Any) -> None:
    @traced_record
    async def process(record: Any) -> int:
        mine = get_current_span()
        await asyncio.sleep(0.001)
        assert get_current_span() is mine
        return mine.get_span_context().span_id

    @traced_handler
    async def handler(event: Any, context: Any) -> list[int]:
        return await asyncio.gather(*map(process, event["Records"]))

    ids = handler(ORDERS, None)
    *records, batch, _ = spans.take()
    assert {entry.context.span_id for entry in records} == set(ids)
    assert all(entry.parent == batch.context for entry in records)


@pytest.mark.parametrize("carried", [True, False])
def test_records_in_a_pool_of_threads_are_children_of_the_batch(carried: bool, spans: Any) -> None:
    names = [record["messageId"] for record in ORDERS["Records"]]
    process = traced_record(name="record")(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            for record in event["Records"]:
                pool.submit(*(contextvars.copy_context().run, process, record) if carried else (process, record))
        return {"batchItemFailures": [{"itemIdentifier": names[-1]}]}

    handler(ORDERS, None)
    ended = spans.take()
    (batch,) = [entry for entry in ended if entry.name == "process orders"]
    records = {entry.attributes["messaging.message.id"]: entry for entry in ended if entry.name == "record"}
    assert all(entry.parent == batch.context for entry in records.values())
    assert [records[name].status.status_code is StatusCode.ERROR for name in names] == [name == names[-1] for name in names]


def test_record_in_a_thread_without_a_context_is_a_trace_of_its_own_while_no_handler_runs(spans: Any) -> None:
    process = traced_record(lambda record: None)
    in_batch(lambda event: None)
    batch, _ = spans.take()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(process, RECORD).result()
    record = spans.one()
    assert (record.name, record.parent) == ("process orders", None)
    assert record.context.trace_id != batch.context.trace_id


def test_coroutine_of_a_record_that_is_thrown_away_ends_its_span(spans: Any) -> None:
    @traced_record
    async def process(record: Any) -> None:
        await asyncio.Future()

    async def main() -> None:
        processing = process(RECORD)
        contextvars.copy_context().run(processing.send, None)
        del processing
        gc.collect()
        assert not get_current_span().get_span_context().is_valid

    asyncio.run(main())
    assert spans.one().status.status_code is StatusCode.UNSET


# Context


def test_record_is_traced_outside_of_any_invocation(spans: Any) -> None:
    process = traced_record(lambda record: None)
    process(RECORD)
    alone = spans.one()
    assert (alone.name, alone.parent, len(alone.links)) == ("process orders", None, 1)
    with span("poll"):
        process(RECORD)
    record, poll = spans.take()
    assert record.parent == poll.context


def test_span_of_the_user_around_the_loop_is_the_parent(spans: Any) -> None:
    process = traced_record(lambda record: None)

    def loop(event: Any) -> None:
        with span("loop"):
            process(event["Records"][0])

    in_batch(loop)
    by_name = {entry.name + str(index): entry for index, entry in enumerate(spans.take())}
    assert by_name["process orders1"].parent == by_name["loop0"].context


def test_record_of_an_unsampled_invocation_makes_no_span_and_passes_the_context_on(spans: Any) -> None:
    unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    process = traced_record(lambda record: inject_http()["traceparent"])
    assert in_batch(lambda event: process(RECORD), {"headers": {"traceparent": unsampled}}) == unsampled
    assert spans.take() == []


def test_nothing_is_made_when_the_sdk_is_disabled(monkeypatch: pytest.MonkeyPatch, installed: Any) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert in_batch(lambda event: traced_record(lambda record: get_current_span())(RECORD)) is trace.INVALID_SPAN
    assert installed.get_finished_spans() == ()


# RabbitMQ: the queue stands beside the messages, not in them


def rabbitmq(queues: dict[str, list[str | None]]) -> Any:
    """An event with messages of these identifiers in these queues."""
    return {
        "eventSource": "aws:rmq",
        "eventSourceArn": "arn:aws:mq:us-east-1:123456789012:broker:b:b-1",
        "rmqMessagesByQueue": {
            f"{queue}::/": [{"basicProperties": {"messageId": name, "headers": {}}, "redelivered": False, "data": ""} for name in names]
            for queue, names in queues.items()
        },
    }


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ({"orders": ["a", "b"]}, ["process orders", "process orders"]),
        ({"orders": [None, None]}, ["process orders", "process orders"]),
        ({"orders": ["a", None], "returns": ["b"]}, ["process orders", "process orders", "process returns"]),
        ({"orders": ["a", None], "returns": ["b", None]}, ["process orders", "process", "process returns", "process"]),
    ],
)
def test_message_of_rabbitmq_has_the_queue_that_the_event_tells(queues: Any, expected: list[str], spans: Any) -> None:
    process = traced_record(lambda record: None)
    event = rabbitmq(queues)
    in_batch(lambda event: [process(message) for found in event["rmqMessagesByQueue"].values() for message in found], event)
    records = [entry for entry in spans.take() if "code.function.name" in entry.attributes and entry.kind is SpanKind.CONSUMER]
    assert [entry.name for entry in records] == expected
    assert [entry.attributes.get("messaging.destination.name") for entry in records] == [
        name.partition(" ")[2] or None for name in expected
    ]


def test_ten_thousand_messages_of_rabbitmq_take_bounded_time(spans: Any) -> None:
    process = traced_record(lambda record: None)
    event = rabbitmq({"orders": [f"m-{number}" for number in range(10_000)]})
    (messages,) = event["rmqMessagesByQueue"].values()
    started = time.process_time()
    in_batch(lambda event: [process(message) for message in messages], event)
    assert time.process_time() - started < 10
    assert len(spans.take()) == 10_002
