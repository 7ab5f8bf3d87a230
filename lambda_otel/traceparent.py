"""The common form of W3C's headers, read in a third of the time that the API's propagator takes; all other forms are left to that.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

_VERSION_00 = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LONGEST_STATE = 512  # what every platform must pass on; the propagator may drop longer ones


def span_context_of(carrier: Mapping[str, object]) -> SpanContext | None:
    """The remote span that a `traceparent` of version 00 and `tracestate` name; None when the propagator has to judge."""
    header, states = carrier.get("traceparent"), carrier.get("tracestate", "")
    found = _VERSION_00.fullmatch(header) if isinstance(header, str) else None
    if found is None or not isinstance(states, str) or len(states) > _LONGEST_STATE:
        return None
    trace_id, span_id, flags = found.groups()
    state = TraceState.from_header([states]) if states else None
    span_context = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)), state)
    return span_context if span_context.is_valid else None
