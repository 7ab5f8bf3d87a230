"""Instructions that a process executes in user mode, counted by valgrind: unlike times they hardly vary from run to run."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from environments import Environment
from process import run

_VALGRIND = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--trace-children=yes")
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def count(environment: Environment, mode: str, *arguments: object, variables: Mapping[str, str] | None = None) -> int:
    """Instructions of the whole process that runs the probe, and of the processes before and beside it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "%p.log"
        command = ["valgrind", *_VALGRIND, f"--log-file={log}", *environment.command(mode, *map(str, arguments))]
        run(command, environment.variables(variables or {}))
        return sum(_totals(Path(folder)))


def _totals(folder: Path) -> list[int]:
    return [int(found.replace(",", "")) for log in folder.iterdir() for found in _TOTAL.findall(log.read_text())]
