"""Spans that are sent after the answer: the caller waits for nothing, Lambda freezes only when they have left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runtime.lambda_service import Lambda, Result
from runtime.rie import Emulator
from runtime.sink import Mode, Sink

FUNCTIONS = Path(__file__).parent / "functions"
ASYNC = {"LAMBDA_OTEL_FLUSH_MODE": "async"}
BUDGET = 0.5  # seconds, the default of LAMBDA_OTEL_FLUSH_TIMEOUT
MARGIN = 0.4  # seconds that a busy machine may add
AT_ONCE = 0.3  # seconds that an answer may take on a busy machine


def life(endpoint: str, handler: str = "handler", *, timeout: float = 5.0, refuse_extensions: bool = False, **variables: str) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **ASYNC, **variables}
    return Lambda(f"life.{handler}", FUNCTIONS, environment=environment, timeout=timeout, refuse_extensions=refuse_extensions)


def state_of(pid: int | None) -> str:
    """``T`` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def answered(result: Result) -> None:
    assert (result.kind, result.error) == ("response", None)
    assert result.answered_after is not None and result.answered_after < AT_ONCE


def test_the_caller_has_its_answer_while_a_slow_backend_is_waited_for() -> None:
    with Sink("slow", delay=0.4) as sink, life(sink.endpoint) as function:
        for count in range(1, 4):
            result = function.invoke({})
            answered(result)
            assert result.settled_after >= 0.4
            assert state_of(function.pid) == "T"
            assert len(sink.spans) == 2 * count
        assert function.extensions == ["lambda_otel"]
        assert "lambda_otel" not in function.log and "WARNING" not in function.log


def test_a_long_sleep_between_invocations_changes_nothing() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        for count, pause in enumerate((0.0, 2.5, 1.5), start=1):
            time.sleep(pause)
            answered(function.invoke({}))
            assert len(sink.spans) == 2 * count
        assert function.environments == 1


def test_many_invocations_are_served_by_one_thread_on_one_connection() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        results = [function.invoke({}) for _ in range(60)]
        for result in results:
            answered(result)
        assert results[-1].json()["threads"] == ["lambda_otel-extension", "lambda_otel-watchdog"]
        assert [span.attributes["faas.invocation_id"] for span in sink.spans if span.kind == "SERVER"] == [
            result.request_id for result in results
        ]
        assert (sink.connections, function.environments) == (1, 1)


def test_a_refused_registration_means_sending_before_the_answer() -> None:
    with Sink("slow", delay=0.3) as sink, life(sink.endpoint, refuse_extensions=True) as function:
        for count in range(1, 4):
            result = function.invoke({})
            assert result.kind == "response" and result.answered_after and result.answered_after >= 0.3
            assert len(sink.spans) == 2 * count
        assert function.log.count("LAMBDA_OTEL_FLUSH_MODE") == function.log.count("[WARNING]") == 1
        assert "Extension.RegistrationClosed" in function.log


@pytest.mark.parametrize("mode", ["hang", "drip", "503", "reset"])
def test_a_backend_in_trouble_delays_no_answer_and_kills_no_environment(mode: Mode) -> None:
    with Sink(mode) as sink, life(sink.endpoint, timeout=1.0, OTEL_EXPORTER_OTLP_TIMEOUT="1") as function:
        results = [function.invoke({}) for _ in range(3)]
        for result in results:
            answered(result)
            assert result.settled_after < BUDGET + MARGIN
        sink.mode = "ok"
        deadline = time.monotonic() + 8
        while len({span.span_id for span in sink.spans}) < 2 * len(results):
            assert time.monotonic() < deadline, function.log
            time.sleep(0.3)
            results.append(function.invoke({}))
            answered(results[-1])
        assert function.environments == 1


@pytest.mark.parametrize("left", [0.3, 0.12, 0.03])
def test_what_little_time_is_left_is_not_overdrawn(left: float) -> None:
    with Sink("hang") as sink, life(sink.endpoint, timeout=0.8) as function:
        result = function.invoke({"leave": left})
        assert (result.kind, function.environments) == ("response", 1), function.log
        assert result.settled_after < 0.8
        sink.mode = "ok"
        time.sleep(1.1)  # the library leaves a backend in trouble alone for a second
        assert function.invoke({}).kind == "response"
        assert function.environments == 1


def test_an_exception_is_answered_at_once_and_sent() -> None:
    with Sink("slow", delay=0.4) as sink, life(sink.endpoint) as function:
        for count in range(1, 3):
            result = function.invoke({"do": "raise"})
            assert (result.kind, result.error and result.error["errorType"]) == ("error", "ValueError")
            assert result.answered_after is not None and result.answered_after < AT_ONCE
            assert [span.status for span in sink.spans] == ["ERROR"] * 2 * count
        assert function.environments == 1


@pytest.mark.parametrize("end", ["exit", "interrupt"])
def test_what_ends_the_process_is_sent_before_it_does(end: str) -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        function.invoke({})
        assert function.invoke({"do": end}).kind == "exit"
        assert len(sink.spans) == 4
        assert [span.status for span in sink.spans] == ["UNSET", "UNSET", "ERROR", "ERROR"]
        answered(function.invoke({}))
        assert len(sink.spans) == 6


def test_a_handler_that_is_not_traced_is_not_waited_for_long() -> None:
    with Sink() as sink, life(sink.endpoint, "sometimes", timeout=30) as function:
        for count, traced in enumerate((True, False, False, True), start=1):
            result = function.invoke({"traced": traced})
            answered(result)
            assert result.settled_after < 0.6, count
        assert len(sink.spans) == 4


def test_a_timeout_costs_one_environment_and_no_span() -> None:
    with Sink() as sink, life(sink.endpoint, timeout=0.8) as function:
        function.invoke({})
        late = function.invoke({"do": "sleep"})
        assert late.kind == "timeout"
        assert [span.attributes.get("error.type") for span in sink.spans] == [None, None, "timeout", "timeout"]
        answered(function.invoke({}))
        assert (len(sink.spans), function.environments) == (6, 2)


def test_awss_own_emulator_takes_the_extension() -> None:
    variables = {**ASYNC, "LAMBDA_OTEL_TIMEOUT_MARGIN": "0"}
    with (
        Sink() as sink,
        Emulator("life.handler", FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **variables}) as emulator,
    ):
        for count in range(1, 4):
            answer = emulator.invoke({})
            assert (answer.status, answer.json()["threads"]) == (200, ["lambda_otel-extension"])
            assert len(sink.wait_for(2 * count)) == 2 * count
        assert "LAMBDA_OTEL_FLUSH_MODE" not in emulator.log


def test_awss_own_emulator_without_the_traced_handler() -> None:
    with (
        Sink() as sink,
        Emulator("life.sometimes", FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **ASYNC}) as emulator,
    ):
        for traced in (False, True, False, True):
            begin = time.monotonic()
            assert emulator.invoke({"traced": traced}).status == 200
            assert time.monotonic() - begin < 2.5
        assert len(sink.wait_for(4)) == 4
