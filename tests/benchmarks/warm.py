"""Warm invocations: what each adds, its spans created, sent and answered, and what an unsampled one and the first one add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import events
import instructions
from environments import Environment
from process import backend, event_file, probe
from report import Table, median, ratio
from rounds import Figures, interleaved

NOTE = (
    "What an invocation adds, as a multiple of what the SDK set up by hand adds: an HTTP API v2 request, ten SQS messages with a trace "
    "context each (the SDK by hand and some others make no links of them), and a request that is not sampled. A backend in another process "
    "answers each request at once. `requests`: sent for each invocation that is not sampled. `first`: the first invocation of a process."
)
_CASES = ("HTTP", "SQS", "unsampled")
COLUMNS = ("system", *(f"{case}, {what}" for what in ("instr.", "time") for case in _CASES), "requests", "first, time")


def cases() -> dict[str, Any]:
    """The events by the names of their columns."""
    return {"HTTP": events.http(), "SQS": events.sqs(10), "unsampled": events.unsampled()}


def measure(environments: Sequence[Environment], *, quick: bool) -> list[Table]:
    """One table of all systems."""
    counted = interleaved(environments, 1, count) if instructions.available() else {}
    timed = interleaved(environments, 3 if quick else 7, time_invocations)
    names = [environment.system.name for environment in environments]
    return [Table("Warm invocation", NOTE, COLUMNS, [row(name, counted, timed) for name in names if name != "no tracing"])]


def row(name: str, counted: Figures, timed: Figures) -> list[str]:
    """The row of one system."""
    cells = [compare(figures, name, case) for figures in (counted, timed) for case in cases()]
    return [name, *cells, median(timed[name].get("requests")), compare(timed, name, "first")]


def compare(figures: Figures, name: str, key: str) -> str:
    """The ratio to the base of what is added to the bare function."""
    bare = figures.get("no tracing", {}).get(key, (0.0,))
    return ratio(figures.get(name, {}).get(key), figures.get("SDK by hand", {}).get(key), bare)


def count(environment: Environment) -> dict[str, float]:
    """Instructions of one invocation with each of the events."""
    return {name: instructions_of_one(environment, event) for name, event in cases().items()}


def instructions_of_one(
    environment: Environment, event: Any, short: int = 10, long: int = 60, variables: Mapping[str, str] | None = None
) -> float:
    """Instructions of one invocation: those of a long run without those of a short one."""
    with backend() as there, event_file(event) as path:
        more = {**there.variables, **(variables or {})}
        counts = [instructions.count(environment, "invocations", path, length, 5, variables=more) for length in (short, long)]
    return (counts[1] - counts[0]) / (long - short)


def time_invocations(environment: Environment) -> dict[str, float]:
    """The median seconds of an invocation with each of the events, and of the first one."""
    found: dict[str, float] = {}
    for name, event in cases().items():
        with backend() as there, event_file(event) as path:
            figures = probe(environment, "invocations", path, 200, 50, variables=there.variables)
            counts = there.counts
        found[name] = sorted(figures["seconds"])[len(figures["seconds"]) // 2]
        if name == "HTTP":
            found["first"] = figures["first"]
        if name == "unsampled":
            found["requests"] = (counts["requests"] + counts["datagrams"]) / 250
    return found
