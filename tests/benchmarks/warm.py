"""Warm invocations: what each adds, its spans created, sent and answered, and what an unsampled one and the first one add."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import events
import instructions
from environments import Environment
from process import backend, event_file, probe
from report import Table, median, ratio
from rounds import Figures, interleaved, merged, side_by_side

NOTE = (
    "What an invocation adds, as a multiple of what the SDK set up by hand adds: an HTTP API v2 request, ten SQS messages with a trace "
    "context each (the SDK by hand and some others make no links of them), a request that is not sampled, and the first request of a "
    "process. A backend in another process answers each request at once. `requests`: sent for each invocation that is not sampled."
)
CASES = ("HTTP", "SQS", "unsampled", "first")
INSTRUCTIONS, TIME = "invocation, instructions", "invocation, time"
REQUESTS = "invocation, requests when unsampled"
SHORT, LONG, WARM_UP = 10, 60, 5


def cases() -> dict[str, tuple[Any, Mapping[str, str]]]:
    """The event and the variables of each case."""
    return {"HTTP": (events.http(), {}), "SQS": (events.sqs(10), {}), "unsampled": (events.unsampled(), events.UNSAMPLED_VARIABLES)}


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """Instructions once, times in rounds."""
    counted = side_by_side(environments, count) if instructions.available() else {}
    return merged(counted, interleaved(environments, 5 if quick else 7, time_invocations))


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems."""
    keys = [key(what, case) for what in (INSTRUCTIONS, TIME) for case in CASES]
    heads = [f"{case}, {what}" for what in ("instr.", "time") for case in CASES]
    rows = [[name, *(ratio(figures, name, key) for key in keys), median(figures, name, REQUESTS)] for name in systems]
    return [Table("Warm and first invocation", NOTE, ("system", *heads, "requests"), rows)]


def key(what: str, case: str) -> str:
    """The name of a figure."""
    return f"{what}, {case}"


def count(environment: Environment) -> dict[str, float]:
    """Instructions of one invocation in each case."""
    found = {key(INSTRUCTIONS, name): count_warm(environment, event, variables) for name, (event, variables) in cases().items()}
    return {**found, key(INSTRUCTIONS, "first"): count_first(environment)}


def count_warm(
    environment: Environment,
    event: Any,
    variables: Mapping[str, str],
    lengths: tuple[int, int] = (SHORT, LONG),
    mode: str = "invocations",
    counter: Callable[..., int] = instructions.count,
) -> float:
    """Instructions of one invocation: those of a long run without those of a short one."""
    short, long = lengths
    with backend() as there, event_file(event) as path:
        more = {**there.variables, **variables}
        few, many = (counter(environment, mode, path, length, WARM_UP, variables=more) for length in (short, long))
    return (many - few) / (long - short)


def count_first(environment: Environment) -> int:
    """Instructions of the first invocation: those of a process that has one without those of a process that has none."""
    with backend() as there, event_file(events.http()) as path:
        none, one = (instructions.count(environment, "invocations", path, length, 0, variables=there.variables) for length in (0, 1))
    return one - none


def time_invocations(environment: Environment) -> dict[str, float]:
    """The median seconds of an invocation in each case, and those of the first one."""
    found: dict[str, float] = {}
    for name, (event, variables) in cases().items():
        with backend() as there, event_file(event) as path:
            figures = probe(environment, "invocations", path, 200, 50, variables={**there.variables, **variables})
            counts = there.counts
        found[key(TIME, name)] = sorted(figures["seconds"])[len(figures["seconds"]) // 2]
        if name == "HTTP":
            found[key(TIME, "first")] = figures["first"]
        if name == "unsampled":
            found[REQUESTS] = (counts["requests"] + counts["datagrams"]) / 250
    return found
