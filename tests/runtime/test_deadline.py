"""An invocation that runs into its deadline: the open spans are there before Lambda kills it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runtime.lambda_service import Lambda
from runtime.received import ReceivedSpan
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"


def life(endpoint: str, timeout: float = 0.8, **variables: str) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}
    return Lambda("life.handler", FUNCTIONS, environment=environment, timeout=timeout)


def outcome(spans: list[ReceivedSpan]) -> list[tuple[str, str | None]]:
    return [(span.name, span.attributes.get("error.type")) for span in spans]


@pytest.mark.parametrize("hanging", ["sleep", "read", "loop", "hash"])
def test_the_spans_that_hang_arrive_before_the_kill(hanging: str) -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        result = function.invoke({"do": hanging})
        assert (result.kind, function.pid) == ("timeout", None)
        work, invocation = sink.spans
        assert outcome(sink.spans) == [("work", "timeout"), ("test-function", "timeout")]
        assert (work.parent_id, work.trace_id) == (invocation.span_id, invocation.trace_id)
        assert invocation.attributes["faas.invocation_id"] == result.request_id
        assert {span.status for span in sink.spans} == {"ERROR"}
        assert 0.5 < invocation.duration < 0.8
        assert function.log == "", "a watchdog says nothing"
        assert function.invoke({}).kind == "response"
        assert len(sink.spans) == 4


def test_what_ended_before_the_deadline_arrives_too() -> None:
    with Sink("503") as sink, life(sink.endpoint) as function:
        function.invoke({})
        sink.mode = "ok"
        function.invoke({"do": "sleep"})
        assert outcome(sink.spans) == [("work", None), ("test-function", None), ("work", "timeout"), ("test-function", "timeout")]


def test_c_code_that_holds_the_interpreter_cannot_be_caught() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        result = function.invoke({"do": "hold"})
        assert (result.kind, sink.spans) == ("timeout", [])
        assert result.settled_after < 1.3
        assert function.invoke({}).kind == "response"


def test_the_functions_own_alarm_is_not_touched() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        assert function.invoke({"do": "alarm"}).json()["alarms"] == 1
        assert outcome(sink.spans) == [("work", None), ("test-function", None)]


def test_invocations_that_end_in_time_are_not_disturbed() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        for _ in range(5):
            assert function.invoke({"seconds": 0.1}).json()["threads"] == ["lambda_otel-watchdog"]
        assert outcome(sink.spans) == [("work", None), ("test-function", None)] * 5


def test_a_deadline_that_passes_in_the_freeze_means_nothing() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        for _ in range(3):
            function.invoke({})
            time.sleep(0.9)  # the deadline of this invocation passes
            function.invoke({"seconds": 0.3})
        assert outcome(sink.spans) == [("work", None), ("test-function", None)] * 6


def test_a_handler_that_ends_within_the_margin_sends_its_spans_once_more() -> None:
    with Sink() as sink, life(sink.endpoint, timeout=1.0, LAMBDA_OTEL_TIMEOUT_MARGIN="500") as function:
        result = function.invoke({"seconds": 0.65})
        assert result.kind == "response"
        work, invocation, *again = sink.spans
        assert outcome([work, invocation]) == [("work", "timeout"), ("test-function", "timeout")]
        assert outcome(again) == [("work", None), ("test-function", None)]
        assert [span.span_id for span in again] == [work.span_id, invocation.span_id]
        assert all(span.status == "UNSET" for span in again)


@pytest.mark.parametrize(("margin", "acts_at"), [("200", 0.8), ("400", 0.6), ("5000", 0.5)])
def test_the_margin_is_up_to_the_user(margin: str, acts_at: float) -> None:
    with Sink() as sink, life(sink.endpoint, timeout=1.0, LAMBDA_OTEL_TIMEOUT_MARGIN=margin) as function:
        function.init()
        function.invoke({"do": "sleep"})
        assert acts_at - 0.1 < sink.spans[-1].duration < acts_at + 0.12


def test_it_can_be_turned_off() -> None:
    with Sink() as sink, life(sink.endpoint, LAMBDA_OTEL_TIMEOUT_MARGIN="0") as function:
        assert function.invoke({"seconds": 0.01}).json()["threads"] == []
        sink.clear()
        assert function.invoke({"do": "sleep"}).kind == "timeout"
        assert sink.spans == []


@pytest.mark.parametrize("mode", ["hang", "503", "slow"])
def test_a_backend_in_trouble_makes_nothing_worse(mode: str) -> None:
    with Sink(mode) as sink, life(sink.endpoint) as function:  # type: ignore[arg-type]
        assert function.invoke({"do": "sleep"}).kind == "timeout"
        result = function.invoke({})
        assert result.kind == "response" and result.settled_after < 0.8


def test_what_an_installed_provider_holds_is_sent() -> None:
    with Sink() as sink:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "EXPORTER": "layer"}
        with Lambda("orders.handler", FUNCTIONS, environment=environment, timeout=1.5) as function:
            assert function.invoke({"order": 1, "spans": 3}).kind == "response"
            sink.clear()
            assert function.invoke({"spans": 3, "late": 9}).kind == "timeout"
            assert [span.name for span in sink.spans] == ["work", "item 0", "item 1", "item 2"], "open spans are its own business"
