"""Fixtures of all tests: each test starts as a new process would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from lambda_otel.invoke import collect_spans
from lambda_otel.sources import _reported
from lambda_otel.state import state


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting, no provider, no invocation before; and nothing left current after."""
    for name in os.environ:
        if name.startswith(("OTEL_", "LAMBDA_OTEL_", "AWS_", "_X_AMZN")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    state.reset()
    _reported.clear()
    _set_provider(None)
    yield
    assert not trace.get_current_span().get_span_context().is_valid, "a span was left current"
    assert context.get_current() == {}, "a context was left current"
    state.reset()
    _set_provider(None)


def _set_provider(provider: trace.TracerProvider | None) -> None:
    trace._TRACER_PROVIDER = provider
    trace._TRACER_PROVIDER_SET_ONCE = Once()


class Spans:
    """The spans that ended since the last look."""

    def __init__(self) -> None:
        self._collector = collect_spans()

    def take(self) -> list[ReadableSpan]:
        """In the order of their ends."""
        return self._collector.take()

    def one(self) -> ReadableSpan:
        """The only one."""
        (span,) = self.take()
        return span

    def named(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (span,) = [span for span in self.take() if span.name == name]
        return span


@pytest.fixture
def spans() -> Spans:
    """Tracing by our own provider without an exporter; settings are read at this point."""
    return Spans()


@pytest.fixture
def installed() -> InMemorySpanExporter:
    """A provider that somebody else has installed, and where its spans arrive."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


class LambdaContext:
    """A Lambda context of known values."""

    function_name = "my-function"
    function_version = "12"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:my-function:live"
    memory_limit_in_mb = "128"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    log_group_name = "/aws/lambda/my-function"
    log_stream_name = "2026/11/22/[12]0123456789abcdef0123456789abcdef"
    identity = None
    client_context = None

    def get_remaining_time_in_millis(self) -> int:
        """Three seconds, always."""
        return 3000


@pytest.fixture
def lambda_context() -> LambdaContext:
    """A Lambda context of known values."""
    return LambdaContext()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the library logged, from warnings on."""
    caplog.set_level("WARNING", logger="lambda_otel")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "lambda_otel"]


@pytest.fixture
def nothing_complains(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """OpenTelemetry and asyncio log what nobody would notice otherwise: contexts that cannot be detached, exceptions that are lost."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name in ("opentelemetry.context", "asyncio")] == []
