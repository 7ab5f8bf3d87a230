"""Spans that fail, exceptions that are recorded: neither changes what the user's code returns or raises."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from lambda_otel import configure, flush, span, traced_handler, traced_record

# Faults: each stage of ours raises, and the result and the exception of the user's code are the same objects as without us

QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
RECORDS = [
    {
        "messageId": f"m-{number}",
        "body": "hello",
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
    }
    for number in range(2)
]
EVENTS = {
    "sqs": {"Records": RECORDS},
    "http": {
        "version": "2.0",
        "routeKey": "GET /pets",
        "rawPath": "/pets",
        "headers": {"host": "example.com"},
        "requestContext": {"http": {"method": "GET", "path": "/pets"}, "stage": "$default", "apiId": "a"},
    },
    "direct": {},
}


class Fault(Exception):
    """Something of ours, or of a provider, that fails."""


class FaultySpan(trace.Span):
    """A real span, one method of which raises."""

    def __init__(self, inner: trace.Span, broken: str) -> None:
        self._inner = inner
        self._broken = broken

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == self._broken:
            raise Fault(method)
        return getattr(self._inner, method)(*args, **kwargs)

    def end(self, *args: Any, **kwargs: Any) -> None:
        self._call("end", *args, **kwargs)

    def get_span_context(self) -> trace.SpanContext:
        return self._call("get_span_context")

    def set_attributes(self, *args: Any, **kwargs: Any) -> None:
        self._call("set_attributes", *args, **kwargs)

    def set_attribute(self, *args: Any, **kwargs: Any) -> None:
        self._call("set_attribute", *args, **kwargs)

    def add_event(self, *args: Any, **kwargs: Any) -> None:
        self._call("add_event", *args, **kwargs)

    def update_name(self, *args: Any, **kwargs: Any) -> None:
        self._call("update_name", *args, **kwargs)

    def is_recording(self) -> bool:
        return self._call("is_recording")

    def set_status(self, *args: Any, **kwargs: Any) -> None:
        self._call("set_status", *args, **kwargs)

    def record_exception(self, *args: Any, **kwargs: Any) -> None:
        self._call("record_exception", *args, **kwargs)


class FaultyTracer(trace.Tracer):
    """A real tracer that raises, or whose spans do."""

    def __init__(self, inner: trace.Tracer, broken: str) -> None:
        self._inner = inner
        self._broken = broken

    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        if self._broken == "start_span":
            raise Fault(self._broken)
        if self._broken == "no span":
            return None
        if self._broken == "not a span":
            return object()
        return FaultySpan(self._inner.start_span(*args, **kwargs), self._broken)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class FaultyProvider(trace.TracerProvider):
    """A provider of somebody else's, one part of which raises."""

    def __init__(self, broken: str) -> None:
        self._inner = TracerProvider(shutdown_on_exit=False)
        self._broken = broken

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        if self._broken == "get_tracer":
            raise Fault(self._broken)
        return FaultyTracer(self._inner.get_tracer("real"), self._broken)

    def force_flush(self, timeout_millis: int = 0) -> bool:
        if self._broken == "force_flush":
            raise Fault(self._broken)
        return True


class FaultyProcessor(SpanProcessor):
    """A processor that raises."""

    def __init__(self, broken: str) -> None:
        self._broken = broken

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._broken == "on_start":
            raise Fault

    def on_end(self, span: Any) -> None:
        if self._broken == "on_end":
            raise Fault


class FaultyExporter(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Any) -> SpanExportResult:
        raise Fault

    def shutdown(self) -> None:
        raise Fault


class FaultyPropagator:
    """A propagator that raises."""

    fields = frozenset({"traceparent"})

    def extract(self, *args: Any, **kwargs: Any) -> Any:
        raise Fault

    def inject(self, *args: Any, **kwargs: Any) -> None:
        raise Fault


class FaultySampler:
    """A sampler that raises."""

    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        raise Fault

    def get_description(self) -> str:
        return "faulty"


IN_SPANS = ["get_span_context", "set_attribute", "set_attributes", "set_status", "add_event", "is_recording", "end"]
IN_PROVIDERS = ["get_tracer", "start_span", "no span", "not a span", "force_flush", *IN_SPANS]


