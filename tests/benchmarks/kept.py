"""Many spans in one invocation, and a backend that takes its time: how many have arrived when the invocation has ended."""

from __future__ import annotations

from collections.abc import Sequence

import events
from environments import Environment
from process import backend, event_file, probe
from report import Table, median
from rounds import Figures, interleaved
from systems import BARE

NOTE = (
    "Inner spans that the backend has when the first invocation of a process has ended. It takes 50 ms for each request. Only what is sent "
    "as OTLP can be counted."
)
NUMBERS = (2_048, 10_000)


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """A few rounds."""
    return interleaved([environment for environment in environments if environment.system.name != BARE.name], 1 if quick else 3, count)


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems."""
    rows = [[name, *(median(figures, name, key(number)) for number in NUMBERS)] for name in systems]
    return [Table("Many spans and a slow backend", NOTE, ("system", *(f"of {number:,}" for number in NUMBERS)), rows)]


def key(number: int) -> str:
    """The name of a figure."""
    return f"kept, of {number:,}"


def count(environment: Environment) -> dict[str, float]:
    """How many of so many inner spans arrive."""
    found: dict[str, float] = {}
    for number in NUMBERS:
        with backend("50 ms") as there, event_file(events.http(spans=number)) as path:
            probe(environment, "invocations", path, 1, 0, variables=there.variables)
            if arrived := there.counts["spans"]:
                found[key(number)] = arrived
    return found
