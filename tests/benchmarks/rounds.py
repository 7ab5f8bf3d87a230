"""Measurements in turn: each round measures every system once, so that what else the machine does falls on all of them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from environments import Environment

Figures = Mapping[str, Mapping[str, Sequence[float]]]


def interleaved(environments: Sequence[Environment], count: int, measure: Callable[[Environment], Mapping[str, Any]]) -> Figures:
    """Each system's figures by name, one of each for a round; none for a system that fails, which is said."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(count):
        for environment in environments:
            name = environment.system.name
            figures = found.setdefault(name, defaultdict(list))
            for key, value in attempt(name, measure, environment).items():
                figures[key].append(value)
    return found


def attempt(name: str, measure: Callable[[Environment], Mapping[str, Any]], environment: Environment) -> Mapping[str, Any]:
    """What is measured; nothing when that fails."""
    try:
        return measure(environment)
    except (RuntimeError, ValueError, SyntaxError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return {}
