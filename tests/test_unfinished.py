"""Open spans as they would be exported if they ended now."""

from __future__ import annotations

import threading
import time
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from lambda_otel.protobuf import encode
from lambda_otel.unfinished import snapshot

TRACER = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False).get_tracer("shop", "1", "https://s.example/1")


def open_span(**options: Any) -> Span:
    span = TRACER.start_span("work", **options)
    assert isinstance(span, Span)
    return span


def test_it_is_the_same_span_as_it_is_now() -> None:
    parent = open_span()
    link = Link(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)), {"a": 1})
    span = open_span(context=set_span_in_context(parent), kind=SpanKind.CLIENT, attributes={"order": 7}, links=[link])
    span.add_event("half way", {"n": 1})
    found = snapshot(span, "timeout")
    assert (found.name, found.kind, found.context, found.parent) == ("work", SpanKind.CLIENT, span.context, parent.context)
    assert found.attributes == {"order": 7, "error.type": "timeout"}
    assert ([event.name for event in found.events], list(found.links)) == (["half way"], [link])
    assert (found.resource, found.instrumentation_scope) == (span.resource, span.instrumentation_scope)
    assert (found.status.status_code, found.start_time) == (StatusCode.ERROR, span.start_time)
    assert found.status.description and "unfinished" in found.status.description
    assert found.start_time and found.end_time and found.start_time <= found.end_time <= time.time_ns()
    assert encode([found])


def test_the_span_goes_on_untouched() -> None:
    span = open_span(attributes={"order": 7})
    snapshot(span, "timeout")
    assert span.is_recording() and span.end_time is None
    span.set_attribute("more", True)
    span.end()
    assert (span.attributes, span.status.status_code) == ({"order": 7, "more": True}, StatusCode.UNSET)


def test_what_comes_after_it_does_not_change_it() -> None:
    span = open_span(attributes={"order": 7})
    found = snapshot(span, "timeout")
    span.set_attribute("more", True)
    span.add_event("late")
    assert (found.attributes, list(found.events)) == ({"order": 7, "error.type": "timeout"}, [])


def test_a_span_without_attributes() -> None:
    assert snapshot(open_span(), "timeout").attributes == {"error.type": "timeout"}


def test_its_own_thread_may_change_it_meanwhile() -> None:
    span = open_span(attributes={f"key {number}": number for number in range(50)})
    stop = threading.Event()

    def change() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            span.set_attribute(f"key {count % 50}", count)
            span.add_event("again")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            found = snapshot(span, "timeout")
            assert found.attributes and len(found.attributes) >= 40
    finally:
        stop.set()
        thread.join()


def test_attributes_that_cannot_be_copied_do_not_cost_the_span() -> None:
    class Restless(dict[str, Any]):
        def keys(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    class Odd(Span):
        attributes = Restless()  # type: ignore[assignment]

    span = open_span()
    object.__setattr__(span, "__class__", Odd)
    assert snapshot(span, "timeout").attributes == {"error.type": "timeout"}
