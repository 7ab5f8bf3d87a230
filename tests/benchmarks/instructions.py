"""Instructions that a process executes in user mode, counted by valgrind: unlike times they hardly vary from run to run."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from environments import Environment
from process import run

_COUNT = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--trace-children=yes")
_COUNT_THREADS = ("--tool=callgrind", "--separate-threads=yes")
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")
_TOTAL_OF_THREAD = re.compile(r"^totals: (\d+)", re.MULTILINE)

# A full collection costs as much as many spans, and would fall into one of two runs that are compared. The time-outs and the period of
# the SDK's exporting thread are those of a machine that is a hundred times slower, as valgrind makes it.
_STEADY = {"WITHOUT_GC": "1", "LAMBDA_OTEL_FLUSH_TIMEOUT": "60000", "OTEL_BSP_SCHEDULE_DELAY": "600000"}


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def count(environment: Environment, mode: str, *arguments: object, variables: Mapping[str, str]) -> int:
    """Instructions of the whole process that runs the probe, and of the processes before and beside it."""
    more = environment.variables({**(_STEADY if mode != "cold" else {}), **variables})
    commands = [command for command in (environment.launch(), environment.command(mode, *map(str, arguments))) if command]
    return sum(_of(command, more) for command in commands)


def count_main_thread(environment: Environment, mode: str, *arguments: object, variables: Mapping[str, str]) -> int:
    """Instructions of the main thread of the process that runs the probe."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", *_COUNT_THREADS, f"--callgrind-out-file={folder}/found", *environment.command(mode, *map(str, arguments))]
        run(command, environment.variables({**_STEADY, **variables}))
        return _numbers(_TOTAL_OF_THREAD, Path(folder).glob("found-01"))


def _of(command: list[str], variables: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        # A process that becomes another program takes its count with it: of a launcher only the function's process is in this log.
        run(["valgrind", *_COUNT, f"--log-file={folder}/%p.log", *command], variables, may_fail="no-such-program" in command)
        return _numbers(_TOTAL, Path(folder).iterdir())


def _numbers(pattern: re.Pattern[str], files: Iterable[Path]) -> int:
    return sum(int(found.replace(",", "")) for file in files for found in pattern.findall(file.read_text()))
