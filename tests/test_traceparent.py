"""The common form of W3C's headers is read as the API's propagator reads it, every other form is left to that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lambda_otel.traceparent import span_context_of

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def official(carrier: dict[str, str]) -> tuple[Any, ...] | None:
    found = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return parts(found) if found.is_valid else None


def parts(found: Any) -> tuple[Any, ...]:
    return found.trace_id, found.span_id, found.is_remote, int(found.trace_flags), dict(found.trace_state)


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


well_formed = st.tuples(st.just("00"), hexadecimal(32), hexadecimal(16), hexadecimal(2)).map("-".join)
nearly = st.tuples(hexadecimal(2), hexadecimal(32), hexadecimal(16), hexadecimal(2)).map("-".join)
damaged = st.tuples(well_formed, st.integers(0, 54), st.sampled_from("g-_ A٣\n")).map(
    lambda one: one[0][: one[1]] + one[2] + one[0][one[1] + 1 :]
)
states = st.none() | st.sampled_from(["", "a=1", "a=1,b=2", " a=1 , b=2", "a=1,a=2", "A=1", "=", ",", "x" * 600]) | st.text(max_size=20)


@settings(max_examples=300, deadline=None)
@given(traceparent=well_formed | nearly | damaged, tracestate=states)
@example(traceparent=TRACEPARENT + "\n", tracestate=None)
@example(traceparent=f"00-{'0' * 32}-b7ad6b7169203331-01", tracestate=None)
@example(traceparent=f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", tracestate=None)
def test_what_is_read_is_what_the_propagator_reads(traceparent: str, tracestate: str | None) -> None:
    carrier = {"traceparent": traceparent, **({} if tracestate is None else {"tracestate": tracestate})}
    found = span_context_of(carrier)
    assert found is None or parts(found) == official(carrier)


@given(traceparent=well_formed, tracestate=st.sampled_from([None, "a=1", "a=1,b=2"]))
def test_the_common_form_is_read(traceparent: str, tracestate: str | None) -> None:
    carrier = {"traceparent": traceparent, **({} if tracestate is None else {"tracestate": tracestate})}
    assert (span_context_of(carrier) is None) == (official(carrier) is None)


@pytest.mark.parametrize("carrier", [{}, {"traceparent": 7}, {"traceparent": None}, {"traceparent": TRACEPARENT, "tracestate": 7}])
def test_what_is_no_text_is_not_read(carrier: dict[str, Any]) -> None:
    assert span_context_of(carrier) is None
