"""Compares lambda_otel with the SDK set up by hand and with other ways to trace a function, as ratios measured in the same run.

Run: python tests/benchmarks/run.py [--quick] [--only cold,warm,...] [--systems ours,base,...] [--write docs/performance.md]

Everything is installed into a cache folder of its own on first use. Where valgrind is installed, instructions are counted as well: they
repeat to a fraction of a percent, while times on a busy machine differ by a third from run to run.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import answer
import cold
import growth
import kept
import report
import size
import spans
import systems
import targets
import trouble
import warm
from environments import VERSION, compile_subjects, install
from report import Table
from rounds import Figures, merged
from systems import System

GROUPS = {
    "cold": cold,
    "warm": warm,
    "answer": answer,
    "spans": spans,
    "trouble": trouble,
    "kept": kept,
    "size": size,
    "growth": growth,
}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    subjects = [system.subject for system in systems.ALL]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only lambda_otel and the SDK by hand, in fewer rounds")
    parser.add_argument("--only", default=",".join(GROUPS), help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--systems", help=f"some of {','.join(subjects)}; the base is always among them")
    parser.add_argument("--write", type=Path, help="also put the tables into this page, between markers")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[System]:
    """The systems to compare; the base is always among them."""
    names = options.systems.split(",") if options.systems else ["ours"] if options.quick else [system.subject for system in systems.ALL]
    return [system for system in systems.ALL if system.subject in {*names, "base"}]


def page(compared: Sequence[System], groups: Iterable[str], figures: Figures) -> str:
    """The generated part of the page: the targets, and the tables of the groups."""
    names = [system.name for system in compared]
    tables = [table for group in (targets, *(GROUPS[name] for name in groups)) for table in group.tables(names, figures)]
    return "\n".join(map(str, (*tables, what_was_compared(compared))))


def what_was_compared(compared: Sequence[System]) -> Table:
    """The packages behind the names of the systems."""
    note = f"Python {VERSION} on {platform.machine()}, with {' and '.join(systems.RUNTIME)} beside each."
    rows = [[system.name, packages(system.requirements)] for system in compared]
    return Table("Systems", note, ("system", "packages"), rows)


def packages(requirements: Sequence[str]) -> str:
    """The first few in full."""
    first, rest = requirements[:4], len(requirements) - 4
    return ", ".join((*first, f"{rest} more") if rest > 0 else first)


def main() -> None:
    """Measures group by group, and prints each table when it is there."""
    options = arguments()
    compared, groups = chosen(options), options.only.split(",")
    compile_subjects()
    environments = [install(system) for system in (systems.BARE, *compared)]
    names = [system.name for system in compared]
    figures: Figures = {}
    for group in groups:
        begun = time.monotonic()
        figures = merged(figures, GROUPS[group].measure(environments, quick=options.quick))
        for table in GROUPS[group].tables(names, figures):
            print(table, flush=True)
        print(f"({group}: {time.monotonic() - begun:.0f} s)\n", flush=True)
    print(*targets.tables(names, figures))
    if options.write:
        report.write(options.write, page(compared, groups, figures))


if __name__ == "__main__":
    main()
