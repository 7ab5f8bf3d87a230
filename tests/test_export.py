"""The buffer in front of a real backend: what is kept, what is sent, what is said, and how long it takes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.trace import TraceFlags
from runtime.network import black_hole, refused_endpoint
from runtime.received import spans_of
from runtime.sink import Sink

from lambda_otel.delivery import DELIVERED, Report
from lambda_otel.export import Breaker, Buffer
from lambda_otel.otlp import OtlpExporter
from lambda_otel.transport import Client

Logged = Callable[[], list[str]]

SHORT = 0.3  # seconds of a budget that is meant to be used up
LATE = 5.0  # seconds after which a budget of SHORT has been missed, also on a busy machine
AMPLE = 20.0


class Tracing:
    """A provider with a buffer in front of an exporter."""

    def __init__(self, exporter: Any, limit: int = 4096, batch_size: int = 512, patience: float = 10.0, sampler: Any = None) -> None:
        self.buffer = Buffer(exporter, limit, batch_size, patience, budget=SHORT)
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(self.buffer)
        self._tracer = provider.get_tracer("test")

    def record(self, *names: str) -> None:
        for name in names:
            self._tracer.start_span(name).end()

    def flush(self, budget: float = AMPLE, *, insist: bool = False) -> bool:
        """Sends what has ended; the budget is kept whatever happens."""
        begin = time.monotonic()
        flushed = self.buffer.flush(budget, insist=insist)
        assert time.monotonic() - begin < budget + LATE
        return flushed


def to(url: str, **options: Any) -> Tracing:
    return Tracing(OtlpExporter(Client(url + "/v1/traces"), None, 10.0), **options)


class Scripted:
    """An exporter that reports what a test says."""

    name = "scripted"

    def __init__(self, *reports: Any) -> None:
        self._reports = list(reports)
        self.batches: list[list[str]] = []

    def export(self, spans: Any, deadline: float) -> Report:
        self.batches.append([span.name for span in spans])
        report = self._reports.pop(0) if self._reports else DELIVERED
        if isinstance(report, BaseException):
            raise report
        return report

    def settle(self, ticket: Any, deadline: float) -> Report:
        return ticket

    def abandon(self, ticket: Any) -> None:
        pass

    def start_anew(self) -> None:
        pass

    def shutdown(self, deadline: float) -> None:
        self.batches.append(["shutdown"])


OUT = Report("unanswered", "no answer in time")


def names(sink: Sink) -> list[str]:
    return [span.name for span in sink.spans]


class Clock:
    """The time of day, which can jump."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self._offset = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: self._real() + self._offset)

    def jump(self, seconds: float) -> None:
        self._offset += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def test_a_flush_sends_what_has_ended_and_says_so(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    tracing.record("one", "two")
    assert tracing.flush()
    assert names(sink) == ["one", "two"]


def test_a_flush_of_nothing_asks_nobody(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    assert tracing.flush()
    assert tracing.flush(0)
    assert sink.connections == 0


def test_an_open_span_is_not_sent(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    span = tracing._tracer.start_span("open")
    assert tracing.flush()
    span.end()
    assert tracing.flush()
    assert len(sink.requests) == 1


def test_a_span_that_is_recorded_but_not_sampled_is_not_sent(sink: Sink) -> None:
    class RecordOnly(sampling.Sampler):
        def should_sample(self, *_: Any, **__: Any) -> sampling.SamplingResult:
            return sampling.SamplingResult(sampling.Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "RecordOnly"

    tracing = to(sink.endpoint, sampler=RecordOnly())
    tracing.record("unsampled")
    assert tracing.flush()
    assert sink.requests == []


def test_other_trace_flags_do_not_matter(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    span = tracing._tracer.start_span("random")
    span._context = span.get_span_context().__class__(1, 2, is_remote=False, trace_flags=TraceFlags(3))
    span.end()
    assert tracing.flush()
    assert names(sink) == ["random"]


def test_many_spans_go_in_batches_over_one_connection(sink: Sink) -> None:
    tracing = to(sink.endpoint, batch_size=10)
    recorded = [str(number) for number in range(35)]
    tracing.record(*recorded)
    assert tracing.flush()
    assert names(sink) == recorded
    assert (len(sink.requests), sink.connections) == (4, 1)


@pytest.mark.parametrize("mode", ["hang", "slow", "drip", "reset", "close", "503", "429"])
def test_a_backend_in_trouble_costs_no_more_than_the_budget_and_no_span(mode: Any, sink: Sink) -> None:
    sink.mode = mode
    tracing = to(sink.endpoint, batch_size=1, patience=SHORT * 2)
    tracing.record("one", "two", "three")
    for _ in range(3):
        assert not tracing.flush(SHORT)
    sink.mode = "ok"
    assert tracing.flush(insist=True)
    assert set(names(sink)) == {"one", "two", "three"}
    assert tracing.buffer.dropped == 0


def test_a_backend_that_cannot_be_reached_costs_no_more_than_the_budget() -> None:
    for nowhere in (black_hole, refused_endpoint):
        with nowhere() as url:
            tracing = to(url)
            tracing.record("one")
            for insist in (False, False, True):
                assert not tracing.flush(SHORT, insist=insist)


def test_the_budget_is_one_for_all_batches(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.15
    tracing = to(sink.endpoint, batch_size=1)
    recorded = [str(number) for number in range(60)]
    tracing.record(*recorded)
    begin = time.monotonic()
    assert not tracing.flush(0.5)  # all of them would take nine seconds
    assert time.monotonic() - begin < LATE
    assert len(sink.requests) < 10
    sink.mode = "ok"
    assert tracing.flush(insist=True)
    assert names(sink) == recorded


def test_late_answers_settle_without_a_second_send(sink: Sink, logged: Logged) -> None:
    sink.mode, sink.delay = "slow", 0.5
    tracing = to(sink.endpoint)
    for number in range(4):
        tracing.record(str(number))
        assert not tracing.flush(SHORT)
        time.sleep(0.5)
    assert tracing.flush(insist=True)
    assert sorted(names(sink)) == ["0", "1", "2", "3"]
    assert len(logged()) == 1
    assert "no answer in time" in logged()[0]


def test_late_answers_settle_while_newer_batches_are_sent(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.3
    tracing = to(sink.endpoint, batch_size=2)
    recorded = [str(number) for number in range(7)]
    tracing.record(*recorded)
    assert not tracing.flush(0.5)
    assert tracing.flush(insist=True)
    assert names(sink) == recorded


def test_an_explicit_flush_waits_for_an_answer_that_is_out(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.5
    tracing = to(sink.endpoint)
    tracing.record("late")
    assert not tracing.flush(SHORT)
    assert tracing.flush(insist=True)
    assert names(sink) == ["late"]


def test_an_explicit_flush_waits_no_longer_than_its_patience_and_sends_again(sink: Sink) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint, patience=SHORT * 2)
    tracing.record("kept")
    assert not tracing.flush(SHORT)
    sink.mode = "ok"
    assert tracing.flush(insist=True)
    assert names(sink) == ["kept"]


def test_an_answer_that_turns_out_to_be_none_sends_the_batch_again(sink: Sink) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint)
    tracing.record("kept")
    assert not tracing.flush(SHORT)
    sink.mode = "ok"
    sink.drop_connections(timeout=0)
    assert tracing.flush(insist=True)
    assert names(sink) == ["kept"]


def test_an_answer_that_is_out_for_too_long_is_given_up(sink: Sink, clock: Clock) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint, patience=60.0)
    tracing.record("kept")
    assert not tracing.flush(SHORT)
    sink.mode = "ok"
    clock.jump(59)
    assert not tracing.flush()
    assert names(sink) == []
    clock.jump(2)
    assert tracing.flush()
    assert names(sink) == ["kept"]


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_after_a_jump_of_the_clock_everything_is_sent(seconds: float, sink: Sink, clock: Clock) -> None:
    tracing = to(sink.endpoint)
    tracing.record("before")
    assert tracing.flush()
    sink.mode = "hang"
    tracing.record("unanswered")
    assert not tracing.flush(SHORT)
    sink.mode = "ok"
    clock.jump(seconds)
    tracing.record("after")
    assert tracing.flush()
    assert sorted(names(sink)) == ["after", "before", "unanswered"]


def test_a_newer_batch_that_is_answered_does_not_send_an_older_one_again(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.5
    tracing = to(sink.endpoint)
    tracing.record("older")
    assert not tracing.flush(SHORT)
    sink.mode = "ok"
    tracing.record("newer")
    assert tracing.flush(insist=True)
    assert names(sink) == ["older", "newer"]


def test_answers_that_are_out_are_few(sink: Sink) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint, patience=1.0)
    recorded = [str(number) for number in range(8)]
    for name in recorded:
        tracing.record(name)
        assert not tracing.flush(0.05, insist=True)
    assert len(tracing.buffer._pending) <= 4
    sink.mode = "ok"
    assert tracing.flush(insist=True)
    assert sorted(names(sink)) == recorded


def test_spans_that_were_not_delivered_keep_their_order(sink: Sink) -> None:
    sink.mode = "503"
    tracing = to(sink.endpoint, batch_size=2)
    tracing.record("1", "2", "3")
    assert not tracing.flush()
    tracing.record("4", "5")
    sink.mode = "ok"
    assert tracing.flush(insist=True)
    assert names(sink) == ["1", "2", "3", "4", "5"]


def test_batches_that_were_not_answered_keep_their_order() -> None:
    broken = Report("failed", "connection reset")
    exporter = Scripted(*(Report("unanswered", "late", ticket=broken) for _ in range(3)))
    tracing = Tracing(exporter)
    for name in ("1", "2", "3"):
        tracing.record(name)
        tracing.buffer._send(time.monotonic() + AMPLE)
    tracing.record("4")
    assert tracing.flush(insist=True)
    assert exporter.batches == [["1"], ["2"], ["3"], ["1", "2", "3", "4"]]


def test_batches_whose_answers_stay_out_keep_their_order(clock: Clock) -> None:
    exporter = Scripted(*(Report("unanswered", "late", ticket=OUT) for _ in range(3)))
    tracing = Tracing(exporter)
    for name in ("1", "2", "3"):
        tracing.record(name)
        tracing.buffer._send(time.monotonic() + AMPLE)
    assert not tracing.flush()
    clock.jump(3600)
    assert tracing.flush()
    assert exporter.batches == [["1"], ["2"], ["3"], ["1", "2", "3"]]


def test_of_too_many_spans_the_oldest_are_dropped_and_counted(sink: Sink) -> None:
    tracing = to(sink.endpoint, limit=10)
    tracing.record(*(str(number) for number in range(25)))
    assert tracing.buffer.dropped == 15
    assert not tracing.flush(), "fifteen of the spans that had ended did not leave"
    assert names(sink) == [str(number) for number in range(15, 25)]
    tracing.record("next")
    assert tracing.flush()


def test_spans_that_come_back_do_not_exceed_the_limit(sink: Sink) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint, limit=10, patience=SHORT)
    tracing.record(*(str(number) for number in range(10)))
    assert not tracing.flush(SHORT)
    tracing.record(*(str(number) for number in range(10, 15)))
    sink.mode = "ok"
    tracing.flush(insist=True)
    assert sorted(names(sink), key=int) == [str(number) for number in range(15)]
    assert tracing.buffer.dropped == 0

    sink.mode = "503"
    tracing.record(*(str(number) for number in range(15, 30)))
    assert not tracing.flush(insist=True)
    tracing.record("30", "31")
    assert tracing.buffer.dropped == 7
    sink.mode = "ok"
    sink.clear()
    assert not tracing.flush(insist=True)
    assert names(sink) == [str(number) for number in range(22, 32)]


def test_every_span_of_many_threads_is_sent_once_or_counted(sink: Sink) -> None:
    tracing = to(sink.endpoint, limit=50, batch_size=20)
    done = threading.Event()

    def flush_often() -> None:
        while not done.is_set():
            tracing.buffer.flush(AMPLE)

    flusher = threading.Thread(target=flush_often)
    flusher.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda thread: tracing.record(*(f"{thread}-{number}" for number in range(250))), range(8)))
    done.set()
    flusher.join()
    tracing.flush()
    received = names(sink)
    assert len(received) == len(set(received))
    assert len(received) + tracing.buffer.dropped == 2000


def test_concurrent_flushes_send_every_span_once(sink: Sink) -> None:
    tracing = to(sink.endpoint, batch_size=10)

    def record_and_flush(thread: int) -> bool:
        tracing.record(*(f"{thread}-{number}" for number in range(50)))
        return tracing.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record_and_flush, range(8)))
    assert tracing.flush()
    assert sorted(names(sink)) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(50))


