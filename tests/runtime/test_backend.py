"""A backend in trouble, on a Lambda that freezes: the answer is given in time, and what was kept arrives once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from runtime.lambda_service import Lambda, Result
from runtime.network import LOOPBACK, black_hole, reserved_port
from runtime.sink import Mode, Sink

FUNCTIONS = Path(__file__).parent / "functions"
BUDGET = 0.5  # seconds, the default of LAMBDA_OTEL_FLUSH_TIMEOUT
MARGIN = 0.4  # seconds that a busy machine may add
IMPATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "2"}  # seconds until a request without an answer is given up
MODES: tuple[Mode, ...] = ("hang", "reset", "close", "503", "429", "slow", "drip")


def orders(endpoint: str, variables: Mapping[str, str] | None = None, *, timeout: float = 5.0) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **(variables or {})}
    return Lambda("orders.handler", FUNCTIONS, environment=environment, timeout=timeout)


def invoke(function: Lambda, order: int, **event: float) -> Result:
    """One invocation whose answer has to be right and in time."""
    result = function.invoke({"order": order, **event})
    assert (result.kind, result.error) == ("response", None)
    assert result.json()["order"] == order
    assert result.answered_after is not None
    assert result.settled_after < BUDGET + MARGIN
    return result


def invoke_until_all_is_there(function: Lambda, sink: Sink, results: list[Result], patience: float = 10.0) -> None:
    """Goes on invoking until the spans of all invocations have arrived: two of each."""
    deadline = time.monotonic() + patience
    while len({span.span_id for span in sink.spans}) < 2 * len(results):
        assert time.monotonic() < deadline, f"{len(sink.spans)} of {2 * len(results)} spans:\n{function.log}"
        time.sleep(0.2)
        results.append(invoke(function, len(results)))


def assert_each_arrived_once(sink: Sink, results: list[Result]) -> None:
    invocations = [span for span in sink.spans if span.kind == "SERVER"]
    assert Counter(span.attributes["faas.invocation_id"] for span in invocations) == Counter(result.request_id for result in results)
    work = [span for span in sink.spans if span.name == "work"]
    assert Counter(span.parent_id for span in work) == Counter(span.span_id for span in invocations)
    assert set(Counter(span.span_id for span in sink.spans).values()) == {1}


@pytest.mark.parametrize("mode", MODES)
def test_trouble_costs_no_more_than_the_budget_and_nothing_is_lost(mode: Mode) -> None:
    with Sink(delay=0.8, drip_interval=0.02, retry_after=1) as sink, orders(sink.endpoint, IMPATIENT) as function:
        results = [invoke(function, 0)]
        sink.mode = mode
        results += [invoke(function, order) for order in range(1, 4)]
        time.sleep(0.8)  # late answers come while the function is frozen
        sink.mode = "ok"
        invoke_until_all_is_there(function, sink, results)
        assert_each_arrived_once(sink, results)
        assert function.environments == 1
        assert function.log.count("spans cannot be sent") == function.log.count("are being sent") == 1


@pytest.mark.parametrize("trouble", ["refused", "black hole"])
def test_an_endpoint_that_cannot_be_reached_costs_no_more_than_the_budget(trouble: str) -> None:
    with reserved_port() as port, orders(f"http://{LOOPBACK}:{port}") as function:
        blocked: AbstractContextManager[object] = black_hole(port) if trouble == "black hole" else nullcontext()
        with blocked:
            results = [invoke(function, order) for order in range(4)]
        with Sink(port=port) as sink:
            invoke_until_all_is_there(function, sink, results)
            assert_each_arrived_once(sink, results)
    assert function.environments == 1


def test_every_attempt_during_long_trouble_stays_within_the_budget() -> None:
    with Sink("hang") as sink, orders(sink.endpoint, IMPATIENT) as function:
        results: list[Result] = []
        for _ in range(10):
            results.append(invoke(function, len(results)))
            time.sleep(0.35)
        assert 2 <= len(sink.requests) < len(results), "it tries again, but not at every invocation"
        sink.mode = "ok"
        invoke_until_all_is_there(function, sink, results)
        assert_each_arrived_once(sink, results)


def test_a_backend_that_is_always_slow_gets_everything_once() -> None:
    with Sink("slow", delay=0.7) as sink, orders(sink.endpoint) as function:
        results: list[Result] = []
        for _ in range(5):
            results.append(invoke(function, len(results)))
            time.sleep(0.3)
        sink.mode = "ok"
        time.sleep(0.8)
        invoke_until_all_is_there(function, sink, results)
        assert_each_arrived_once(sink, results)


def test_an_answer_that_is_out_when_the_backend_recovers_causes_no_duplicates() -> None:
    with Sink("slow", delay=3.0) as sink, orders(sink.endpoint) as function:
        results = [invoke(function, 0)]
        sink.mode = "ok"
        time.sleep(1.1)  # the library leaves a backend in trouble alone for a second
        results.append(invoke(function, 1))
        time.sleep(1.5)  # by now the late answer is there
        invoke_until_all_is_there(function, sink, results)
        results.append(invoke(function, 2))
        assert_each_arrived_once(sink, results)


def test_a_redirect_is_not_followed_and_later_spans_arrive() -> None:
    with Sink("redirect") as sink, orders(sink.endpoint, {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret"}) as function:
        for order in range(3):
            invoke(function, order)
        assert {(request.method, request.path) for request in sink.requests} == {("POST", "/v1/traces")}
        assert "302" in function.log and "secret" not in function.log
        sink.clear()
        sink.mode = "ok"
        invoke_until_all_is_there(function, sink, results := [invoke(function, 3)], patience=5.0)
        assert_each_arrived_once(sink, results)


def test_a_rejection_is_said_once() -> None:
    with Sink("404") as sink, orders(sink.endpoint) as function:
        for order in range(5):
            invoke(function, order)
        assert function.log.count("404") == 1


def test_all_batches_of_a_flush_share_one_budget() -> None:
    variables = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
    with Sink("slow", delay=0.15) as sink, orders(sink.endpoint, variables) as function:
        first = invoke(function, 0, spans=98)
        assert 10 <= len(sink.spans) < 100, "the budget must end before the batches do"
        sink.mode = "ok"
        time.sleep(1.1)
        results = [first, invoke(function, 1), invoke(function, 2)]
        assert len(sink.wait_for(98 + 2 * len(results))) == 98 + 2 * len(results)
        assert_each_arrived_once(sink, results)


@pytest.mark.parametrize("mode", ["hang", "slow", "drip"])
def test_a_flush_never_causes_a_timeout(mode: Mode) -> None:
    longer_than_the_function = {"LAMBDA_OTEL_FLUSH_TIMEOUT": "9000", "LAMBDA_OTEL_FLUSH_MARGIN": "300"}
    with Sink(mode) as sink, orders(sink.endpoint, longer_than_the_function, timeout=1.0) as function:
        results = [function.invoke({"order": order}) for order in range(3)]
        assert [result.kind for result in results] == ["response"] * 3
        assert [result.json()["order"] for result in results] == [0, 1, 2]
        assert max(result.settled_after for result in results) >= 0.65, "the time that there is should be used"
        assert sink.requests and function.environments == 1


def test_a_timeout_of_one_second_is_kept_with_the_default_settings() -> None:
    with Sink("hang") as sink, orders(sink.endpoint, timeout=1.0) as function:
        assert [function.invoke({"order": order}).kind for order in range(3)] == ["response"] * 3


def test_without_time_left_the_spans_wait_for_the_next_invocation() -> None:
    variables = {"LAMBDA_OTEL_FLUSH_MARGIN": "400"}
    with Sink("hang") as sink, orders(sink.endpoint, variables, timeout=1.0) as function:
        first = function.invoke({"order": 0, "leave": 0.35})
        assert (first.kind, sink.requests) == ("response", [])
        sink.mode = "ok"
        second = function.invoke({"order": 1})
        assert_each_arrived_once(sink, [first, second])


def test_flush_tells_the_truth_within_its_time() -> None:
    with Sink() as sink, orders(sink.endpoint) as function:
        assert function.invoke({"flush": 2.0}).json()["flushed"] is True
        sink.mode = "hang"
        refused = function.invoke({"flush": 0.3})
        assert refused.json()["flushed"] is False
        assert refused.answered_after and refused.answered_after < 0.3 + BUDGET + MARGIN


@pytest.mark.parametrize("mode", ["hang", "503"])
@pytest.mark.parametrize("exporter", ["official", "layer"])
def test_what_others_export_costs_no_more_than_the_budget(exporter: str, mode: Mode) -> None:
    with Sink() as sink, orders(sink.endpoint, {"EXPORTER": exporter}) as function:
        invoke(function, 0)
        assert len(sink.spans) == 2
        sink.mode = mode
        for order in range(1, 4):
            invoke(function, order)
        assert function.environments == 1
