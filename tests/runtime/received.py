"""OTLP messages as plain Python data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status


class ReceivedLink(NamedTuple):
    """A link of a span; ids in hexadecimal."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


class ReceivedEvent(NamedTuple):
    """An event of a span, such as a recorded exception."""

    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as a backend sees it: ids in hexadecimal, times in nanoseconds since 1970."""

    name: str
    kind: str  # "SERVER", "CONSUMER", …
    trace_id: str
    span_id: str
    parent_id: str  # "" for a root
    trace_state: str
    flags: int
    start: int
    end: int
    attributes: dict[str, Any]
    links: list[ReceivedLink]
    events: list[ReceivedEvent]
    status: str  # "UNSET", "OK" or "ERROR"
    status_description: str
    dropped_attributes: int
    dropped_links: int
    dropped_events: int
    resource: dict[str, Any]
    resource_schema_url: str
    scope_name: str
    scope_version: str
    scope_attributes: dict[str, Any]
    schema_url: str

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return (self.end - self.start) / 1e9


def spans_of(export: ExportTraceServiceRequest) -> list[ReceivedSpan]:
    """Every span of an export request, in the order of the message."""
    return [
        _received(span, group, _attributes(resource_spans.resource.attributes), resource_spans.schema_url)
        for resource_spans in export.resource_spans
        for group in resource_spans.scope_spans
        for span in group.spans
    ]


def _received(span: Span, group: ScopeSpans, resource: dict[str, Any], resource_schema_url: str) -> ReceivedSpan:
    scope: InstrumentationScope = group.scope
    return ReceivedSpan(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        trace_state=span.trace_state,
        flags=span.flags,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=[_link(link) for link in span.links],
        events=[ReceivedEvent(event.name, _attributes(event.attributes)) for event in span.events],
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_description=span.status.message,
        dropped_attributes=span.dropped_attributes_count,
        dropped_links=span.dropped_links_count,
        dropped_events=span.dropped_events_count,
        resource=resource,
        resource_schema_url=resource_schema_url,
        scope_name=scope.name,
        scope_version=scope.version,
        scope_attributes=_attributes(scope.attributes),
        schema_url=group.schema_url,
    )


def _link(link: Span.Link) -> ReceivedLink:
    return ReceivedLink(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes))


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