def break_down(stage: str) -> None:
    """Puts the fault where it belongs."""
    if stage in IN_PROVIDERS:
        trace.set_tracer_provider(FaultyProvider(stage))
    elif stage in ("on_start", "on_end"):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(FaultyProcessor(stage))
        trace.set_tracer_provider(provider)
    elif stage == "exporter":
        configure(exporters=(FaultyExporter(),))
    elif stage == "propagator":
        configure(exporters=(), propagators=(FaultyPropagator(),))  # type: ignore[arg-type]
    elif stage == "sampler":
        configure(exporters=(), sampler=FaultySampler())  # type: ignore[arg-type]


def result_of(call: Callable[[], Any]) -> Any:
    """What a call returns or raises."""
    try:
        return call()
    except BaseException as error:
        return error


STAGES = ["nothing", *IN_PROVIDERS, "on_start", "on_end", "exporter", "propagator", "sampler"]


@pytest.mark.parametrize("outcome", ["returns", "raises", "exits", "fails a record"])
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("stage", STAGES)
def test_whatever_fails_of_ours_the_result_is_the_same_object(stage: str, event: str, outcome: str, lambda_context: Any) -> None:
    break_down(stage)
    ran: list[str] = []
    results: dict[str, Any] = {
        "returns": {"statusCode": 503, "batchItemFailures": [{"itemIdentifier": "m-1"}]},
        "raises": ValueError("the user's"),
        "exits": SystemExit(3),
        "fails a record": KeyError("the user's"),
    }
    wanted = results[outcome]

    @span("one", capture=("number",))
    def one(number: int) -> int:
        ran.append("span")
        return number

    @span
    def steps() -> Iterator[int]:
        yield 1
        ran.append("generator")
        yield 2

    @traced_record
    def process(record: Any) -> None:
        ran.append("record")
        if outcome == "fails a record":
            raise wanted

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        ran.append("handler")
        with span("block"):
            ran.append("block")
        assert (one(7), list(steps())) == (7, [1, 2])
        process(RECORDS[0])
        if outcome == "returns":
            return wanted
        raise wanted

    for _ in range(2):
        assert result_of(lambda: handler(EVENTS[event], lambda_context)) is wanted
    assert ran == ["handler", "block", "span", "generator", "record"] * 2


@pytest.mark.parametrize("stage", STAGES)
def test_whatever_fails_of_ours_the_result_of_async_code_is_the_same_object(stage: str, lambda_context: Any) -> None:
    break_down(stage)
    wanted = ValueError("the user's")

    @span
    async def steps() -> Any:
        yield 1

    @traced_record
    async def process(record: Any) -> Any:
        return [step async for step in steps()]

    @traced_handler
    async def handler(event: Any, context: Any) -> Any:
        async with span("block"):
            assert await asyncio.gather(process(RECORDS[0]), process(RECORDS[1])) == [[1], [1]]
        if context is None:
            raise wanted
        return wanted

    assert result_of(lambda: handler(EVENTS["sqs"], None)) is wanted
    assert result_of(lambda: handler(EVENTS["sqs"], lambda_context)) is wanted


