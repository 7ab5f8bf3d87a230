"""One invocation: outcome, partial batch failures, cold start, context and flush."""

from __future__ import annotations

import contextvars
import json
import threading
import time
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from lambda_otel import configure, inject_http, span, traced_handler, traced_record

pytestmark = pytest.mark.usefixtures("nothing_complains")

EVENTS = Path(__file__).parent / "events"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

REST = {"resource": "/pets", "path": "/pets", "httpMethod": "GET", "headers": {}, "requestContext": {"stage": "prod", "apiId": "a"}}
HTTP_V2 = {
    "version": "2.0",
    "routeKey": "GET /pets",
    "rawPath": "/pets",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/pets"}, "stage": "$default", "apiId": "a"},
}
SOURCES = {"direct": {}, "sqs": json.loads((EVENTS / "sqs/fifo.json").read_text()), "rest": REST, "v2": HTTP_V2}


def answering(answer: Any) -> Any:
    """A traced handler with this answer."""
    return traced_handler(lambda event, context: answer)


# Status

NOTHING: Any = object()
OF_ANSWERS = [
    # answer, status code on a REST API's span, on an HTTP API's span
    ({"statusCode": 200}, 200, 200),
    ({"statusCode": 404}, 404, 404),
    ({"statusCode": 500}, 500, 500),
    ({"statusCode": 599}, 599, 599),
    ({"statusCode": "503"}, 503, 503),
    ({"statusCode": "201"}, 201, 201),
    ({"statusCode": 500.0}, 500, 500),
    ({"statusCode": 500.5}, None, None),
    ({"statusCode": float("nan")}, None, None),
    ({"statusCode": True}, None, None),
    ({"statusCode": None}, None, None),
    ({"statusCode": ""}, None, None),
    ({"statusCode": "ok"}, None, None),
    ({"statusCode": "5" * 5000}, None, None),
    ({"statusCode": "\u0665\u0660\u0660"}, None, None),
    ({"statusCode": []}, None, None),
    ({"statusCode": 600}, None, None),
    ({"statusCode": -500}, None, None),
    ({"statusCode": 10**30}, None, None),
    ({"body": "no code"}, None, 200),
    ({}, None, 200),
    (None, None, 200),
    ("text", None, 200),
    ([{"statusCode": 500}], None, 200),
    (500, None, 200),
]


@pytest.mark.parametrize(("answer", "rest", "v2"), OF_ANSWERS, ids=lambda value: repr(value)[:40])
def test_status_follows_the_status_code_of_an_http_answer_and_of_no_other(
    answer: Any, rest: int | None, v2: int | None, spans: Any, lambda_context: Any
) -> None:
    handler = answering(answer)
    for source, code in (("rest", rest), ("v2", v2), ("sqs", None), ("direct", None)):
        assert handler(SOURCES[source], lambda_context) is answer
        ended = spans.take()[-1]
        failed = code is not None and code >= 500
        assert ended.attributes.get("http.response.status_code") == code
        assert ended.attributes.get("error.type") == (str(code) if failed else None)
        assert ended.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
        assert (ended.status.description, ended.events) == (None, ())


def test_raising_handler_is_an_error_on_its_span_and_on_that_of_its_messages(spans: Any, lambda_context: Any) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> None:
        raise ValueError("no stock")

    for event in (REST, SOURCES["sqs"]):
        with pytest.raises(ValueError, match="no stock"):
            handler(event, lambda_context)
        ended = spans.take()
        for entry in ended:
            assert (entry.status.status_code, entry.status.description) == (StatusCode.ERROR, "no stock")
            assert entry.attributes["error.type"] == "ValueError"
            assert "http.response.status_code" not in entry.attributes
        assert [[event.name for event in entry.events] for entry in ended] == [["exception"], []][: len(ended)]


def test_response_headers_are_recorded_only_when_they_are_named(spans: Any, lambda_context: Any) -> None:
    answer = {"statusCode": 200, "headers": {"X-Shop": "12", "Set-Cookie": "secret"}}
    answering(answer)(REST, lambda_context)
    assert not [key for key in spans.one().attributes if "header" in key]


