"""Starting, failing and ending spans, and making them current, without ever raising into the code that they surround."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextvars import ContextVar, Token
from typing import TypeAlias

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Link, Span, SpanKind, get_current_span
from opentelemetry.trace.status import Status, StatusCode

from . import semconv
from .outcome import error_type, is_error, message
from .provider import telemetry
from .sources import Attributes
from .state import state

_RECORDED = "_lambda_otel_recorded"

_here: ContextVar[None] = ContextVar("lambda_otel_here")


# What ends a context that was made current.
Attached: TypeAlias = "tuple[Token[Context], Token[None]]"


def make_current(context: Context) -> Attached:
    """Makes a context current until `restore`."""
    return attach(context), _here.set(None)


def restore(attached: Attached) -> bool:
    """Makes current what was so before.

    Returns:
        False in another thread or task than that of `make_current`, where nothing needs to be done: coroutines and generators that
        are thrown away end wherever the garbage collector runs.
    """
    token, here = attached
    try:
        _here.reset(here)
    except ValueError:
        return False
    detach(token)
    return True


def start(
    name: str,
    kind: SpanKind,
    attributes: Attributes,
    context: Context | None = None,
    links: Sequence[Link] = (),
    *,
    may_skip: bool = True,
) -> Span | None:
    """Starts a span, not yet current; without `may_skip` also under a parent that is not sampled.

    Returns:
        None when a span would not be recorded, or when starting it failed: then the current span, if any, stays the parent of others.
    """
    try:
        found = state.telemetry or telemetry()
        if not found.records:
            return None
        if context is None:
            context = get_current()
        if found.skips_unsampled and may_skip:
            parent = get_current_span(context)
            if not parent.is_recording():
                parent_context = parent.get_span_context()
                if parent_context.is_valid and not parent_context.trace_flags & 1:
                    return None
        return found.tracer.start_span(name, context, kind, attributes, links, record_exception=False, set_status_on_exception=False)
    except Exception as error:
        state.say_once(f"a span could not be started: {type(error).__name__}: {error}")
        return None


def end(span: Span, error: BaseException | None = None, end_time: int | None = None) -> None:
    """Ends a span, after noting the exception that ended its body.

    Args:
        span: A started span.
        error: What the body raised; noted if it is an error.
        end_time: Nanoseconds since the epoch, by default now.
    """
    try:
        if error is not None and is_error(error) and span.is_recording():
            _note(span, error)
    except Exception as fault:
        state.say_once(f"an exception could not be recorded: {type(fault).__name__}: {fault}")
    try:
        span.end(end_time)
    except Exception as fault:
        state.say_once(f"a span could not be ended: {type(fault).__name__}: {fault}")


def _note(span: Span, error: BaseException) -> None:
    """Status and `error.type`; the event only on the innermost of the spans that an exception passes."""
    if not _passes(span, error):
        span.add_event("exception", _exception_attributes(error))
    span.set_attribute(semconv.ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR, message(error)))


def _passes(span: Span, error: BaseException) -> bool:
    """True when an inner span has the event of this exception; a span that has started since then sees it raised anew."""
    trace_id, marks = span.get_span_context().trace_id, vars(error)
    seen_in, seen_at = marks.get(_RECORDED, (0, 0))
    if seen_in == trace_id and (getattr(span, "start_time", None) or 0) <= seen_at:
        return True
    marks[_RECORDED] = trace_id, time.time_ns()
    return False


def _exception_attributes(error: BaseException) -> Attributes:
    """Source: https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/ (without the deprecated `exception.escaped`)."""
    try:
        stacktrace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        stacktrace = ""
    return {
        semconv.EXCEPTION_TYPE: error_type(error),
        semconv.EXCEPTION_MESSAGE: message(error),
        semconv.EXCEPTION_STACKTRACE: stacktrace,
    }


def fail(span: Span, kind: str) -> None:
    """Marks a span as failed with this `error.type`."""
    span.set_attribute(semconv.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))
