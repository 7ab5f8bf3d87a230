"""A trace as a tree in the terminal: one line for each span, on a common time line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, StatusCode, format_span_id, format_trace_id

from . import semconv
from .delivery import DELIVERED, Report

_BAR = 24
_LONGEST_NAME = 56
_LONGEST_BRANCH = 36
_LONGEST_VALUE = 60
_LONGEST_MESSAGE = 100

# The attributes that matter most come first; a line shows the first two that a span has.
_TELLING = (
    semconv.ERROR_TYPE,
    semconv.HTTP_RESPONSE_STATUS_CODE,
    "url.full",
    "http.url",
    semconv.URL_PATH,
    semconv.MESSAGING_BATCH_MESSAGE_COUNT,
    semconv.MESSAGING_MESSAGE_ID,
    "aws.s3.bucket",
    "rpc.method",
    semconv.FAAS_DOCUMENT_COLLECTION,
    semconv.FAAS_TRIGGER,
)


def render(spans: Iterable[ReadableSpan], *, color: bool = False) -> str:
    """Spans as text: each trace as a tree under a line with its id.

    Args:
        spans: Ended spans of any number of traces, in any order.
        color: Whether to use colours of the terminal.
    """
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        traces.setdefault(_context(span).trace_id, []).append(span)
    return "\n".join(_trace(trace_id, found, _Style(color)) for trace_id, found in traces.items())


class _Style:
    """Colours, where they are wanted."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text else text


def _context(span: ReadableSpan) -> Any:
    return span.get_span_context()


def _trace(trace_id: int, spans: list[ReadableSpan], style: _Style) -> str:
    rows = list(_rows(spans))
    width = min(max((len(prefix + _plain(span.name)) for prefix, _, span in rows), default=0), _LONGEST_NAME)
    begin = min(span.start_time or 0 for span in spans)
    length = max(max(span.end_time or 0 for span in spans) - begin, 1)
    lines = [style("2", f"trace {format_trace_id(trace_id)}")]
    for prefix, below, span in rows:
        lines.append(_line(prefix, span, width, begin, length, style))
        lines += [style("2", f"{below}  {note}".rstrip()) for note in (*_link_notes(span.links), *_event_notes(span.events, span))]
    return "\n".join(lines) + "\n"


def _rows(spans: list[ReadableSpan]) -> Iterable[tuple[str, str, ReadableSpan]]:
    """Each span with the branch before its name and the one before its notes, parents before children."""
    known = {_context(span).span_id for span in spans}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        parent = span.parent.span_id if span.parent and span.parent.span_id in known else None
        children.setdefault(parent, []).append(span)

    stack = [("", "", span) for span in reversed(children.get(None, []))]
    while stack:
        prefix, indent, span = stack.pop()
        below = children.pop(_context(span).span_id, [])
        yield prefix, indent + ("│" if below else " "), span
        branch = indent[-_LONGEST_BRANCH:]  # a very deep tree moves out of sight to the left
        for child in reversed(below):
            last = child is below[-1]
            stack.append((branch + ("└─ " if last else "├─ "), branch + ("   " if last else "│  "), child))


def _line(prefix: str, span: ReadableSpan, width: int, begin: int, length: int, style: _Style) -> str:
    start, end = span.start_time or 0, span.end_time or 0
    failed = span.status.status_code is StatusCode.ERROR
    name = _cut(prefix + _plain(span.name), width)
    columns = (
        style("1", name) + " " * (width - len(name)),
        f"{span.kind.name:<8}",
        f"{_duration(end - start):>9}",
        style("31" if failed else "36", _bar(start - begin, end - start, length)),
        style("31;1", "ERROR") if failed else style("32", "OK") if span.status.status_code is StatusCode.OK else "",
        style("2", _telling(span.attributes or {}, failed)),
    )
    return "  ".join(column for column in columns if column).rstrip()


def _plain(text: object) -> str:
    """The text on one line, without characters that a terminal would take for commands."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _duration(nanoseconds: int) -> str:
    if nanoseconds >= 1_000_000_000:
        return f"{nanoseconds / 1e9:.2f} s"
    return f"{nanoseconds / 1e6:.1f} ms" if nanoseconds >= 100_000 else f"{nanoseconds / 1e3:.0f} µs"


def _bar(offset: int, duration: int, length: int) -> str:
    first = min(offset * _BAR // length, _BAR - 1)
    cells = min(max(round(duration * _BAR / length), 1), _BAR - first)
    return "·" * first + "━" * cells + "·" * (_BAR - first - cells)


def _telling(attributes: Mapping[str, Any], failed: bool) -> str:
    shown = [(key, attributes[key]) for key in _TELLING if key in attributes and (failed or key != semconv.ERROR_TYPE)][:2]
    if attributes.get(semconv.FAAS_COLDSTART):
        shown.append((semconv.FAAS_COLDSTART, True))
    return _pairs(shown).rstrip()


def _pairs(attributes: Iterable[tuple[str, object]]) -> str:
    return " ".join(f"{_plain(key)}={_cut(_plain(value), _LONGEST_VALUE)}" for key, value in attributes)


def _link_notes(links: Sequence[Link]) -> list[str]:
    return [
        f"↗ link {format_trace_id(link.context.trace_id)}:{format_span_id(link.context.span_id)} {_pairs((link.attributes or {}).items())}"
        for link in links
    ]


def _event_notes(events: Sequence[Event], span: ReadableSpan) -> list[str]:
    notes: list[str] = []
    for event in events:
        attributes = event.attributes or {}
        if semconv.EXCEPTION_TYPE in attributes:
            first_line = str(attributes.get(semconv.EXCEPTION_MESSAGE, "")).partition("\n")[0]
            text = _cut(_plain(f"{attributes[semconv.EXCEPTION_TYPE]!s}: {first_line}"), _LONGEST_MESSAGE)
        else:
            text = _pairs(attributes.items())
        notes.append(f"• {_plain(event.name)} +{_duration(event.timestamp - (span.start_time or 0))} {text}")
    return notes


def wants_color(stream: TextIO) -> bool:
    """True for a terminal, unless `NO_COLOR` is set (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and stream.isatty()


def show(spans: Iterable[ReadableSpan], stream: TextIO) -> None:
    """Prints spans as trees; characters that the stream's encoding lacks are replaced."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = render(spans, color=wants_color(stream))
    print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


class ConsoleExporter:
    """Prints each batch as trees to standard output."""

    name = "console"

    def export(self, spans: Sequence[ReadableSpan], deadline: float) -> Report:
        """Prints the batch."""
        try:
            show(spans, sys.stdout)
        except (OSError, ValueError) as error:  # nobody reads it any more, or it is closed
            return Report("failed", f"{type(error).__name__}: {error}")
        return DELIVERED

    def settle(self, ticket: Any, deadline: float) -> Report:
        """Nothing is ever out."""
        return DELIVERED

    def abandon(self, ticket: Any) -> None:
        """Nothing is ever out."""

    def start_anew(self) -> None:
        """It holds nothing."""

    def shutdown(self, deadline: float) -> None:
        """Nothing is held."""
