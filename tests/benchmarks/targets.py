"""What is aimed at, and what was measured of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import answer
import cold
import kept
import size
import spans
import trouble
import warm
from report import NOTHING, Table, added, shown, values
from rounds import Figures
from systems import ADOT_LAYER, BASE, CONTRIB, CONTRIB_LAYER, DECORATED, OURS, WITH, System

NOTE = (
    "What lambda_otel adds to the function without tracing, as a multiple of what something else adds to it, in instructions counted by "
    "valgrind in the same run; where nothing is named, the figure itself. `least`: what must hold. `aim`: what is tried for."
)
COLUMNS = ("target", "as a multiple of", "least", "aim", "measured", "")
SDK = BASE.name


@dataclass(frozen=True)
class Target:
    """One figure of lambda_otel that must not exceed a limit.

    Attributes:
        name: What it is.
        of: What it is a multiple of.
        least: The limit.
        aim: A lower one; the same where there is none.
        measured: The figure, None when it was not measured.
    """

    name: str
    of: str
    least: float
    aim: float
    measured: Callable[[Figures], float | None]

    def row(self, figures: Figures) -> list[str]:
        """The row of the table."""
        found = self.measured(figures)
        cells = [self.name, self.of, shown(self.least), shown(self.aim)]
        if found is None:
            return [*cells, NOTHING, ""]
        return [*cells, shown(found), "aim reached" if found <= self.aim else "holds" if found <= self.least else "missed"]


def times(key: str, other: System = BASE) -> Callable[[Figures], float | None]:
    """What lambda_otel adds as a multiple of what another system adds."""

    def measured(figures: Figures) -> float | None:
        ours, theirs = added(figures, OURS.name, key), added(figures, other.name, key)
        return statistics.median(ours) / statistics.median(theirs) if ours and theirs else None

    return measured


def plain(key: str) -> Callable[[Figures], float | None]:
    """The median of the figure itself."""
    return lambda figures: statistics.median(found) if (found := values(figures, OURS.name, key)) else None


def slowest(*numbers: int) -> Callable[[Figures], float | None]:
    """The most milliseconds of these invocations with any of the backends in trouble."""

    def measured(figures: Figures) -> float | None:
        found = [values(figures, OURS.name, trouble.key(mood, number)) for mood in trouble.MOODS for number in numbers]
        return max(statistics.median(each) for each in found) * 1000 if all(found) else None

    return measured


def lost(number: int) -> Callable[[Figures], float | None]:
    """How many of so many spans have not arrived when the invocation has ended."""
    return lambda figures: number - statistics.median(found) if (found := values(figures, OURS.name, kept.key(number))) else None


TARGETS = (
    Target("cold start", SDK, 0.55, 0.40, times(cold.INSTRUCTIONS)),
    Target("cold start with boto3", SDK, 0.55, 0.32, times(cold.key(cold.INSTRUCTIONS, "boto3"))),
    Target("cold start", CONTRIB_LAYER.name, 0.25, 0.19, times(cold.INSTRUCTIONS, CONTRIB_LAYER)),
    Target("cold start", ADOT_LAYER.name, 0.25, 0.19, times(cold.INSTRUCTIONS, ADOT_LAYER)),
    Target("cold start without `.pyc`", SDK, 0.55, 0.32, times(cold.key(cold.INSTRUCTIONS, "no .pyc"))),
    Target("modules loaded", NOTHING, 290, 220, plain(cold.MODULES)),
    Target("memory at most, MiB", NOTHING, 28, 25, plain(cold.PEAK)),
    Target("first invocation", SDK, 1.5, 1.0, times(warm.key(warm.INSTRUCTIONS, "first"))),
    Target("warm HTTP request", SDK, 0.55, 0.42, times(warm.key(warm.INSTRUCTIONS, "HTTP"))),
    Target("warm HTTP request", CONTRIB.name, 0.50, 0.36, times(warm.key(warm.INSTRUCTIONS, "HTTP"), CONTRIB)),
    Target("ten SQS messages", CONTRIB.name, 0.55, 0.42, times(warm.key(warm.INSTRUCTIONS, "SQS"), CONTRIB)),
    Target("unsampled request", SDK, 1.0, 0.6, times(warm.key(warm.INSTRUCTIONS, "unsampled"))),
    Target("unsampled request: what is sent for it", NOTHING, 0, 0, plain(warm.REQUESTS)),
    Target("HTTP request, sent after the answer", SDK, 0.15, 0.12, times(warm.key(answer.INSTRUCTIONS, "HTTP"))),
    Target("`@span`, created", "`with` on the same provider", 0.95, 0.86, times(spans.key(spans.INSTRUCTIONS, "created"), WITH)),
    Target("`@span`, in all", SDK, 0.85, 0.61, times(spans.key(spans.INSTRUCTIONS, "in all"))),
    Target("`@span`, unsampled", "`with`, unsampled", 0.15, 0.08, times(spans.key(spans.INSTRUCTIONS, "unsampled"), WITH)),
    Target("`@span`, unsampled", DECORATED.name, 8, 8, times(spans.key(spans.INSTRUCTIONS, "unsampled"), DECORATED)),
    Target("`@span`, disabled", f"{SDK}, disabled", 0.15, 0.08, times(spans.key(spans.INSTRUCTIONS, "disabled"))),
    Target("first invocation with a backend in trouble, ms", NOTHING, 550, 550, slowest(1)),
    Target("each invocation after it, ms", NOTHING, 5, 5, slowest(2, 3)),
    Target("spans of 2,048 not sent to a slow backend", NOTHING, 0, 0, lost(2_048)),
    Target("wheel, KiB", NOTHING, 120, 120, plain(size.WHEEL)),
    Target("all that is installed, zipped", SDK, 1.05, 1.05, times(size.ZIPPED)),
)


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all targets."""
    return [Table("Targets", NOTE, COLUMNS, [target.row(figures) for target in TARGETS])]
