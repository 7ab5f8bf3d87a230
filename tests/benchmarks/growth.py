"""Growth: how an invocation's cost grows with the records of its event, its inner spans, and its event's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import events
from environments import Environment
from process import backend, event_file, probe
from report import Table, ratio
from rounds import Figures, interleaved

NOTE = (
    "Time that an invocation takes longer than without tracing, with few and with many records (SQS, a trace context each), inner spans, "
    "and bytes in the body of an HTTP request, as a multiple of what the SDK set up by hand adds to the smaller of the two. That makes no "
    "spans or links of records."
)
PAIRS = (("1 record", "10,000 records"), ("1 span", "10,000 spans"), ("1 KB", "6 MB"))


def cases() -> dict[str, Any]:
    """The events by the names of their columns."""
    return {
        "1 record": events.sqs(1),
        "10,000 records": events.sqs(10_000),
        "1 span": events.http(spans=1),
        "10,000 spans": events.http(spans=10_000),
        "1 KB": events.http(body="x" * 1_000),
        "6 MB": events.http(body="x" * 6_000_000),
    }


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """Times in rounds."""
    return interleaved(environments, 1 if quick else 3, time_cases)


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems."""
    columns = [(name, unit) for pair in PAIRS for unit in pair[:1] for name in pair]
    rows = [[system, *(ratio(figures, system, key(name), unit=key(unit)) for name, unit in columns)] for system in systems]
    return [Table("Growth", NOTE, ("system", *(name for name, _ in columns)), rows)]


def key(case: str) -> str:
    """The name of a figure."""
    return f"growth, {case}"


def time_cases(environment: Environment) -> dict[str, float]:
    """The median seconds of an invocation with each event."""
    found: dict[str, float] = {}
    for name, event in cases().items():
        with backend() as there, event_file(event) as path:
            seconds = probe(environment, "invocations", path, 7, 2, variables=there.variables)["seconds"]
        found[key(name)] = sorted(seconds)[len(seconds) // 2]
    return found