def test_named_response_header_is_recorded(lambda_context: Any, installed: Any) -> None:
    configure(capture=("http.response.header.x-shop",))
    answering({"statusCode": 200, "headers": {"X-Shop": "12", "Set-Cookie": "secret"}})(REST, lambda_context)
    (ended,) = installed.get_finished_spans()
    assert {key: value for key, value in ended.attributes.items() if "header" in key} == {"http.response.header.x-shop": ("12",)}


# Partial batch failures


def load(source: str, case: str) -> Any:
    """An event of the fixtures."""
    return json.loads((EVENTS / source / f"{case}.json").read_text())


def sqs(count: int) -> tuple[Any, list[str]]:
    record = load("sqs", "fifo")["Records"][0]
    names = [f"m-{number}" for number in range(count)]
    return {"Records": [{**record, "messageId": name} for name in names]}, names


def kinesis(count: int) -> tuple[Any, list[str]]:
    record = load("kinesis", "enhanced_fan_out")["Records"][0]
    names = [f"4959033{number}" for number in range(count)]
    return {"Records": [{**record, "kinesis": {**record["kinesis"], "sequenceNumber": name}} for name in names]}, names


def dynamodb(count: int) -> tuple[Any, list[str]]:
    record = load("dynamodb", "all_same")["Records"][0]
    names = [f"1110000000000000000{number}" for number in range(count)]
    return {"Records": [{**record, "dynamodb": {**record["dynamodb"], "SequenceNumber": name}} for name in names]}, names


def kafka(count: int) -> tuple[Any, list[Any]]:
    event = load("kafka_msk", "tombstone")
    ((partition, records),) = [(name, found) for name, found in event["records"].items() if found][:1]
    made = [{**records[0], "offset": offset} for offset in range(count)]
    return {**event, "records": {partition: made}}, [{"partition": partition, "offset": offset} for offset in range(count)]


def records_of(event: Any) -> list[Any]:
    """All records of an event."""
    found = event.get("Records")
    return found if found is not None else [record for records in event["records"].values() for record in records]


