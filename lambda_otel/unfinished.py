"""A span that is still open, as it would be exported if it ended now."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import Status, StatusCode

from . import semconv

# Copies of a span's attributes that are tried: each fails if the span's own thread changes them meanwhile.
_TRIES = 10


def snapshot(span: Span, error_type: str) -> ReadableSpan:
    """The span so far, ended now and marked as failed with this `error.type`. The span itself is only read and goes on."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={**_attributes(span), semconv.ERROR_TYPE: error_type},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=Status(StatusCode.ERROR, "unfinished when the invocation's time was nearly over"),
        start_time=span.start_time,
        end_time=time.time_ns(),
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(span: Span) -> dict[str, Any]:
    for _ in range(_TRIES):
        try:
            return dict(span.attributes or {})
        except (KeyError, RuntimeError):
            continue
    return {}
