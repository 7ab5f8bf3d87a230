"""Compares lambda_otel with the SDK set up by hand and with other ways to trace a function, as ratios measured in the same run.

Run: python tests/benchmarks/run.py [--quick] [--only cold,warm,...] [--systems ours,base,...] [--write docs/performance.md]

Everything is installed into a cache folder of its own on first use. Where valgrind is installed, instructions are counted as well: they
repeat to a fraction of a percent, while times on a busy machine differ by a third from run to run.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import cold
import growth
import report
import size
import spans
import systems
import trouble
import warm
from environments import VERSION, Environment, install
from report import Table

GROUPS = {"cold": cold, "warm": warm, "spans": spans, "trouble": trouble, "size": size, "growth": growth}


def arguments() -> argparse.Namespace:
    """What the command line says."""
    subjects = [system.subject for system in systems.ALL]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only lambda_otel and the SDK by hand, in fewer rounds")
    parser.add_argument("--only", default=",".join(GROUPS), help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--systems", help=f"some of {','.join(subjects)}; the base is always among them")
    parser.add_argument("--write", type=Path, help="also put the tables into this page, between markers")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Environment]:
    """The systems to compare, installed; the bare function and the base are always among them."""
    names = options.systems.split(",") if options.systems else ["ours"] if options.quick else [system.subject for system in systems.ALL]
    found = [system for system in systems.ALL if system.subject in {*names, "base"}]
    return [install(system) for system in (systems.BARE, *found)]


def main() -> None:
    """Measures group by group, and prints each table when it is there."""
    options = arguments()
    environments = chosen(options)
    tables: list[Table] = []
    for name in options.only.split(","):
        for table in GROUPS[name].measure(environments, quick=options.quick):
            print(table, flush=True)
            tables.append(table)
    if options.write:
        machine = f"Measured with Python {VERSION} on {platform.machine()}."
        report.write(options.write, "\n".join((machine, "", *map(str, tables))))


if __name__ == "__main__":
    main()