def run_batch(event: Any, answer: Any, lambda_context: Any) -> None:
    """Handles every record well and gives this answer."""
    process = traced_record(name="record")(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        for record in records_of(event):
            process(record)
        return answer

    assert handler(event, lambda_context) is answer


BATCHES: list[Callable[[int], tuple[Any, list[Any]]]] = [sqs, kinesis, dynamodb, kafka]


@pytest.mark.parametrize("make", BATCHES)
@pytest.mark.parametrize("failed", [(), (0,), (1, 3), (0, 1, 2, 3)], ids=str)
def test_exactly_the_records_that_the_answer_names_are_errors(
    make: Callable[[int], tuple[Any, list[Any]]], failed: tuple[int, ...], spans: Any, lambda_context: Any
) -> None:
    event, names = make(4)
    run_batch(event, {"batchItemFailures": [{"itemIdentifier": names[number]} for number in failed]}, lambda_context)

    ended = spans.take()
    records = [entry for entry in ended if entry.name == "record"]
    assert [entry.status.status_code is StatusCode.ERROR for entry in records] == [number in failed for number in range(4)]
    assert [entry.attributes.get("error.type") for entry in records] == [
        "batch_item_failures" if number in failed else None for number in range(4)
    ]
    assert all(entry.events == () for entry in records)
    server = ended[-1]
    assert (server.kind, server.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    batch = [entry for entry in ended if entry.kind is SpanKind.CONSUMER and entry.name != "record"]
    if make is dynamodb:
        assert batch == []
        return
    assert batch[0].attributes.get("lambda_otel.batch.failure_count") == (len(failed) or None)
    assert batch[0].status.status_code is (StatusCode.ERROR if len(failed) == 4 else StatusCode.UNSET)
    assert batch[0].attributes.get("error.type") == ("batch_item_failures" if len(failed) == 4 else None)


MALFORMED = [None, "", "text", 7, [], {}, {"itemIdentifier": None}, {"itemIdentifier": ""}, {"itemIdentifier": 7}, {"id": "m-0"}]


@pytest.mark.parametrize("malformed", MALFORMED, ids=repr)
def test_malformed_identifier_fails_the_whole_batch(malformed: Any, spans: Any, lambda_context: Any) -> None:
    event, names = sqs(3)
    run_batch(event, {"batchItemFailures": [{"itemIdentifier": names[0]}, malformed]}, lambda_context)
    *records, batch, server = spans.take()
    assert [entry.status.status_code for entry in records] == [StatusCode.ERROR] * 3
    assert (batch.status.status_code, batch.attributes["lambda_otel.batch.failure_count"]) == (StatusCode.ERROR, 3)
    assert server.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("failures", [None, {}, [], "text", 7], ids=repr)
def test_answer_that_names_nothing_fails_nothing(failures: Any, spans: Any, lambda_context: Any) -> None:
    for answer in (failures, {"batchItemFailures": failures}):
        run_batch(sqs(2)[0], answer, lambda_context)
        assert {entry.status.status_code for entry in spans.take()} == {StatusCode.UNSET}


def test_record_that_raised_keeps_its_own_error_when_the_answer_names_it(spans: Any, lambda_context: Any) -> None:
    event, names = sqs(2)

    @traced_record
    def process(record: Any) -> None:
        if record["messageId"] == names[0]:
            raise KeyError("own")

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        failures = []
        for record in event["Records"]:
            try:
                process(record)
            except KeyError:
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    handler(event, lambda_context)
    failed, good, batch, _ = spans.take()
    assert (failed.attributes["error.type"], failed.status.description) == ("KeyError", "'own'")
    assert good.status.status_code is StatusCode.UNSET
    assert batch.attributes["lambda_otel.batch.failure_count"] == 1


@pytest.mark.parametrize("failed", [False, True])
def test_record_spans_end_when_their_records_were_handled_not_with_the_handler(failed: bool, spans: Any, lambda_context: Any) -> None:
    event, names = sqs(2)
    process = traced_record(lambda record: time.sleep(0.005))
    seen = {}

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        for record in event["Records"]:
            process(record)
            seen[record["messageId"]] = time.time_ns()
            time.sleep(0.01)
        return {"batchItemFailures": [{"itemIdentifier": name} for name in names]} if failed else None

    handler(event, lambda_context)
    *records, batch, _ = spans.take()
    for entry, after in zip(records, seen.values(), strict=True):
        assert entry.end_time <= after
        assert entry.end_time - entry.start_time >= 4_000_000
        assert entry.end_time < batch.end_time


def test_more_records_than_are_kept_open_end_at_once_and_none_is_lost(spans: Any, lambda_context: Any) -> None:
    event, names = sqs(3000)
    seen_open = []
    process = traced_record(name="record")(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        for record in event["Records"]:
            process(record)
        seen_open.append(len(spans.take()))
        return {"batchItemFailures": [{"itemIdentifier": names[0]}]}

    handler(event, lambda_context)
    *records, _, _ = spans.take()
    assert 0 < seen_open[0] < 3000
    assert seen_open[0] + len(records) == 3000
    assert [records[0].status.status_code, records[1].status.status_code] == [StatusCode.ERROR, StatusCode.UNSET]


def test_records_that_are_open_when_the_handler_raises_are_ended_without_an_error(spans: Any, lambda_context: Any) -> None:
    event, _ = sqs(2)
    process = traced_record(name="record")(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        for record in event["Records"]:
            process(record)
        raise ValueError

    with pytest.raises(ValueError):
        handler(event, lambda_context)
    assert [entry.status.status_code.name for entry in spans.take()] == ["UNSET", "UNSET", "ERROR", "ERROR"]


# Cold start


def test_first_invocation_is_cold_and_the_others_are_not(spans: Any, lambda_context: Any) -> None:
    handler, other = answering(None), answering(None)
    for call in (handler, handler, other):
        call({}, lambda_context)
    assert [entry.attributes["faas.coldstart"] for entry in spans.take()] == [True, False, False]


@pytest.mark.parametrize("initialization", ["provisioned-concurrency", "snap-start", "lambda-managed-instances"])
def test_environment_that_was_started_ahead_has_no_cold_start(
    initialization: str, monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialization)
    for _ in range(2):
        answering(None)({}, lambda_context)
    assert [entry.attributes["faas.coldstart"] for entry in installed.get_finished_spans()] == [False, False]


def test_environment_on_demand_has_a_cold_start(monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    answering(None)({}, lambda_context)
    assert installed.get_finished_spans()[0].attributes["faas.coldstart"] is True


def test_invocation_that_could_not_be_traced_was_the_cold_one(spans: Any, lambda_context: Any) -> None:
    traced_handler(sources=7)(lambda event, context: None)({}, lambda_context)  # type: ignore[call-overload]
    answering(None)({}, lambda_context)
    assert spans.one().attributes["faas.coldstart"] is False


# Context


def test_remote_parent_is_the_parent_and_is_passed_on_from_inside(spans: Any, lambda_context: Any) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> str:
        return inject_http()["traceparent"]

    passed_on = handler({**REST, "headers": {"TraceParent": TRACEPARENT, "baggage": "a=b"}}, lambda_context)
    ended = spans.one()
    assert trace.format_trace_id(ended.parent.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert passed_on == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{trace.format_span_id(ended.context.span_id)}-{passed_on[-2:]}"


def test_batch_span_is_current_in_the_handler_and_nothing_is_after_it(spans: Any, lambda_context: Any) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> int:
        return get_current_span().get_span_context().span_id

    current = handler(SOURCES["sqs"], lambda_context)
    batch, server = spans.take()
    assert (batch.context.span_id, batch.parent) == (current, server.context)
    assert not get_current_span().get_span_context().is_valid


def test_span_that_ends_after_its_invocation_in_a_thread_keeps_its_parent(spans: Any, lambda_context: Any) -> None:
    go = threading.Event()
    pool = ThreadPoolExecutor(1)
    pending = []

    def later() -> None:
        go.wait(10)
        with span("later"):
            pass
        traced_record(name="late record")(lambda record: None)(sqs(1)[0]["Records"][0])
        answering(None)({}, lambda_context)

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        pending.append(pool.submit(contextvars.copy_context().run, later))

    handler({}, lambda_context)
    first = spans.one()
    go.set()
    pending[0].result()
    pool.shutdown()
    later_span, record, second = spans.take()
    assert (later_span.parent, record.parent, second.parent) == (first.context, first.context, None)


# Flush


class Exporter:
    """Notes what arrives."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def export(self, spans: Any) -> Any:
        self.batches.append([span.name for span in spans])
        return types.SimpleNamespace(name="SUCCESS")

    def shutdown(self) -> None: ...


def test_spans_are_sent_after_each_invocation_in_one_batch(lambda_context: Any) -> None:
    exporter = Exporter()
    configure(exporters=(exporter,))  # type: ignore[arg-type]

    @traced_handler
    def handler(event: Any, context: Any) -> int:
        with span("inner"):
            pass
        return len(exporter.batches)

    assert [handler({}, lambda_context), handler({}, lambda_context)] == [0, 1]
    assert exporter.batches == [["inner", "my-function"]] * 2


@pytest.mark.parametrize(("remaining", "sent"), [(3000, True), (0, False), (-1, False), (10, False)])
def test_spans_stay_for_the_next_invocation_when_no_time_is_left(remaining: int, sent: bool, lambda_context: Any) -> None:
    exporter = Exporter()
    configure(exporters=(exporter,), flush_margin=0.1)  # type: ignore[arg-type]
    lambda_context.get_remaining_time_in_millis = lambda: remaining
    answering(None)({}, lambda_context)
    assert exporter.batches == ([["my-function"]] if sent else [])
    del lambda_context.get_remaining_time_in_millis
    answering(None)({}, lambda_context)
    assert [name for batch in exporter.batches for name in batch] == ["my-function"] * 2


def test_provider_of_somebody_else_is_flushed_once_and_a_layer_that_flushes_itself_is_left_alone(lambda_context: Any) -> None:
    flushed = []

    class Provider(TracerProvider):
        def force_flush(self, timeout_millis: int = 30000) -> bool:
            flushed.append(timeout_millis)
            return True

    provider = Provider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    handler = answering(None)
    handler({}, lambda_context)
    assert len(flushed) == 1
    assert 0 < flushed[0] <= 3000
    attributes = {"faas.invocation_id": lambda_context.aws_request_id}
    with trace.get_tracer("a layer").start_as_current_span("theirs", kind=SpanKind.SERVER, attributes=attributes) as theirs:
        handler(REST, lambda_context)
        assert theirs.attributes["http.route"] == "/pets"  # type: ignore[attr-defined]
        assert theirs.is_recording()
    assert len(flushed) == 1
