"""Cold start: what a fresh process spends until the handler is ready, with what Lambda itself loads already loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence

import instructions
from environments import Environment
from process import backend, probe
from report import NOTHING, Table, median, ratio
from rounds import Figures, interleaved

VARIANTS: Mapping[str, Mapping[str, str]] = {"": {}, " with boto3": {"WITH_BOTO3": "1"}}

NOTE = (
    "Fresh process with awslambdaric imported first; what is added to a function without tracing, as a multiple of what the SDK set up by "
    "hand adds. `boto3`: imported before as well. `no .pyc`: nothing that is imported has been compiled before, the standard library "
    "included. The layers start two interpreters, which both count."
)
_VARIANTS = ("boto3", "no .pyc", "boto3, no .pyc")
COLUMNS = ("system", "instructions", *_VARIANTS, "CPU time", *_VARIANTS, "MiB", "modules")


def measure(environments: Sequence[Environment], *, quick: bool) -> list[Table]:
    """One table, of all systems and variants."""
    counted = interleaved(environments, 1, count) if instructions.available() else {}
    spent = interleaved(environments, 3 if quick else 11, spend)
    names = [environment.system.name for environment in environments]
    return [Table("Cold start", NOTE, COLUMNS, [row(name, counted, spent) for name in names if name != "no tracing"])]


def row(name: str, counted: Figures, spent: Figures) -> list[str]:
    """The row of one system."""
    keys = [compiled + variant for compiled in ("", "no .pyc") for variant in VARIANTS]
    cells = [compare(figures, name, key) for figures in (counted, spent) for key in keys]
    found = spent.get(name, {})
    return [name, *cells, median(found.get("peak")), median(found.get("modules"))]


def compare(figures: Figures, name: str, key: str) -> str:
    """The ratio to the base of what is added to the bare function."""
    if not figures:
        return NOTHING
    return ratio(figures[name].get(key), figures["SDK by hand"].get(key), figures["no tracing"].get(key, ()))


def count(environment: Environment) -> dict[str, float]:
    """Instructions, for each variant."""
    with backend() as there, tempfile.TemporaryDirectory() as empty:
        return {
            name: instructions.count(environment, "cold", variables={**there.variables, **variables})
            for name, variables in variants(empty).items()
        }


def spend(environment: Environment) -> dict[str, float]:
    """Seconds of CPU time for each variant, peak memory and modules."""
    with backend() as there, tempfile.TemporaryDirectory() as empty:
        found = {
            name: probe(environment, "cold", variables={**there.variables, **variables}) for name, variables in variants(empty).items()
        }
    plain = found[""]
    return {**{name: figures["cpu"] for name, figures in found.items()}, "peak": plain["peak"], "modules": plain["modules"]}


def variants(empty: str) -> dict[str, dict[str, str]]:
    """The variables of each variant; a folder that stays empty stands for the compiled modules."""
    uncompiled = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": empty}
    return {
        compiled + variant: {**variables, **(uncompiled if compiled else {})}
        for compiled in ("", "no .pyc")
        for variant, variables in VARIANTS.items()
    }