@pytest.mark.parametrize("stage", ["get_tracer", "start_span", "set_attribute", "add_event", "is_recording", "end", "on_start", "on_end"])
def test_what_fails_is_logged_once(stage: str, lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    break_down(stage)

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        with span("block"):
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            handler(EVENTS["http"], lambda_context)
    lines = logged()
    assert [line for line in lines if "Fault" in line]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("stage", ["set_attribute", "set_status", "add_event", "is_recording", "get_span_context"])
def test_span_that_takes_no_outcome_is_still_ended(stage: str, lambda_context: Any) -> None:
    ended = []

    class Noting(SpanProcessor):
        def on_end(self, span: Any) -> None:
            ended.append(span.name)

    provider = FaultyProvider(stage)
    provider._inner.add_span_processor(Noting())
    trace.set_tracer_provider(provider)
    inner = span("inner")(lambda: {}["missing"])
    with pytest.raises(KeyError):
        inner()
    if stage in ("set_attribute", "set_status"):
        traced_handler(lambda event, context: {"statusCode": 500})(EVENTS["http"], lambda_context)
        assert ended == ["inner", "GET /pets"]
    else:
        assert ended == ["inner"]


def test_flush_of_a_broken_exporter_says_false(lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    configure(exporters=(FaultyExporter(),))
    traced_handler(lambda event, context: None)({}, lambda_context)
    assert flush(1) is False
    assert any("Fault" in line for line in logged())


# Exceptions


class Broken(Exception):
    """An exception that says nothing."""

    def __str__(self) -> str:
        raise ValueError


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An exception that takes no attributes."""

    code: int


class Slotted(Exception):
    """An exception that takes no attributes either."""

    __slots__ = ("code",)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("text"), "ValueError", "text"),
        (KeyError(), "KeyError", ""),
        (Broken(), f"{__name__}.Broken", ""),
        (Frozen(7), f"{__name__}.Frozen", "7"),
        (Slotted("slotted"), f"{__name__}.Slotted", "slotted"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (asyncio.CancelledError("stop"), "asyncio.exceptions.CancelledError", "stop"),
        (type("Local", (Exception,), {"__module__": "app", "__qualname__": "Outer.Local"})("x"), "app.Outer.Local", "x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exception_is_recorded_by_type_message_and_stack(error: BaseException, kind: str, message: str, spans: Any) -> None:
    @span("inner")
    def inner() -> None:
        raise error

    @span("outer")
    def outer() -> None:
        inner()

    assert result_of(outer) is error
    inner_span, outer_span = spans.take()
    (event,) = inner_span.events
    assert (event.name, event.attributes["exception.type"], event.attributes["exception.message"]) == ("exception", kind, message)
    assert "in inner\n    raise error\n" in event.attributes["exception.stacktrace"]
    assert set(event.attributes) == {"exception.type", "exception.message", "exception.stacktrace"}
    assert outer_span.events == ()
    for ended in (inner_span, outer_span):
        assert ended.attributes["error.type"] == kind
        assert (ended.status.status_code, ended.status.description or "") == (StatusCode.ERROR, message)


class SuspendExecution(BaseException):
    """As of durable functions, which are invoked again later."""


@pytest.mark.parametrize("error", [GeneratorExit(), SuspendExecution("later")], ids=["GeneratorExit", "SuspendExecution"])
def test_exception_that_only_steers_is_no_error(error: BaseException, spans: Any, lambda_context: Any) -> None:
    @span("inner")
    def inner() -> None:
        raise error

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        with span("block"):
            inner()

    assert result_of(lambda: handler(EVENTS["sqs"], lambda_context)) is error
    ended = spans.take()
    assert len(ended) == 4
    for entry in ended:
        assert (entry.status.status_code, entry.events, "error.type" in entry.attributes) == (StatusCode.UNSET, (), False)


def test_same_exception_raised_again_in_a_later_invocation_is_recorded_again(spans: Any, lambda_context: Any) -> None:
    error = ValueError("kept in a module")

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        with span("inner"):
            raise error

    # The second pair of invocations is a retry with the same parent, and so in the same trace.
    parent = {"headers": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
    for event in ({}, {}, parent, parent):
        assert result_of(lambda: handler(event, lambda_context)) is error  # noqa: B023
        inner, outer = spans.take()
        assert [event.name for event in inner.events] == ["exception"]
        assert (outer.events, outer.status.status_code) == ((), StatusCode.ERROR)


def test_same_exception_raised_by_a_second_span_beside_the_first_is_recorded_there_too(spans: Any) -> None:
    error = ValueError("kept in a module")

    @span("attempt")
    def attempt() -> None:
        raise error

    with span("retrying"):
        assert [result_of(attempt) for _ in range(3)] == [error] * 3
    assert [[event.name for event in entry.events] for entry in spans.take()] == [["exception"]] * 3 + [[]]


def test_exception_passes_through_a_span_of_opentelemetry_without_a_second_event_of_ours(installed: Any) -> None:
    tracer = trace.get_tracer("theirs")

    @span("outer")
    def outer() -> None:
        with tracer.start_as_current_span("between"), span("inner"):
            raise ValueError

    assert isinstance(result_of(outer), ValueError)
    events = {entry.name: len(entry.events) for entry in installed.get_finished_spans()}
    assert events == {"inner": 1, "between": 1, "outer": 0}


def test_exception_is_not_changed_to_the_eye(spans: Any) -> None:
    error = ValueError("text", 7)
    inner = span("inner")(lambda: (_ for _ in ()).throw(error))
    assert result_of(inner) is error
    assert (error.args, repr(error), error.__cause__, error.__context__, error.__suppress_context__) == (
        ("text", 7),
        "ValueError('text', 7)",
        None,
        None,
        False,
    )
