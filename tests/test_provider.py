"""Whose provider it is, when it is made, and whether all has left it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.network import refused_endpoint
from runtime.sink import Sink

from lambda_otel import configure, flush, span, traced_handler
from lambda_otel.provider import prepare, send, telemetry
from lambda_otel.state import state

Logged = Callable[[], list[str]]

LATE = 5.0


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A backend that the environment names."""
    with Sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        yield sink
        forget()


def forget() -> None:
    """Forgets the spans that are left, which the end of the process would send otherwise."""
    telemetry().way_out.start_anew()
    state.reset()


@pytest.fixture
def in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "my-function")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


def record(name: str = "span") -> None:
    with span(name):
        pass


def names(exporter: InMemorySpanExporter) -> list[str]:
    return [found.name for found in exporter.get_finished_spans()]


def is_untouched() -> bool:
    """Whether nobody has installed a provider."""
    return isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_an_installed_provider_is_used_and_not_replaced(installed: InMemorySpanExporter, sink: Sink, lambda_context: Any) -> None:
    provider = trace.get_tracer_provider()
    traced_handler(lambda event, context: record("inner"))({}, lambda_context)
    assert names(installed) == ["inner", "my-function"]
    assert trace.get_tracer_provider() is provider
    assert sink.connections == 0
    assert installed.get_finished_spans()[0].instrumentation_scope.name == "lambda_otel"


@pytest.mark.usefixtures("in_lambda")
def test_a_provider_that_comes_after_the_decoration_is_used(request: pytest.FixtureRequest, sink: Sink, lambda_context: Any) -> None:
    handler = traced_handler(lambda event, context: record("inner"))
    installed = request.getfixturevalue("installed")
    provider = trace.get_tracer_provider()
    for _ in range(2):
        handler({}, lambda_context)
    assert names(installed) == ["inner", "my-function"] * 2
    assert trace.get_tracer_provider() is provider
    assert flush()
    assert sink.connections == 0


@pytest.mark.usefixtures("in_lambda")
def test_a_provider_that_comes_after_ours_could_not_be_built_is_used(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, lambda_context: Any
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "unheard-of")
    handler = traced_handler(lambda event, context: None)
    installed = request.getfixturevalue("installed")
    handler({}, lambda_context)
    assert names(installed) == ["my-function"]


def test_a_provider_that_comes_when_nothing_is_configured_is_used(request: pytest.FixtureRequest, lambda_context: Any) -> None:
    handler = traced_handler(lambda event, context: None)
    handler({}, lambda_context)
    assert is_untouched()
    installed = request.getfixturevalue("installed")
    handler({}, lambda_context)
    assert names(installed) == ["my-function"]


@pytest.mark.usefixtures("in_lambda", "sink")
def test_in_lambda_everything_is_built_at_decoration_and_installed_at_first_use(lambda_context: Any) -> None:
    handler = traced_handler(lambda event, context: None)
    assert state.prepared is not None
    prepared = state.prepared.provider
    assert isinstance(prepared, TracerProvider)
    assert is_untouched()
    handler({}, lambda_context)
    assert trace.get_tracer_provider() is prepared
    traced_handler(lambda event, context: None)
    assert state.prepared is None


@pytest.mark.usefixtures("sink")
def test_outside_lambda_everything_waits_for_the_first_use() -> None:
    traced_handler(lambda event, context: None)
    assert (state.prepared, state.telemetry) == (None, None)
    assert is_untouched()
    record()
    assert isinstance(trace.get_tracer_provider(), TracerProvider)


def test_our_provider_serves_everybody(sink: Sink, lambda_context: Any) -> None:
    def handler(event: Any, context: Any) -> None:
        with trace.get_tracer("library").start_as_current_span("of a library"):
            pass

    traced_handler(handler)({}, lambda_context)
    assert [(found.name, found.scope_name) for found in sink.spans] == [("of a library", "library"), ("my-function", "lambda_otel")]
    inner, outer = sink.spans
    assert inner.parent_id == outer.span_id


def test_many_threads_make_one_provider(sink: Sink) -> None:
    ready = threading.Barrier(8)

    def first_use(number: int) -> Any:
        ready.wait()
        return telemetry()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(first_use, range(8)))
    assert all(one is found[0] for one in found)


NOTHING = textwrap.dedent("""
    import sys, threading
    import lambda_otel
    from lambda_otel import flush, inject_http, span, traced_handler

    @traced_handler
    def handler(event, context):
        with span("inner"):
            inject_http()
        return "answer"

    assert handler({"headers": {}}, None) == "answer"
    assert flush()
    loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf"))]
    assert not loaded, loaded
    assert threading.active_count() == 1
""")


