"""The trace as a tree: what one reads in the terminal, to the letter."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from lambda_otel.console import ConsoleExporter, render, show, wants_color
from lambda_otel.delivery import DELIVERED

MS = 1_000_000


def context(span_id: int, trace_id: int = 1) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False)


def span(span_id: int, name: str, start: int, end: int, parent: int | None = None, trace_id: int = 1, **fields: Any) -> ReadableSpan:
    """A span; times in milliseconds."""
    above = None if parent is None else context(parent, trace_id)
    times = {"start_time": start * MS, "end_time": end * MS}
    return ReadableSpan(name, context(span_id, trace_id), above, resource=Resource.get_empty(), **times, **fields)


FAILED = Status(StatusCode.ERROR, "it broke")

SPANS = [
    span(4, "SELECT", 30, 45, parent=2, kind=SpanKind.CLIENT, status=Status(StatusCode.OK)),
    span(3, "cache", 10, 10, parent=2, events=[Event("miss", {"key": "pets:7", "size": 0}, 10 * MS)]),
    span(2, "load_pet", 5, 50, parent=1),
    span(
        5,
        "POST",
        55,
        95,
        parent=1,
        kind=SpanKind.CLIENT,
        status=FAILED,
        attributes={"error.type": "requests.ConnectionError", "url.full": "https://audit.example.com/v1/" + "x" * 50},
        events=[Event("exception", {"exception.type": "requests.ConnectionError", "exception.message": "refused\n  by peer"}, 90 * MS)],
    ),
    span(
        1,
        "GET /pets/{id}",
        0,
        100,
        kind=SpanKind.SERVER,
        attributes={"http.response.status_code": 200, "url.path": "/pets/7", "faas.trigger": "http", "faas.coldstart": True},
        links=[Link(SpanContext(0xABC, 0xDEF, is_remote=True), {"messaging.message.id": "m-1"}), Link(context(9, 9))],
    ),
    span(
        7, "process orders", 2_000, 3_500, parent=99, trace_id=2, kind=SpanKind.CONSUMER, attributes={"messaging.batch.message_count": 10}
    ),
    span(6, "n" * 70, 2_100, 2_101, parent=7, trace_id=2),
    span(8, "a root", 2_000, 2_000, trace_id=2),
]

TREE = """\
trace 00000000000000000000000000000001
GET /pets/{id}  SERVER     100.0 ms  ━━━━━━━━━━━━━━━━━━━━━━━━  http.response.status_code=200 url.path=/pets/7 faas.coldstart=True
│  ↗ link 00000000000000000000000000000abc:0000000000000def messaging.message.id=m-1
│  ↗ link 00000000000000000000000000000009:0000000000000009
├─ load_pet     INTERNAL    45.0 ms  ·━━━━━━━━━━━············
│  ├─ cache     INTERNAL       0 µs  ··━·····················
│  │     • miss +0 µs key=pets:7 size=0
│  └─ SELECT    CLIENT      15.0 ms  ·······━━━━·············  OK
└─ POST         CLIENT      40.0 ms  ·············━━━━━━━━━━·  ERROR  error.type=requests.ConnectionError \
url.full=https://audit.example.com/v1/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
      • exception +35.0 ms requests.ConnectionError: refused

trace 00000000000000000000000000000002
process orders                                            CONSUMER     1.50 s  ━━━━━━━━━━━━━━━━━━━━━━━━  messaging.batch.message_count=10
└─ nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…  INTERNAL     1.0 ms  ·━······················
a root                                                    INTERNAL       0 µs  ━·······················
"""


def test_traces_are_trees_to_the_letter() -> None:
    assert render(SPANS) == TREE


def test_the_order_of_spans_does_not_matter_within_a_trace() -> None:
    assert sorted(render(reversed(SPANS)).splitlines()) == sorted(TREE.splitlines())


def test_no_line_ends_in_a_space() -> None:
    odd = span(1, "name ", 0, 1, attributes={"url.path": "/ends in a space "}, links=[Link(context(2))], events=[Event("e ", {}, 0)])
    for line in (render([*SPANS, odd]) + render([odd])).splitlines():
        assert line == line.rstrip()


def test_colour_changes_nothing_but_the_colour() -> None:
    colored = render(SPANS, color=True)
    assert "\x1b[31;1mERROR\x1b[0m" in colored
    assert "\x1b[32mOK\x1b[0m" in colored
    plain = colored
    for code in ("0", "1", "2", "31", "32", "36", "31;1"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == TREE


def test_nothing_is_an_empty_text() -> None:
    assert render([]) == ""


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    wicked = "a\nb\x1b[2Jc\ud800"
    odd = span(
        1,
        wicked,
        0,
        1,
        attributes={"url.path": wicked},
        links=[Link(context(2), {wicked: wicked})],
        events=[Event(wicked, {"k": wicked}, 0)],
    )
    text = render([odd])
    assert len(text.splitlines()) == 4
    assert text.count(r"a\nb\x1b[2Jc\ud800") == 6
    text.encode()


def test_long_values_are_cut() -> None:
    long = "v" * 1_000
    error = {"exception.type": "E", "exception.message": long}
    odd = span(
        1,
        "n",
        0,
        1,
        attributes={"url.path": long},
        links=[Link(context(2), {"k": long})],
        events=[Event("e", {"k": long}, 0), Event("x", error, 0)],
    )
    assert max(len(line) for line in render([odd]).splitlines()) < 200


def test_spans_of_one_id_and_parents_in_a_circle_are_no_trap() -> None:
    twins = [span(1, "twin", 0, 2), span(1, "twin", 0, 2), span(2, "child", 1, 2, parent=1)]
    assert [render(twins).count(name) for name in ("twin", "child")] == [2, 1]
    render([span(1, "own parent", 0, 1, parent=1)])
    render([span(1, "a", 0, 1, parent=2), span(2, "b", 0, 1, parent=1)])


def test_a_span_that_has_no_times_is_shown() -> None:
    assert "timeless" in render([ReadableSpan("timeless", context(1))])


@pytest.mark.parametrize(
    "spans",
    [
        [span(1, "root", 0, 10_000), *(span(number, "child", number, number + 1, parent=1) for number in range(2, 10_001))],
        [span(number, f"level {number}", number, 20_000, parent=number - 1 or None) for number in range(1, 10_001)],
    ],
    ids=["wide", "deep"],
)
def test_ten_thousand_spans_are_rendered_in_bounded_time_and_space(spans: list[ReadableSpan]) -> None:
    begin = time.process_time()
    text = render(spans)
    assert time.process_time() - begin < 20
    lines = text.splitlines()
    assert len(lines) == 10_001
    assert max(map(len, lines)) < 130


def test_a_deep_tree_still_shows_its_names() -> None:
    spans = [span(number, f"level {number}", 0, 1, parent=number - 1 or None) for number in range(1, 101)]
    assert "└─ level 100 " in render(spans)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_color(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())


def test_a_terminal_is_shown_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    show(SPANS, terminal)
    show(SPANS, file)
    assert terminal.getvalue() == render(SPANS, color=True) + "\n"
    assert file.getvalue() == TREE + "\n"


def test_a_stream_without_the_characters_gets_others() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(SPANS, stream)
    stream.seek(0)
    assert "GET /pets/{id}  SERVER" in stream.read()


def test_the_exporter_prints_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    exporter = ConsoleExporter()
    assert exporter.export(SPANS, 0) == DELIVERED
    exporter.shutdown(0)
    assert capsys.readouterr() == (TREE + "\n", "")


def test_a_standard_output_that_is_closed_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    assert ConsoleExporter().export(SPANS, 0).delivery == "failed"
