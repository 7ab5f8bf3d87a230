"""Spans as an OTLP request in protobuf, and the answer to one, without the protobuf library.

That library and the generated classes would be a quarter of what this package adds to a cold start. A property test compares what is
written here with what the official encoder writes.

Source: https://github.com/open-telemetry/opentelemetry-proto (trace/v1/trace.proto, common/v1/common.proto)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack

# `SpanFlags`: it is known whether the context came from another process; and it did.
_LOCAL, _REMOTE = b"\x00\x01\x00\x00", b"\x00\x03\x00\x00"

# Varints of one byte; and what stands before a short text as the value of an attribute.
_SMALL = [bytes((number,)) for number in range(128)]
_SHORT_TEXT = [b"\x12%c\x0a%c" % (size + 2, size) for size in range(126)]


def encode(spans: Iterable[ReadableSpan]) -> bytes:
    """An `ExportTraceServiceRequest` of these spans, grouped by resource and scope.

    Raises:
        ValueError, TypeError, OverflowError: A span holds what OTLP cannot say. Attribute values are no reason: one of those that
            cannot be encoded is left out.
    """
    groups: dict[int, tuple[Resource, dict[InstrumentationScope | None, list[bytes]]]] = {}
    resource = scope = None
    messages: list[bytes] = []
    for span in spans:
        if span.resource is not resource or span.instrumentation_scope is not scope:
            resource, scope = span.resource, span.instrumentation_scope
            # Resources are compared by identity: hashing one turns all its attributes into JSON.
            _, scopes = groups.setdefault(id(resource), (resource, {}))
            messages = scopes.setdefault(scope, [])
        messages.append(_message(b"\x12", _span(span)))
    return b"".join(_message(b"\x0a", _resource_spans(resource, scopes)) for resource, scopes in groups.values())


def _resource_spans(resource: Resource, scopes: Mapping[InstrumentationScope | None, list[bytes]]) -> bytes:
    parts = [_message(b"\x0a", _attributes(b"\x0a", resource.attributes))]
    for scope, spans in scopes.items():
        content = b"".join((_message(b"\x0a", _scope(scope)), *spans, _text(b"\x1a", scope.schema_url if scope else None)))
        parts.append(_message(b"\x12", content))
    return b"".join((*parts, _text(b"\x1a", resource.schema_url)))


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    attributes = cast("Mapping[str, Any] | None", getattr(scope, "attributes", None))
    return _text(b"\x0a", scope.name) + _text(b"\x12", scope.version) + _attributes(b"\x1a", attributes)


def _span(span: ReadableSpan) -> bytes:
    context = cast("SpanContext", span.get_span_context())
    parent, start_time, end_time = span.parent, span.start_time, span.end_time
    return b"".join(
        (
            b"\x0a\x10",
            context.trace_id.to_bytes(16, "big"),
            b"\x12\x08",
            context.span_id.to_bytes(8, "big"),
            _trace_state(context) if context.trace_state else b"",
            b"\x22\x08" + parent.span_id.to_bytes(8, "big") if parent else b"",
            _text(b"\x2a", span.name),
            b"\x30",
            _varint(span.kind.value + 1),
            b"\x39" + _fixed64(start_time) if start_time else b"",
            b"\x41" + _fixed64(end_time) if end_time else b"",
            _attributes(b"\x4a", span.attributes),
            _count(b"\x50", dropped) if (dropped := span.dropped_attributes) else b"",
            *[_message(b"\x5a", _event(event)) for event in span.events],
            _count(b"\x60", dropped) if (dropped := span.dropped_events) else b"",
            *[_message(b"\x6a", _link(link)) for link in span.links],
            _count(b"\x70", dropped) if (dropped := span.dropped_links) else b"",
            _status(span.status),
            b"\x85\x01",
            _REMOTE if parent and parent.is_remote else _LOCAL,
        )
    )


def _trace_state(context: SpanContext) -> bytes:
    return _text(b"\x1a", ",".join(f"{key}={value}" for key, value in context.trace_state.items()))


def _event(event: Event) -> bytes:
    dropped = _count(b"\x20", event.dropped_attributes)
    return b"\x09" + _fixed64(event.timestamp) + _text(b"\x12", event.name) + _attributes(b"\x1a", event.attributes) + dropped


def _link(link: Link) -> bytes:
    return b"".join(
        (
            b"\x0a\x10",
            link.context.trace_id.to_bytes(16, "big"),
            b"\x12\x08",
            link.context.span_id.to_bytes(8, "big"),
            _attributes(b"\x22", link.attributes),
            _count(b"\x28", link.dropped_attributes),
            b"\x35",
            _REMOTE if link.context.is_remote else _LOCAL,
        )
    )


def _status(status: Status) -> bytes:
    if status.is_unset and not status.description:
        return b"\x7a\x00"
    return _message(b"\x7a", _text(b"\x12", status.description) + _count(b"\x18", status.status_code.value))


def _attributes(tag: bytes, attributes: Mapping[str, Any] | None) -> bytes:
    if not attributes:
        return b""
    parts: list[bytes] = []
    # The SDK's mapping calls into Python for every item, its copy is a plain dict.
    copied: Mapping[str, Any] = getattr(attributes, "copy", lambda: attributes)()
    for key, value in copied.items():
        try:
            # Nearly all values are short texts, so these are written here and the rest by functions.
            if type(value) is str and (size := len(content := value.encode("utf-8", "replace"))) < len(_SHORT_TEXT):
                pair = _key(key) + _SHORT_TEXT[size] + content
            else:
                pair = _key(key) + _message(b"\x12", _value(value))
            parts += (tag, _SMALL[size] if (size := len(pair)) < 128 else _varint(size), pair)
        except (TypeError, ValueError, OverflowError, RecursionError, struct.error):
            continue
    return b"".join(parts)


@lru_cache(maxsize=512)
def _key(key: str) -> bytes:
    return _text(b"\x0a", key)


def _value(value: Any) -> bytes:
    """An `AnyValue`.

    Raises:
        TypeError: OTLP has no such value.
        OverflowError: An integer beyond 64 bits.
    """
    if isinstance(value, str):
        return _message(b"\x0a", _utf8(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise OverflowError("OTLP has integers of 64 bits")
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + _double(value)
    return _compound(value)


def _compound(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return _message(b"\x3a", value)
    if isinstance(value, Sequence):
        items = cast("Sequence[Any]", value)
        return _message(b"\x2a", b"".join(_message(b"\x0a", _value(item)) for item in items))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return _message(b"\x32", b"".join(_message(b"\x0a", _key(str(key)) + _message(b"\x12", _value(item))) for key, item in pairs))
    raise TypeError(f"OTLP has no value for {type(value).__name__}")


def _utf8(text: str) -> bytes:
    # A lone surrogate has no UTF-8; it becomes a question mark, where the protobuf library would refuse the whole request.
    return text.encode("utf-8", "replace")


def _text(tag: bytes, text: str | None) -> bytes:
    """A string field; absent when empty, as protobuf has it."""
    if not text:
        return b""
    return _message(tag, _utf8(text))


def _message(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_SMALL[size] if size < 128 else _varint(size)) + content


def _count(tag: bytes, number: int) -> bytes:
    return tag + _varint(number) if number else b""


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def decode_partial_success(body: bytes) -> tuple[int, str]:
    """How many spans an `ExportTraceServiceResponse` says were not taken, and why; (0, "") for one that says nothing or is none."""
    try:
        success = _fields(body).get(1, b"")
        fields = _fields(success) if isinstance(success, bytes) else {}
    except (IndexError, ValueError):
        return 0, ""
    rejected, reason = fields.get(1, 0), fields.get(2, b"")
    return rejected if isinstance(rejected, int) else 0, reason.decode("utf-8", "replace") if isinstance(reason, bytes) else ""


def _fields(data: bytes) -> dict[int, int | bytes]:
    """The last value of each field of a message.

    Raises:
        IndexError, ValueError: The bytes are no message of numbers, texts and messages.
    """
    found: dict[int, int | bytes] = {}
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        if tag & 7 == 2:
            if position + value > len(data):
                raise ValueError("the message is cut off")
            found[tag >> 3], position = data[position : position + value], position + value
        elif tag & 7 == 0:
            found[tag >> 3] = value
        else:
            raise ValueError("a field of another type")
    return found


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return number, position