def test_a_flush_does_not_say_that_all_has_left_while_another_is_sending_it(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 1.0
    tracing = to(sink.endpoint)
    tracing.record("in flight")
    other = threading.Thread(target=tracing.flush)
    other.start()
    while not sink.requests:
        time.sleep(0.005)
    assert not tracing.flush(0.05)
    assert tracing.flush()
    other.join()
    assert names(sink) == ["in flight"]


def test_trouble_is_said_once_and_its_end_once(sink: Sink, logged: Logged) -> None:
    sink.mode = "503"
    tracing = to(sink.endpoint)
    for _ in range(5):
        tracing.record("span")
        tracing.flush(insist=True)
    (line,) = logged()
    assert sink.endpoint.removeprefix("http://") in line
    assert "HTTP status 503" in line
    sink.mode = "ok"
    for _ in range(3):
        tracing.record("span")
        assert tracing.flush(insist=True)
    assert logged()[1:] == [f"spans are being sent to {sink.endpoint.removeprefix('http://')} again; 0 were lost"]


def test_while_the_breaker_is_open_nothing_is_tried(sink: Sink, clock: Clock) -> None:
    sink.mode = "503"
    tracing = to(sink.endpoint)
    tracing.record("span")
    for _ in range(5):
        assert not tracing.flush()
    assert len(sink.requests) == 1
    clock.jump(Breaker.FIRST_PAUSE + 0.1)
    for _ in range(5):
        assert not tracing.flush()
    assert len(sink.requests) == 2
    sink.mode = "ok"
    assert not tracing.flush()
    clock.jump(Breaker.FIRST_PAUSE * 2 + 0.1)
    assert tracing.flush()
    assert names(sink) == ["span"]


def test_an_explicit_flush_tries_although_the_breaker_is_open(sink: Sink) -> None:
    sink.mode = "503"
    tracing = to(sink.endpoint)
    tracing.record("span")
    assert not tracing.flush()
    sink.mode = "ok"
    assert not tracing.flush()
    assert tracing.buffer.force_flush(20_000)
    assert names(sink) == ["span"]


def test_retry_after_is_honoured(sink: Sink, clock: Clock) -> None:
    sink.mode, sink.retry_after = "429", 120
    tracing = to(sink.endpoint)
    tracing.record("span")
    assert not tracing.flush()
    sink.mode = "ok"
    clock.jump(118)
    assert not tracing.flush()
    assert names(sink) == []
    clock.jump(3)
    assert tracing.flush()
    assert names(sink) == ["span"]


def test_retry_after_in_a_late_answer_is_honoured(clock: Clock) -> None:
    busy = Report("failed", "HTTP status 429", retry_after=120)
    exporter = Scripted(Report("unanswered", "late", ticket=busy))
    tracing = Tracing(exporter)
    tracing.record("span")
    assert not tracing.flush()
    clock.jump(60)
    assert not tracing.flush()
    clock.jump(60)
    assert not tracing.flush()
    clock.jump(61)
    assert tracing.flush()
    assert len(exporter.batches) == 2


def test_the_pause_doubles_up_to_its_limit(clock: Clock) -> None:
    breaker = Breaker()
    assert not breaker.is_open
    for pause in (1, 2, 4, 8, 16, 30, 30):
        assert breaker.fail(0) is (pause == 1)
        clock.jump(pause - 0.1)
        assert breaker.is_open
        clock.jump(0.2)
        assert not breaker.is_open
    assert breaker.succeed()
    assert not breaker.succeed()
    assert breaker.fail(0)
    clock.jump(1.1)
    assert not breaker.is_open


def test_a_backend_cannot_ask_for_a_pause_without_end(clock: Clock) -> None:
    breaker = Breaker()
    breaker.fail(float("inf"))
    clock.jump(299)
    assert breaker.is_open
    clock.jump(2)
    assert not breaker.is_open


def test_a_clock_that_jumps_back_closes_the_breaker(clock: Clock) -> None:
    breaker = Breaker()
    breaker.fail(30)
    clock.jump(-3600)
    assert not breaker.is_open


def test_rejected_spans_are_counted_and_said_once(sink: Sink, logged: Logged) -> None:
    sink.mode = "404"
    tracing = to(sink.endpoint, batch_size=2)
    for _ in range(3):
        tracing.record("1", "2", "3")
        assert not tracing.flush()
    assert tracing.buffer.dropped == 9
    assert len(sink.requests) == 6
    where = sink.endpoint.removeprefix("http://")
    assert logged() == [f"{where} did not take 2 of 2 spans: HTTP status 404"]
    sink.mode = "ok"
    tracing.record("4")
    assert tracing.flush()
    sink.mode = "404"
    tracing.record("5")
    assert not tracing.flush()
    assert logged()[1:] == [f"{where} did not take 1 of 1 spans: HTTP status 404"]


def test_a_partial_success_counts_what_was_not_taken(sink: Sink, logged: Logged) -> None:
    sink.mode = "partial"
    tracing = to(sink.endpoint)
    tracing.record("1", "2", "3")
    assert not tracing.flush()
    assert tracing.buffer.dropped == 1
    assert [line.partition(" ")[2] for line in logged()] == ["did not take 1 of 3 spans: one span rejected by the test"]
    assert tracing.flush(), "nothing is left of it"


@contextmanager
def raises(error: BaseException) -> Iterator[None]:
    with pytest.raises(type(error)) as caught:
        yield
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_interrupted_flush_loses_nothing(error: BaseException) -> None:
    exporter = Scripted(error)
    tracing = Tracing(exporter)
    tracing.record("1", "2")
    with raises(error):
        tracing.flush()
    tracing.record("3")
    assert tracing.flush()
    assert exporter.batches[-1] == ["1", "2", "3"]


def test_a_flush_without_time_tries_nothing_and_blames_nobody(sink: Sink, logged: Logged) -> None:
    tracing = to(sink.endpoint)
    tracing.record("span")
    for budget in (0, -1):
        assert not tracing.flush(budget)
        assert not tracing.flush(budget, insist=True)
    assert sink.connections == 0
    assert tracing.flush()
    assert logged() == []


def test_a_budget_may_be_absurd(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    for budget in (1e10, float("inf")):
        tracing.record("span")
        assert tracing.buffer.flush(budget)
    assert len(sink.spans) == 2


def test_a_span_may_end_while_its_thread_holds_the_buffer() -> None:
    tracing = Tracing(Scripted())

    def end_a_span_from_a_signal_handler() -> None:
        with tracing.buffer._lock:
            tracing.record("span")

    thread = threading.Thread(target=end_a_span_from_a_signal_handler, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_open_spans_are_kept_as_they_are_innermost_first(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    outer = tracing._tracer.start_span("outer", attributes={"known": "so far"}, start_time=1)
    inner = tracing._tracer.start_span("inner", start_time=2)
    tracing.record("ended")
    tracing.buffer.keep_unfinished("timeout")
    assert tracing.flush()
    assert names(sink) == ["ended", "inner", "outer"]
    last = sink.spans[-1]
    assert (last.attributes, last.status) == ({"known": "so far", "error.type": "timeout"}, "ERROR")
    assert outer.is_recording()
    assert inner.is_recording()


def test_spans_that_nobody_holds_or_that_were_forgotten_are_not_kept_as_unfinished(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    forgotten = tracing._tracer.start_span("forgotten")
    tracing.buffer.forget_open()
    tracing._tracer.start_span("dropped by the function")
    gc.collect()
    tracing.buffer.keep_unfinished("timeout")
    assert tracing.flush()
    assert sink.requests == []
    forgotten.end()
    assert tracing.flush()
    assert names(sink) == ["forgotten"]


def test_a_clone_starts_without_the_spans_of_its_original(sink: Sink) -> None:
    sink.mode = "hang"
    tracing = to(sink.endpoint)
    tracing.record("unanswered")
    assert not tracing.flush(SHORT)
    tracing.record("kept")
    still_open = tracing._tracer.start_span("open")
    tracing.buffer.start_anew()
    tracing.buffer.keep_unfinished("timeout")
    sink.mode = "ok"
    tracing.record("of the clone")
    assert tracing.flush()
    assert names(sink) == ["of the clone"]
    still_open.end()


def test_shutdown_sends_what_is_left(sink: Sink) -> None:
    tracing = to(sink.endpoint)
    tracing.record("last")
    tracing.buffer.shutdown()
    assert names(sink) == ["last"]
    tracing.record("after")
    assert tracing.flush()


def test_shutdown_says_what_is_lost(logged: Logged) -> None:
    exporter = Scripted(Report("unanswered", "late", ticket=OUT), Report("failed", "refused"))
    tracing = Tracing(exporter)
    tracing.record("1", "2")
    assert not tracing.flush()
    tracing.record("3")
    tracing.buffer.shutdown()
    assert logged()[1:] == ["3 spans were not sent to scripted"]
    assert exporter.batches[-1] == ["shutdown"]


FORKING = textwrap.dedent("""
    import os, sys, threading, time
    from opentelemetry.sdk.trace import TracerProvider
    from lambda_otel.export import Buffer
    from lambda_otel.otlp import OtlpExporter
    from lambda_otel.transport import Client

    buffer = Buffer(OtlpExporter(Client(sys.argv[1]), None, 10.0), 100, 10, 10.0, 20.0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(buffer)
    tracer = provider.get_tracer("fork")

    def record(name):
        tracer.start_span(name).end()

    record("kept alive")
    assert buffer.flush(20)
    record("in flight")
    flushing = threading.Thread(target=buffer.flush, args=(20,))
    flushing.start()
    while buffer._ended:
        time.sleep(0.001)
    record("of the parent")
    held, released = threading.Event(), threading.Event()
    def hold():
        with buffer._lock:
            held.set()
            released.wait(20)
    threading.Thread(target=hold, daemon=True).start()
    held.wait(20)
    child = os.fork()
    if not child:
        record("of the child")
        os._exit(0 if buffer.flush(20) else 1)
    released.set()
    _, status = os.waitpid(child, 0)
    flushing.join()
    assert buffer.flush(20)
    sys.exit(os.waitstatus_to_exitcode(status))
""")


def test_a_forked_process_records_and_sends_its_own_spans_only(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.5
    command = [sys.executable, "-c", FORKING, sink.endpoint]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(names(sink)) == ["in flight", "kept alive", "of the child", "of the parent"]
    connections = {span.name: request.connection for request in sink.requests for span in spans_of(request.export)}
    assert connections["of the child"] != connections["in flight"]
