"""The library under AWS's own emulator and runtime: nothing that a caller sees changes, and the spans arrive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from awslambdaric.lambda_context import LambdaContext

from runtime.functions.twin import ERRORS, EXITS, NOT_JSON, RESULTS
from runtime.rie import Answer, Emulator
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"
TRACE_ID, SPAN_ID = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Twins(NamedTuple):
    """The same function without and with the decorator, and where the spans of the second arrive."""

    plain: Emulator
    traced: Emulator
    sink: Sink

    def invoke(self, event: dict[str, Any]) -> tuple[Answer, Answer]:
        """The answers of both, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            plain, traced = pool.map(lambda function: function.invoke(event), (self.plain, self.traced))
        return plain, traced


@pytest.fixture(scope="module")
def started() -> Iterator[Twins]:
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        variables: tuple[dict[str, str], ...] = (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "TRACED": "yes"},
        )
        plain, traced = (stack.enter_context(Emulator("twin.handler", FUNCTIONS, environment=each, timeout=3)) for each in variables)
        yield Twins(plain, traced, sink)


@pytest.fixture
def twins(started: Twins) -> Twins:
    started.sink.clear()
    return started


def without_ids(answer: Answer) -> bytes:
    return re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"<id>", answer.body)


def without_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.mark.parametrize("result", RESULTS)
def test_the_answer_is_the_same_byte_for_byte(twins: Twins, result: str) -> None:
    plain, traced = twins.invoke({"result": result})
    assert (traced.status, traced.body) == (plain.status, plain.body)
    assert without_date(traced) == without_date(plain)
    if result != "bytes":  # handed on as they are
        assert json.dumps(traced.json()) == json.dumps(json.loads(json.dumps(RESULTS[result], default=float)))
    assert [span.name for span in twins.sink.spans] == ["test-function"]


@pytest.mark.parametrize("result", sorted(NOT_JSON.keys() - {"half a character"}))
def test_a_result_that_is_no_json_fails_in_the_same_way(twins: Twins, result: str) -> None:
    plain, traced = twins.invoke({"result": result})
    assert without_ids(traced) == without_ids(plain)
    assert traced.json()["errorType"] == "Runtime.MarshalError"
    assert len(twins.sink.spans) == 1


def test_text_that_is_no_unicode_ends_in_the_same_way(twins: Twins) -> None:
    plain, traced = twins.invoke({"result": "half a character"})
    assert without_ids(traced) == without_ids(plain) != b""  # the process ends; before Python 3.12 it is an answer
    assert len(twins.sink.spans) == 1


def test_a_big_event_comes_back_as_it_was(twins: Twins) -> None:
    event = {"Records": [{"body": "ü" * 400_000, "eventSource": "aws:sqs", "messageId": str(n)} for n in range(2)]}
    plain, traced = twins.invoke(event)
    assert traced.body == plain.body
    assert traced.json() == event
    assert {span.kind for span in twins.sink.spans} == {"SERVER", "CONSUMER"}


@pytest.mark.parametrize("error", ERRORS)
def test_an_exception_is_the_same_but_for_frames_of_ours(twins: Twins, error: str) -> None:
    plain, traced = (answer.json() for answer in twins.invoke({"raise": error}))
    assert (traced["errorType"], traced["errorMessage"]) == (plain["errorType"], plain["errorMessage"])
    users = plain["stackTrace"]
    assert all("twin.py" in frame or "[Previous line repeated" in frame for frame in users) and users
    ours = [frame for frame in traced["stackTrace"] if "/lambda_otel/" in frame]
    rest = [frame for frame in traced["stackTrace"] if frame not in ours]
    assert len(ours) <= 1
    if error == "recursion":  # how deep it can go depends on the frames before
        users, rest = ([re.sub("repeated [0-9]+", "repeated", frame) for frame in frames] for frames in (users, rest))
    assert rest == users
    (span,) = twins.sink.spans
    (event,) = span.events
    assert span.status == "ERROR"
    assert span.attributes["error.type"].endswith(plain["errorType"])
    assert event.attributes["exception.message"] == span.status_description == plain["errorMessage"]


@pytest.mark.parametrize("end", EXITS)
def test_the_end_of_the_process_is_the_same(twins: Twins, end: str) -> None:
    plain, traced = twins.invoke({"exit": end})
    assert without_ids(traced) == without_ids(plain)
    assert traced.json()["errorType"] == "Runtime.ExitError"
    if end == "os._exit":
        assert twins.sink.spans == []
    else:
        (span,) = twins.sink.spans
        error_type = {"sys.exit": "SystemExit", "sys.exit with text": "SystemExit"}.get(end, end)
        assert (span.status, span.attributes["error.type"].rpartition(".")[2]) == ("ERROR", error_type)


def test_a_timeout_is_the_same_and_the_next_process_works() -> None:
    with Sink() as sink, ExitStack() as stack:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
        plain, traced = (
            stack.enter_context(Emulator("twin.handler", FUNCTIONS, environment=variables, timeout=2))
            for variables in (endpoint, {**endpoint, "TRACED": "yes"})
        )
        both = Twins(plain, traced, sink)
        late, traced_late = both.invoke({"sleep": 9})
        assert traced_late.body == late.body == b"Task timed out after 2.00 seconds"
        assert traced_late.status == late.status
        sink.clear()
        answer, traced_answer = both.invoke({"result": "nested"})
        assert traced_answer.body == answer.body
        (span,) = sink.spans
        assert span.attributes["faas.coldstart"] is True


