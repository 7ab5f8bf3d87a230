"""Measurements in turn: each round measures every system once, so that what else the machine does falls on all of them."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from environments import Environment

Figures = Mapping[str, Mapping[str, Sequence[float]]]  # by the names of a system and of a figure, one for each round
Measure = Callable[[Environment], Mapping[str, float]]


def interleaved(environments: Sequence[Environment], count: int, measure: Measure) -> Figures:
    """Each system's figures by name, one of each for a round; none for a system that fails, which is said."""
    found: dict[str, dict[str, list[float]]] = {environment.system.name: defaultdict(list) for environment in environments}
    working = list(environments)
    for _ in range(count):
        for environment, figures in [(environment, attempt(measure, environment)) for environment in working]:
            if figures is None:
                working.remove(environment)
                found[environment.system.name].clear()
            for key, value in (figures or {}).items():
                found[environment.system.name][key].append(value)
    return found


def side_by_side(environments: Sequence[Environment], measure: Measure) -> Figures:
    """The same in one round, several systems at a time: for counts, which a busy machine does not change."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = list(pool.map(lambda environment: attempt(measure, environment), environments))
    return {
        environment.system.name: {key: [value] for key, value in (figures or {}).items()}
        for environment, figures in zip(environments, counted, strict=True)
    }


def attempt(measure: Measure, environment: Environment) -> Mapping[str, float] | None:
    """What is measured; None when that fails."""
    try:
        return measure(environment)
    except (RuntimeError, ValueError, SyntaxError) as error:
        print(f"{environment.system.name}: {error}", file=sys.stderr)
        return None


def merged(*parts: Figures) -> Figures:
    """The figures of all parts, each system's together."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: dict(_items(name, parts)) for name in names}


def _items(name: str, parts: Sequence[Figures]) -> Iterator[tuple[str, Sequence[float]]]:
    for part in parts:
        yield from part.get(name, {}).items()
