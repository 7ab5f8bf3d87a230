"""Freeze, thaw and death of an execution environment: nothing runs in between, nothing is lost but what was killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runtime.lambda_service import Lambda
from runtime.sink import Mode, Sink

FUNCTIONS = Path(__file__).parent / "functions"


def orders(endpoint: str, **variables: str) -> Lambda:
    return Lambda("orders.handler", FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables})


def threads_of(pid: int | None) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def state_of(pid: int | None) -> str:
    """``T`` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("mode", ["ok", "hang", "slow", "503"])
def test_no_thread_that_sends_is_left_to_the_freeze(mode: Mode) -> None:
    with Lambda("twin.handler", FUNCTIONS) as plain:
        plain.invoke({})
        of_the_runtime = threads_of(plain.pid) - 1
    with Sink(mode) as sink, orders(sink.endpoint) as function:
        for order in range(3):
            threads = function.invoke({"order": order}).json()["threads"]
            assert set(threads) <= {"MainThread", "lambda_otel-watchdog"}  # a watchdog sleeps
            assert (state_of(function.pid), threads_of(function.pid)) == (
                "T",
                len(threads) + of_the_runtime,
            )


def test_everything_is_sent_before_the_freeze() -> None:
    with Sink() as sink, orders(sink.endpoint) as function:
        for count in (1, 2, 3):
            result = function.invoke({"order": count})
            assert len(sink.spans) == 2 * count
            assert result.answered_after and result.settled_after - result.answered_after < 0.2
            time.sleep(0.2)
            assert len(sink.spans) == 2 * count


def test_one_connection_serves_twenty_freezes() -> None:
    with Sink() as sink, orders(sink.endpoint) as function:
        for count in range(1, 21):
            assert function.invoke({"order": count}).json()["order"] == count
            assert state_of(function.pid) == "T"
            assert len(sink.spans) == 2 * count
        assert sink.connections == 1
        assert len({span.span_id for span in sink.spans}) == 40
        assert len({span.trace_id for span in sink.spans}) == 20
        assert [span.attributes["faas.coldstart"] for span in sink.spans if span.kind == "SERVER"] == [
            True,
            *[False] * 19,
        ]


def test_a_connection_that_died_in_the_freeze_is_replaced_without_loss() -> None:
    with Sink() as sink, orders(sink.endpoint) as function:
        for count in range(1, 6):
            result = function.invoke({"order": count})
            assert result.answered_after and result.answered_after < 0.4
            assert len(sink.spans) == 2 * count, "the spans have to come with their own invocation"
            sink.drop_connections()
        assert sink.connections == 5
        assert len({span.span_id for span in sink.spans}) == 10
        assert "lambda_otel" not in function.log and "WARNING" not in function.log


def test_a_connection_that_is_reset_after_the_freeze_is_replaced_at_once() -> None:
    with Sink("forgetful") as sink, orders(sink.endpoint) as function:
        for count in range(1, 5):
            function.invoke({"order": count})
            assert len(sink.spans) == 2 * count, "the spans have to come with their own invocation"
        assert len({span.span_id for span in sink.spans}) == 8
        assert "WARNING" not in function.log


def test_an_answer_that_comes_in_the_freeze_is_read_after_it() -> None:
    with Sink("slow", delay=0.8) as sink, orders(sink.endpoint) as function:
        function.invoke({"order": 1})
        assert len(sink.spans) == 2
        time.sleep(0.6)
        sink.mode = "ok"
        started = time.monotonic()
        function.invoke({"order": 2})
        assert time.monotonic() - started < 0.4
        assert len({span.span_id for span in sink.wait_for(4)}) == len(sink.spans) == 4


def test_a_request_whose_connection_died_in_the_freeze_is_sent_again() -> None:
    with Sink("hang") as sink, orders(sink.endpoint) as function:
        function.invoke({"order": 1})
        assert (len(sink.requests), sink.spans) == (1, [])
        sink.drop_connections(timeout=0.0)
        sink.mode = "ok"
        deadline = time.monotonic() + 8
        count = 1
        while len(sink.spans) < 2 * count:
            assert time.monotonic() < deadline, function.log
            time.sleep(0.3)
            function.invoke({"order": count})
            count += 1
        assert len({span.span_id for span in sink.spans}) == len(sink.spans) == 2 * count


def test_a_kill_at_the_deadline_loses_only_that_invocation() -> None:
    with Sink() as sink, orders(sink.endpoint) as function:
        before = [function.invoke({"order": order}) for order in range(2)]
        pid = function.pid
        killed = function.invoke({"order": 2, "sleep": 9}, timeout=0.4)
        assert (killed.kind, killed.body, function.pid) == ("timeout", None, None)
        assert killed.settled_after < 0.8
        after = [function.invoke({"order": order}) for order in range(3, 5)]
        assert function.pid not in (None, pid)
        invocations = {span.attributes["faas.invocation_id"]: span for span in sink.spans if span.kind == "SERVER"}
        survivors = [invocations[result.request_id] for result in before + after]
        assert [span.attributes["faas.coldstart"] for span in survivors] == [True, False, True, False]
        work = [span.parent_id for span in sink.spans if span.name == "work"]
        assert [work.count(span.span_id) for span in survivors] == [1] * 4
    assert function.environments == 2