def test_spans_are_there_with_each_answer() -> None:
    with Sink() as sink:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "TRACED": "yes"}
        with Emulator("twin.handler", FUNCTIONS, environment=variables, name="shop", memory=256) as emulator:
            for count in (1, 2, 3):
                assert emulator.invoke({"result": "text"}).json() == "plain"
                assert len(sink.spans) == count, "a span came after the answer"
    cold, *warm = sink.spans
    assert [span.attributes["faas.coldstart"] for span in sink.spans] == [True, False, False]
    assert (cold.name, cold.kind, cold.status, cold.parent_id) == ("shop", "SERVER", "UNSET", "")
    assert cold.attributes["code.function.name"] == "twin.handler"
    assert cold.attributes["faas.trigger"] == "other"
    assert cold.resource["faas.name"] == cold.resource["service.name"] == "shop"
    assert cold.resource["faas.max_memory"] == 256 * 1024 * 1024
    assert len({span.trace_id for span in sink.spans}) == 3
    assert len({span.attributes["faas.invocation_id"] for span in sink.spans}) == 3
    assert {span.attributes["cloud.resource_id"] for span in sink.spans} == {warm[0].attributes["cloud.resource_id"]}
    assert {request.connection for request in sink.requests} == {1}


def test_an_async_handler_is_awaited_on_one_loop() -> None:
    with Sink() as sink:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
        with Emulator("asynchronous.handler", FUNCTIONS, environment=variables) as emulator:
            for _ in range(2):
                assert emulator.invoke({"numbers": [1, 2, 3]}).json() == {"doubled": [2, 4, 6], "loops": 1}
                *loads, invocation = sink.spans
                assert [span.name for span in loads] == ["load"] * 3
                assert {(span.trace_id, span.parent_id) for span in loads} == {(invocation.trace_id, invocation.span_id)}
                assert min(span.duration for span in loads) >= 0.01
                assert max(span.duration for span in loads) <= invocation.duration
                sink.clear()
            failed = emulator.invoke({"numbers": None}).json()
            assert (failed["errorType"], failed["errorMessage"]) == ("LookupError", "no numbers")
            (span,) = sink.spans
            assert (span.status, span.attributes["error.type"]) == ("ERROR", "LookupError")


def test_a_handler_inside_a_package_is_named_as_python_names_it() -> None:
    with Sink() as sink:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
        with Emulator("shop/orders/app.handler", FUNCTIONS, environment=variables) as emulator:
            assert emulator.invoke({"quantity": 2}).json() == 6
        inner, invocation = sink.spans
    assert invocation.attributes["code.function.name"] == "shop.orders.app.handler"
    assert inner.attributes["code.function.name"] == "shop.orders.app.price"
    assert (inner.trace_id, inner.parent_id) == (invocation.trace_id, invocation.span_id)


def test_the_client_context_carries_the_parent(twins: Twins) -> None:
    twins.traced.invoke({"result": "none"}, client_context={"custom": {"Traceparent": TRACEPARENT, "other": 1}})
    (span,) = twins.sink.spans
    assert (span.trace_id, span.parent_id) == (TRACE_ID, SPAN_ID)


@pytest.mark.skipif(not hasattr(LambdaContext, "w3c"), reason="awslambdaric before 4.2 has no context.w3c()")
def test_the_runtimes_own_w3c_context_goes_before_the_users(twins: Twins) -> None:
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    client_context = {"w3c": {"traceparent": TRACEPARENT}, "custom": {"traceparent": other}}
    twins.traced.invoke({"result": "none"}, client_context=client_context)
    (span,) = twins.sink.spans
    assert (span.trace_id, span.parent_id) == (TRACE_ID, SPAN_ID)


def test_a_header_of_the_event_goes_before_the_client_context(twins: Twins) -> None:
    event = {"version": "2.0", "routeKey": "GET /a", "rawPath": "/a", "headers": {"traceparent": TRACEPARENT}}
    event["requestContext"] = {"http": {"method": "GET", "path": "/a"}, "stage": "$default"}
    other = {"custom": {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}}
    assert twins.traced.invoke(event, client_context=other).json() == event
    (span,) = twins.sink.spans
    assert (span.name, span.trace_id, span.parent_id) == ("GET /a", TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("event", [None, [], "text", 7, [None], {"Records": [None]}, {"requestContext": 1}])
def test_odd_events_reach_the_handler_as_they_are(twins: Twins, event: Any) -> None:
    plain, traced = (function.invoke(event) for function in (twins.plain, twins.traced))
    if event is None or event == 7:  # the function itself raises on these
        assert traced.json()["errorMessage"] == plain.json()["errorMessage"] != ""
    else:
        assert traced.body == plain.body
        assert traced.json() == event
    assert len(twins.sink.spans) == 1
