"""The encoder says what the official one says, for any span that the SDK can make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from lambda_otel.protobuf import decode_partial_success, encode

text = st.text(max_size=200)
nanoseconds = st.integers(0, 2**63 - 1)
plain = st.one_of(text, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=50))
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=3), max_leaves=8)
attributes = st.dictionaries(st.text(min_size=1, max_size=40), values, max_size=6)
states = st.dictionaries(st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), max_size=3)


@st.composite
def contexts(draw: Any) -> SpanContext:
    return SpanContext(
        draw(st.integers(1, 2**128 - 1)),
        draw(st.integers(1, 2**64 - 1)),
        draw(st.booleans()),
        TraceFlags(draw(st.integers(0, 3))),
        TraceState(list(draw(states).items())),
    )


# Old versions of the official encoder leave schemas out.
with_schemas = ReadableSpan(
    name="n",
    context=SpanContext(1, 2, is_remote=False),
    resource=Resource({}, "schema"),
    instrumentation_scope=InstrumentationScope("scope", None, "schema"),
    start_time=1,
    end_time=2,
)
(said,) = encode_spans([with_schemas]).resource_spans
schemas = st.none() | st.text(max_size=20)
resources = st.builds(
    Resource, st.dictionaries(st.text(min_size=1, max_size=20), plain, max_size=4), schemas if said.schema_url else st.none()
)
scopes = st.none() | st.builds(InstrumentationScope, text, st.none() | text, schemas if said.scope_spans[0].schema_url else st.none())


@st.composite
def batches(draw: Any) -> list[ReadableSpan]:
    known_resources = draw(st.lists(resources, min_size=1, max_size=2, unique_by=lambda resource: hash(resource)))
    known_scopes = draw(st.lists(scopes, min_size=1, max_size=2))
    return [
        ReadableSpan(
            name=draw(text),
            context=draw(contexts()),
            parent=draw(st.none() | contexts()),
            resource=draw(st.sampled_from(known_resources)),
            attributes=draw(attributes),
            events=[Event(draw(text), draw(attributes), draw(nanoseconds)) for _ in range(draw(st.integers(0, 2)))],
            links=[Link(draw(contexts()), draw(attributes)) for _ in range(draw(st.integers(0, 2)))],
            kind=draw(st.sampled_from(SpanKind)),
            status=Status(StatusCode.ERROR, draw(text)) if draw(st.booleans()) else Status(draw(st.sampled_from(StatusCode))),
            start_time=draw(nanoseconds),
            end_time=draw(nanoseconds),
            instrumentation_scope=draw(st.sampled_from(known_scopes)),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=150, deadline=None)
@given(batches())
def test_same_message_as_the_official_encoder(spans: list[ReadableSpan]) -> None:
    assert ExportTraceServiceRequest.FromString(encode(spans)) == encode_spans(spans)


def test_limits_are_told(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1")
    from opentelemetry.sdk.trace import TracerProvider

    links = [Link(SpanContext(1, number, is_remote=True), {"a": 1, "b": 2}) for number in (1, 2, 3)]
    span = TracerProvider(shutdown_on_exit=False).get_tracer("limits").start_span("full", links=links)
    span.set_attributes({"a": 1, "b": 2, "c": 3})
    span.add_event("first")
    span.add_event("second", {"a": 1, "b": 2, "c": 3})
    span.end()
    message = ExportTraceServiceRequest.FromString(encode([span]))
    assert message == encode_spans([span])
    (found,) = message.resource_spans[0].scope_spans[0].spans
    dropped = (found.dropped_attributes_count, found.dropped_events_count, found.dropped_links_count)
    assert dropped == (1, 1, 2)
    assert (found.links[0].dropped_attributes_count, found.events[0].dropped_attributes_count) == (1, 2)


def made(**changes: Any) -> ReadableSpan:
    given = {"name": "n", "context": SpanContext(1, 2, is_remote=False), "resource": Resource({}), "start_time": 1, "end_time": 2}
    return ReadableSpan(**{**given, **changes})


def decoded(span: ReadableSpan) -> Any:
    return ExportTraceServiceRequest.FromString(encode([span])).resource_spans[0].scope_spans[0].spans[0]


def test_lone_surrogates_become_question_marks() -> None:
    found = decoded(made(name="a\ud800b", attributes={"key\udfff": "\udc00", "plain": "x"}))
    assert found.name == "a?b"
    assert {item.key: item.value.string_value for item in found.attributes} == {"key?": "?", "plain": "x"}


def test_an_attribute_that_otlp_cannot_say_is_left_out_alone() -> None:
    endless: list[Any] = []
    endless.append(endless)
    odd = {"large": 2**64, "object": object(), "endless": endless, "kept": 1, "none": None}
    found = decoded(made(attributes=odd))
    assert [item.key for item in found.attributes] == ["kept", "none"]


def test_absent_times_are_zero() -> None:
    found = decoded(made(start_time=None, end_time=None))
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (0, 0)


@given(st.integers(0, 2**63 - 1), st.text(max_size=300))
def test_partial_success_is_read(rejected: int, reason: str) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = reason
    assert decode_partial_success(answer.SerializeToString()) == (rejected, reason)


@given(st.binary(max_size=60))
def test_any_answer_is_read_without_an_error(body: bytes) -> None:
    rejected, reason = decode_partial_success(body)
    assert isinstance(rejected, int)
    assert isinstance(reason, str)


@pytest.mark.parametrize("body", [b"", b"\x0a\x00", b"{}", b"<html>"])
def test_answers_without_a_partial_success(body: bytes) -> None:
    assert decode_partial_success(body) == (0, "")
