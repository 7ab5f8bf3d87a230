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
    # A full collection costs as much as many spans, and would fall into one of two runs that are compared.
    without_gc = {"WITHOUT_GC": "1"} if mode != "cold" else {}
    more = environment.variables({**without_gc, **(variables or {})})
    return _of(environment.launch(), more) + _of(environment.command(mode, *map(str, arguments)), more)


def _of(command: list[str], variables: Mapping[str, str]) -> int:
    if not command:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        # A process that becomes another program takes its count with it: of a launcher only the function's process is in this log.
        run(["valgrind", *_VALGRIND, f"--log-file={folder}/%p.log", *command], variables, may_fail="no-such-program" in command)
        return sum(int(found.replace(",", "")) for log in Path(folder).iterdir() for found in _TOTAL.findall(log.read_text()))