def test_where_nothing_is_configured_nothing_is_loaded_and_nothing_sent() -> None:
    environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    source = str(Path(telemetry.__code__.co_filename).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", NOTHING], env={**environ, "PYTHONPATH": source}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


class Provider(trace.TracerProvider):
    """A provider that is no SDK's."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        return trace.NoOpTracer()


class Flushing(Provider):
    def __init__(self, behave: Callable[[], Any]) -> None:
        self.behave = behave

    def force_flush(self, timeout_millis: int = 30000) -> Any:
        return self.behave()


class Refusing(Provider):
    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        raise RuntimeError("no tracer for you")


class Failing(Provider):
    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        class Tracer(trace.NoOpTracer):
            def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
                raise RuntimeError("no span for you")

        return Tracer()


def fail() -> None:
    raise RuntimeError("no flush for you")


@pytest.mark.parametrize(
    "provider",
    [Provider(), Flushing(lambda: True), Flushing(fail), Refusing(), Failing(), trace.NoOpTracerProvider()],
    ids=["plain", "flushing", "flush-fails", "refusing", "failing", "no-op"],
)
def test_whatever_provider_is_there_the_function_works(provider: trace.TracerProvider, lambda_context: Any, logged: Logged) -> None:
    trace.set_tracer_provider(provider)
    answer = object()
    handler = traced_handler(lambda event, context: record() or answer)
    for _ in range(3):
        assert handler({}, lambda_context) is answer
    assert trace.get_tracer_provider() is provider
    assert len(logged()) <= 1


@pytest.mark.parametrize(("said", "flushed"), [(True, True), (False, False), (None, False)])
def test_a_flush_of_an_installed_provider_has_done_what_it_says(said: Any, flushed: bool) -> None:
    trace.set_tracer_provider(Flushing(lambda: said))
    assert flush() is flushed


def test_a_flush_of_a_provider_that_raises_or_has_none_is_false() -> None:
    trace.set_tracer_provider(Flushing(fail))
    assert flush() is False


def test_a_flush_of_a_provider_that_cannot_is_false() -> None:
    trace.set_tracer_provider(Provider())
    assert flush() is False


def test_a_flush_of_a_provider_that_hangs_ends_with_its_time_out() -> None:
    released = threading.Event()
    trace.set_tracer_provider(Flushing(lambda: released.wait(30)))
    with within(LATE):
        assert flush(0.1) is False
        assert flush() is False
    released.set()


def test_a_flush_through_the_batches_of_the_sdk_is_true_when_all_has_left(sink: Sink) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    record()
    assert flush(20)
    assert len(sink.spans) == 1
    provider.shutdown()


def test_a_flush_of_nothing_is_true(sink: Sink) -> None:
    assert flush()
    assert flush(0)


def test_a_flush_is_true_only_if_all_has_left(sink: Sink) -> None:
    record("one")
    assert flush(20)
    sink.mode = "503"
    record("two")
    assert not flush(20)
    sink.mode = "ok"
    assert flush(20)
    assert [found.name for found in sink.spans] == ["one", "two"]


def test_a_flush_of_rejected_spans_is_false(sink: Sink) -> None:
    sink.mode = "404"
    record()
    assert not flush(20)
    assert flush(20), "nothing is left"


@pytest.mark.parametrize("nonsense", [float("nan"), "soon"])
def test_a_flush_with_a_time_out_that_is_none_is_false_and_raises_nothing(nonsense: Any, sink: Sink, logged: Logged) -> None:
    record()
    assert flush(nonsense) is False
    assert len(logged()) == 1
    assert flush(20)


def test_a_flush_takes_the_time_that_it_is_given(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_TIMEOUT", "100")
    sink.mode = "hang"
    record()
    with within(LATE):
        assert not flush()
        assert not flush(0.1)
        assert not flush(-1)


def test_a_provider_is_not_asked_to_flush_when_no_time_is_left() -> None:
    asked: list[bool] = []
    trace.set_tracer_provider(Flushing(lambda: asked.append(True) or True))
    assert not send(0.05)
    assert asked == []
    assert send(60)
    assert asked == [True]


def test_what_is_sent_after_an_invocation_leaves_the_margin(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_TIMEOUT", "60000")
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_MARGIN", "300")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    record()
    for remaining in (0.3, 0.1, 0, -1):
        assert not send(remaining)
    assert sink.connections == 0
    sink.mode = "hang"
    with within(LATE):
        assert not send(0.5)
    assert len(sink.requests) == 1
    sink.mode = "ok"
    assert flush(20)


@pytest.mark.parametrize("trouble", ["hang", "drip", "slow", "503", "reset"])
def test_an_invocation_costs_no_more_than_the_budget(
    trouble: Any, sink: Sink, monkeypatch: pytest.MonkeyPatch, lambda_context: Any
) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_TIMEOUT", "100")
    sink.mode = trouble
    handler = traced_handler(lambda event, context: "answer")
    for _ in range(3):
        with within(LATE):
            assert handler({}, lambda_context) == "answer"


def test_an_invocation_without_a_backend_works(sink: Sink, monkeypatch: pytest.MonkeyPatch, lambda_context: Any) -> None:
    with refused_endpoint() as nowhere:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)
        handler = traced_handler(lambda event, context: "answer")
        for _ in range(3):
            with within(LATE):
                assert handler({}, lambda_context) == "answer"
        forget()


def test_configure_beats_the_environment(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of the environment")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    configure(service_name="of the code", resource_attributes={"team": "blue"}, sampler="always_on", headers={"api-key": "k"})
    record()
    assert flush(20)
    (found,) = sink.spans
    assert (found.resource["service.name"], found.resource["team"]) == ("of the code", "blue")
    assert sink.requests[0].headers["api-key"] == "k"


@pytest.mark.usefixtures("in_lambda")
def test_configure_after_the_decoration_counts(sink: Sink, lambda_context: Any) -> None:
    exporter = InMemorySpanExporter()
    handler = traced_handler(lambda event, context: None)
    configure(exporters=(exporter,), service_name="late")
    assert state.prepared is not None
    handler({}, lambda_context)
    assert names(exporter) == ["my-function"]
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "late"
    assert sink.connections == 0


def test_configure_after_the_first_span_is_ignored_and_said_without_values(sink: Sink, logged: Logged) -> None:
    record()
    configure(service_name="late", headers={"api-key": "s3cr3t"}, sampler=None)
    assert logged() == ["configure() comes after the first span and is ignored: service_name, headers"]
    record()
    assert flush(20)
    assert {found.resource["service.name"] for found in sink.spans} == {"unknown_service"}


def test_configure_takes_lists_and_single_names(capsys: pytest.CaptureFixture[str]) -> None:
    exporter: Any = InMemorySpanExporter()
    several: Any = [exporter, "console"]
    configure(exporters=several)
    record("both")
    assert flush(20)
    assert names(exporter) == ["both"]
    assert "both" in capsys.readouterr().out
    state.reset()
    one: Any = "none"
    configure(exporters=one, propagators=["tracecontext"], capture=["URL.Query"])  # type: ignore[arg-type]
    assert state.settings.exporters == ("none",)
    assert state.settings.capture == {"url.query"}


def test_the_switch_beats_every_argument(sink: Sink, monkeypatch: pytest.MonkeyPatch, lambda_context: Any) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    exporter = InMemorySpanExporter()
    configure(exporters=(exporter,))
    assert traced_handler(lambda event, context: "answer")({}, lambda_context) == "answer"
    assert flush()
    assert is_untouched()
    assert names(exporter) == []
    assert sink.connections == 0


def test_the_switch_leaves_an_installed_provider_alone(installed: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    record()
    assert names(installed) == []


def test_a_setting_that_makes_tracing_impossible_is_one_line_and_the_function_works(
    monkeypatch: pytest.MonkeyPatch, lambda_context: Any, logged: Logged
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "unheard-of")
    handler = traced_handler(lambda event, context: record() or "answer")
    for _ in range(3):
        assert handler({}, lambda_context) == "answer"
    assert logged() == ["not tracing: OTEL_TRACES_EXPORTER: no exporter 'unheard-of' is installed"]
    assert flush()
    assert is_untouched()


@pytest.mark.usefixtures("in_lambda")
def test_such_a_setting_is_said_once_when_it_was_seen_at_decoration(
    monkeypatch: pytest.MonkeyPatch, lambda_context: Any, logged: Logged
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "unheard-of")
    handler = traced_handler(lambda event, context: "answer")
    assert len(logged()) == 1
    assert handler({}, lambda_context) == "answer"
    assert len(logged()) == 1


def test_a_provider_that_the_environment_names_is_used(monkeypatch: pytest.MonkeyPatch, sink: Sink, lambda_context: Any) -> None:
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "sdk_tracer_provider")
    traced_handler(lambda event, context: None)({}, lambda_context)
    provider: Any = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    assert sink.connections == 0
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record("later")
    assert names(exporter) == ["later"]


@pytest.mark.usefixtures("in_lambda")
def test_prepare_is_done_once(sink: Sink) -> None:
    prepare()
    prepared = state.prepared
    prepare()
    assert state.prepared is prepared
    record()
    prepare()
    assert state.prepared is None
    assert flush(20)
