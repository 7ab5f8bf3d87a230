"""Exporters and providers of others: used as they are, and never waited for longer than there is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.sink import Sink

from lambda_otel.delivery import DELIVERED
from lambda_otel.export import Buffer
from lambda_otel.foreign import ForeignExporter, ForeignFlush

Logged = Callable[[], list[str]]

SHORT = 0.1
LATE = 5.0


def soon() -> float:
    return time.monotonic() + 20


def shortly() -> float:
    return time.monotonic() + SHORT


class Exporter(SpanExporter):
    """Does what it is told with each batch."""

    def __init__(self, behave: Callable[[], Any] = lambda: SpanExportResult.SUCCESS) -> None:
        self.behave = behave
        self.batches: list[list[str]] = []
        self.is_shut_down = False

    def export(self, spans: Any) -> Any:
        self.batches.append([span.name for span in spans])
        return self.behave()

    def shutdown(self) -> None:
        self.is_shut_down = True


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging call waits for; open at the end."""
    gate = threading.Event()
    yield gate
    gate.set()


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


SPAN = ReadableSpan("span")


def test_a_batch_is_handed_over() -> None:
    exporter = InMemorySpanExporter()
    assert ForeignExporter(exporter).export([SPAN], soon()) == DELIVERED
    assert exporter.get_finished_spans() == (SPAN,)


def test_the_name_is_that_of_the_class() -> None:
    assert ForeignExporter(InMemorySpanExporter()).name == "InMemorySpanExporter"


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (lambda: SpanExportResult.FAILURE, "the exporter reported a failure"),
        (lambda: None, "the exporter reported a failure"),
        (lambda: True, "the exporter reported a failure"),
        (raising(ValueError("wrong")), "ValueError: wrong"),
        (raising(SystemExit(3)), "SystemExit: 3"),
    ],
    ids=["failure", "none", "true", "raises", "exits"],
)
def test_anything_but_a_success_is_a_failure(behave: Callable[[], Any], reason: str) -> None:
    report = ForeignExporter(Exporter(behave)).export([SPAN], soon())
    assert (report.delivery, report.reason) == ("failed", reason)


def test_an_exporter_that_hangs_is_left_alone_and_asked_later(gate: threading.Event) -> None:
    foreign = ForeignExporter(Exporter(lambda: gate.wait(30) and SpanExportResult.SUCCESS))
    begin = time.monotonic()
    report = foreign.export([SPAN], shortly())
    assert (report.delivery, report.reason) == ("unanswered", "no answer in time")
    assert foreign.settle(report.ticket, shortly()).delivery == "unanswered"
    assert time.monotonic() - begin < LATE
    gate.set()
    assert foreign.settle(report.ticket, soon()) == DELIVERED


def test_an_exporter_is_never_called_twice_at_a_time(gate: threading.Event) -> None:
    exporter = Exporter(lambda: gate.wait(30) and SpanExportResult.SUCCESS)
    foreign = ForeignExporter(exporter)
    first = foreign.export([SPAN], shortly())
    foreign.abandon(first.ticket)
    begin = time.monotonic()
    second = foreign.export([SPAN], shortly())
    assert (second.delivery, second.reason) == ("failed", "the call before has not returned")
    assert time.monotonic() - begin < LATE
    assert len(exporter.batches) == 1
    gate.set()
    assert foreign.export([SPAN], soon()) == DELIVERED
    assert len(exporter.batches) == 2


def test_shutdown_reaches_the_exporter() -> None:
    exporter = Exporter()
    ForeignExporter(exporter).shutdown(soon())
    assert exporter.is_shut_down


def test_a_shutdown_that_hangs_is_left_alone(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Exporter()
    monkeypatch.setattr(exporter, "shutdown", lambda: gate.wait(30))
    begin = time.monotonic()
    ForeignExporter(exporter).shutdown(shortly())
    assert time.monotonic() - begin < LATE


def test_the_official_exporter_sends_within_a_budget_and_makes_no_spans_of_its_own() -> None:
    with Sink("slow", delay=0.5) as sink:
        buffer = Buffer(ForeignExporter(OTLPSpanExporter(sink.endpoint + "/v1/traces")), 100, 10, 10.0, 1.0)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(buffer)
        RequestsInstrumentor().instrument(tracer_provider=provider)
        try:
            for name in ("one", "two"):
                provider.get_tracer("test").start_span(name).end()
            begin = time.monotonic()
            assert not buffer.flush(SHORT)
            assert time.monotonic() - begin < LATE
            assert buffer.flush(20, insist=True)
        finally:
            RequestsInstrumentor().uninstrument()
            provider.shutdown()
        assert [span.name for span in sink.spans] == ["one", "two"]
        assert len(sink.requests) == 1


class Provider:
    """A provider that is no SDK's."""

    def __init__(self, behave: Callable[[], Any]) -> None:
        self._behave = behave
        self.timeouts: list[int] = []

    def force_flush(self, timeout_millis: int = 30000) -> Any:
        self.timeouts.append(timeout_millis)
        return self._behave()


@pytest.mark.parametrize(("said", "flushed"), [(True, True), (False, False), (None, False)])
def test_a_flush_has_done_what_the_provider_says(said: Any, flushed: bool) -> None:
    provider = Provider(lambda: said)
    assert ForeignFlush()(provider, 0.25) is flushed
    assert provider.timeouts == [250]


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
def test_a_provider_whose_flush_raises_has_not_flushed(error: BaseException, logged: Logged) -> None:
    flush, provider = ForeignFlush(), Provider(raising(error))
    assert [flush(provider, 20.0) for _ in range(3)] == [False, False, False]
    assert logged() == [f"Provider.force_flush raised {type(error).__name__}: {error}"]


@pytest.mark.parametrize("provider", [object(), None, type("Odd", (), {"force_flush": True})(), type("Odd", (), {"force_flush": None})])
def test_a_provider_without_a_flush_has_not_flushed(provider: Any) -> None:
    assert ForeignFlush()(provider, 1.0) is False


def test_a_flush_that_takes_no_time_out_is_said(logged: Logged) -> None:
    provider = type("Plain", (), {"force_flush": lambda self: True})()
    assert ForeignFlush()(provider, 1.0) is False
    assert len(logged()) == 1


def test_a_provider_that_hangs_is_left_alone_and_not_called_again(gate: threading.Event) -> None:
    provider, flush = Provider(lambda: gate.wait(30)), ForeignFlush()
    begin = time.monotonic()
    assert not flush(provider, SHORT)
    assert not flush(provider, SHORT)
    assert time.monotonic() - begin < LATE
    assert len(provider.timeouts) == 1
    gate.set()
    assert flush(provider, 20.0)


def test_the_provider_of_the_sdk_has_flushed_when_all_has_arrived() -> None:
    with Sink() as sink:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(sink.endpoint + "/v1/traces")))
        provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
        provider.get_tracer("test").start_span("span").end()
        assert ForeignFlush()(provider, 20.0)
        assert [span.name for span in sink.spans] == ["span"]
        provider.shutdown()
