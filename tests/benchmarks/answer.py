"""Spans that are sent after the answer: what the caller still waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import instructions
import warm
from environments import HERE, Environment
from process import backend, event_file, probe
from report import Table, ratio
from rounds import Figures, interleaved, merged, side_by_side
from systems import BASE, OURS, PEERS

NOTE = (
    "What the caller of an invocation waits for where spans are sent after the answer, as a multiple of what it waits for with the SDK set "
    "up by hand, which sends before it: the instructions of the main thread, and the time until the handler has returned. A process that "
    "stands for Lambda's Runtime and Extensions API begins an invocation when the extension has asked for the next event."
)
CASES = ("HTTP", "SQS")
INSTRUCTIONS, TIME = "answer, instructions", "answer, time"


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """Instructions once, times in rounds."""
    chosen = [environment for environment in environments if environment.system not in PEERS or environment.system.after_answer]
    counted = side_by_side(chosen, count) if instructions.available() else {}
    return merged(counted, interleaved(chosen, 5 if quick else 7, time_answers))


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of the systems that can, and the base."""
    able = [system.name for system in (OURS, BASE, *PEERS) if system.name in systems and (system is BASE or system.after_answer)]
    keys = [warm.key(what, case) for what in (INSTRUCTIONS, TIME) for case in CASES]
    heads = [f"{case}, {what}" for what in ("instr.", "time") for case in CASES]
    rows = [[name, *(ratio(figures, name, key) for key in keys)] for name in able]
    return [Table("Sending after the answer", NOTE, ("system", *heads), rows)]


def count(environment: Environment) -> dict[str, float]:
    """Instructions of the main thread for one invocation in each case."""
    found: dict[str, float] = {}
    for case in CASES:
        event, _ = warm.cases()[case]
        with runtime_api() as address:
            found[warm.key(INSTRUCTIONS, case)] = warm.count_warm(
                environment, event, {**address, **environment.system.after_answer}, mode="answers", counter=instructions.count_main_thread
            )
    return found


def time_answers(environment: Environment) -> dict[str, float]:
    """The median seconds until the handler has returned, in each case."""
    found: dict[str, float] = {}
    for case in CASES:
        event, _ = warm.cases()[case]
        with backend() as there, runtime_api() as address, event_file(event) as path:
            variables = {**there.variables, **address, **environment.system.after_answer}
            seconds = probe(environment, "answers", path, 100, 30, variables=variables)["seconds"]
        found[warm.key(TIME, case)] = sorted(seconds)[len(seconds) // 2]
    return found


@contextmanager
def runtime_api() -> Iterator[Mapping[str, str]]:
    """The variable with the address of a Runtime API that runs while the block does; see `runtime_api.py`."""
    command = [sys.executable, str(HERE / "runtime_api.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{int(process.stdout.readline())}"}
        finally:
            process.kill()
