"""Cold start: what a fresh process spends until the handler is ready, with what Lambda itself loads already loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import instructions
from environments import Environment
from process import backend, probe
from report import Table, median, ratio
from rounds import Figures, interleaved, merged, side_by_side
from systems import BASE, FLOOR

NOTE = (
    "Fresh process with awslambdaric imported first; what is added to a function without tracing, as a multiple of what the SDK set up by "
    "hand adds. `boto3`: imported before as well. `no .pyc`: the packages come uncompiled, but not Python's own library and "
    "Lambda's. The layers start two interpreters, which both count. `MiB`: memory at most, `modules`: those loaded, the function's own and "
    "Lambda's included."
)
VARIANTS = ("", "boto3", "no .pyc", "boto3, no .pyc")
INSTRUCTIONS, TIME = "cold start, instructions", "cold start, CPU time"
PEAK, MODULES = "cold start, MiB", "cold start, modules"


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """Instructions once, times in rounds for one variant after the other, so that what is compared runs at nearly the same time."""
    chosen = [*environments, *(environment.serving(FLOOR) for environment in environments if environment.system.name == BASE.name)]
    for environment in chosen:
        environment.uncompiled()  # made here, as several threads ask for it later
    counted = side_by_side(chosen, count) if instructions.available() else {}
    rounds = 5 if quick else 9
    return merged(counted, *(interleaved(chosen, rounds, partial(spend, variant=variant)) for variant in VARIANTS))


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table, of all systems and variants, and of the least that can be."""
    keys = [key(what, variant) for what in (INSTRUCTIONS, TIME) for variant in VARIANTS]
    heads = [key(what, variant) for what in ("instr.", "CPU time") for variant in VARIANTS]
    rows = [
        [name, *(ratio(figures, name, key) for key in keys), median(figures, name, PEAK), median(figures, name, MODULES)]
        for name in (*systems, FLOOR.name)
    ]
    return [Table("Cold start", NOTE, ("system", *heads, "MiB", "modules"), rows)]


def key(what: str, variant: str) -> str:
    """The name of a figure."""
    return f"{what}, {variant}" if variant else what


def count(environment: Environment) -> dict[str, float]:
    """Instructions, for each variant."""
    found: dict[str, float] = {}
    for variant in VARIANTS:
        with variables_of(variant) as variables:
            found[key(INSTRUCTIONS, variant)] = instructions.count(packed(environment, variant), "cold", variables=variables)
    return found


def spend(environment: Environment, variant: str) -> dict[str, float]:
    """Seconds of CPU time for a variant; of the first one peak memory and modules as well."""
    with variables_of(variant) as variables:
        found = probe(packed(environment, variant), "cold", variables=variables)
    beside = {} if variant else {PEAK: found["peak"], MODULES: found["modules"]}
    return {key(TIME, variant): found["cpu"], **beside}


@contextmanager
def variables_of(variant: str) -> Iterator[Mapping[str, str]]:
    """The variables of a variant, while it is measured; nothing is compiled for the next process."""
    with backend() as there:
        yield {**there.variables, "PYTHONDONTWRITEBYTECODE": "1", **({"WITH_BOTO3": "1"} if "boto3" in variant else {})}


def packed(environment: Environment, variant: str) -> Environment:
    """The packages as the variant has them."""
    return environment.uncompiled() if "no .pyc" in variant else environment
