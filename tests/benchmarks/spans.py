"""Inner spans: what one costs to create and in all with its export, when it is not sampled, when tracing is off, and in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import events
import instructions
from environments import Environment
from process import backend, event_file, probe
from report import Table, median, ratio
from rounds import Figures, interleaved
from warm import instructions_of_one

NOTE = (
    "One inner span around a function that does nothing, of many in an invocation, as a multiple of the SDK's "
    "`@tracer.start_as_current_span`. `in all`: with its export. `unsampled`: the request is not sampled. `disabled`: `OTEL_SDK_DISABLED` "
    "or what the system has for it. `bytes`: what Python holds for each span until the end of the invocation."
)
COLUMNS = ("system", "in all, instr.", "unsampled, instr.", "disabled, instr.", "created, time", "in all, time", "unsampled, time", "bytes")
OFF = {"OTEL_SDK_DISABLED": "true", "POWERTOOLS_TRACE_DISABLED": "true", "DD_TRACE_ENABLED": "false", "SENTRY_DSN": ""}
MANY = 200


def measure(environments: Sequence[Environment], *, quick: bool) -> list[Table]:
    """One table of all systems."""
    systems = [environment for environment in environments if environment.system.name != "no tracing"]
    counted = interleaved(systems, 1, count) if instructions.available() else {}
    timed = interleaved(systems, 3 if quick else 5, time_spans)
    return [Table("Inner spans", NOTE, COLUMNS, [row(environment.system.name, counted, timed) for environment in systems])]


def row(name: str, counted: Figures, timed: Figures) -> list[str]:
    """The row of one system."""
    keys = ((counted, ("all", "unsampled", "disabled")), (timed, ("create", "all", "unsampled")))
    cells = [ratio(figures.get(name, {}).get(key), figures.get("SDK by hand", {}).get(key)) for figures, names in keys for key in names]
    return [name, *cells, median(timed[name].get("held"))]


def cases() -> dict[str, tuple[Any, dict[str, str]]]:
    """The event and the variables of each case."""
    return {"all": (events.http(), {}), "unsampled": (events.unsampled(), {}), "disabled": (events.http(), OFF)}


def count(environment: Environment) -> dict[str, float]:
    """Instructions of one span, in each case."""
    found: dict[str, float] = {}
    for name, (event, variables) in cases().items():
        few, many = ({**event, "spans": number} for number in (10, 10 + MANY))
        counts = [instructions_of_one(environment, case, 2, 6, variables) for case in (few, many)]
        found[name] = (counts[1] - counts[0]) / MANY
    return found


def time_spans(environment: Environment) -> dict[str, float]:
    """Median seconds of one span, sampled and not, and the bytes that it holds."""
    with backend() as there, event_file(events.http(spans=400)) as path:
        found = probe(environment, "spans", path, 30, 5, variables=there.variables)
        held = probe(environment, "memory", path, 4, 0, variables=there.variables)["held"]
    with backend() as there, event_file({**events.unsampled(), "spans": 400}) as path:
        unsampled = probe(environment, "spans", path, 30, 5, variables=there.variables)
    return {
        "create": middle(found["create"]),
        "all": middle(found["total"]),
        "unsampled": middle(unsampled["create"]),
        "held": middle(held),
    }


def middle(values: Sequence[float]) -> float:
    """One of the values, as many above it as below."""
    return sorted(values)[len(values) // 2]
