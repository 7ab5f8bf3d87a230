"""Inner spans: what one costs to create and in all with its export, when it is not sampled, when tracing is off, and in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import events
import instructions
from environments import Environment
from process import backend, event_file, probe
from report import Table, median, ratio
from rounds import Figures, interleaved, merged, side_by_side
from systems import BARE, DECORATED, OURS, WITH
from warm import count_warm

NOTE = (
    "One inner span around a function that does nothing, of many in an invocation, as a multiple of the SDK's "
    "`@tracer.start_as_current_span` in the same case. `created`: until the span has ended; `in all`: with its export. `unsampled`: the "
    "request is not sampled. `disabled`: `OTEL_SDK_DISABLED` or what the system has for it. `bytes`: what Python holds for each span until "
    "the end of the invocation."
)
CASES = ("created", "in all", "unsampled", "disabled")
TIMED = ("created", "in all", "unsampled")
INSTRUCTIONS, TIME, BYTES = "span, instructions", "span, time", "span, bytes"
OFF = {"OTEL_SDK_DISABLED": "true", "POWERTOOLS_TRACE_DISABLED": "true", "DD_TRACE_ENABLED": "false", "SENTRY_DSN": ""}
FEW, MANY, VERY_MANY = 10, 410, 2010  # an unsampled span is hardly more than what processes differ by, so many are counted


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """Instructions once, times in rounds."""
    others = {BARE.name: DECORATED, OURS.name: WITH}
    chosen = [environment for environment in environments if environment.system.name != BARE.name]
    chosen += [environment.serving(others[name]) for environment in environments if (name := environment.system.name) in others]
    counted = side_by_side(chosen, count) if instructions.available() else {}
    return merged(counted, interleaved(chosen, 3 if quick else 5, time_spans))


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems, and of the same spans by other means."""
    keys = [*(key(INSTRUCTIONS, case) for case in CASES), *(key(TIME, case) for case in TIMED)]
    heads = [*(f"{case}, instr." for case in CASES), *(f"{case}, time" for case in TIMED), "bytes"]
    shown = [*systems, *(others.name for others in (WITH, DECORATED) if OURS.name in systems)]
    rows = [[name, *(ratio(figures, name, key) for key in keys), median(figures, name, BYTES)] for name in shown]
    return [Table("Inner spans", NOTE, ("system", *heads), rows)]


def key(what: str, case: str) -> str:
    """The name of a figure."""
    return f"{what}, {case}"


def count(environment: Environment) -> dict[str, float]:
    """Instructions of one span, in each case."""
    found = {
        "created": count_created(environment, events.http(), {}, MANY),
        "unsampled": count_created(environment, events.unsampled(), events.UNSAMPLED_VARIABLES, VERY_MANY),
        "disabled": count_created(environment, events.http(), OFF, VERY_MANY),
        "in all": count_in_all(environment),
    }
    return {key(INSTRUCTIONS, case): value for case, value in found.items()}


def count_created(environment: Environment, event: Any, variables: Mapping[str, str], many: int) -> float:
    """Instructions of one span until it has ended: those of an invocation with many without those of one with few."""
    counts: list[int] = []
    for number in (FEW, many):
        with backend() as there, event_file({**event, "spans": number}) as path:
            counts.append(instructions.count(environment, "created", path, variables={**there.variables, **variables}))
    return (counts[1] - counts[0]) / (many - FEW)


def count_in_all(environment: Environment) -> float:
    """Instructions of one span with its export: those of warm invocations with many without those of ones with few."""
    few, many = (count_warm(environment, events.http(spans=number), {}, (2, 6)) for number in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def time_spans(environment: Environment) -> dict[str, float]:
    """Median seconds of one span, sampled and not, and the bytes that it holds."""
    with backend() as there, event_file(events.http(spans=400)) as path:
        found = probe(environment, "spans", path, 30, 5, variables=there.variables)
        held = probe(environment, "memory", path, 4, 0, variables=there.variables)["held"]
    with backend() as there, event_file({**events.unsampled(), "spans": 400}) as path:
        unsampled = probe(environment, "spans", path, 30, 5, variables={**there.variables, **events.UNSAMPLED_VARIABLES})
    times = {"created": found["create"], "in all": found["total"], "unsampled": unsampled["create"]}
    return {**{key(TIME, case): middle(times[case]) for case in TIMED}, BYTES: middle(held)}


def middle(values: Sequence[float]) -> float:
    """One of the values, as many above it as below."""
    return sorted(values)[len(values) // 2]
