"""A backend in trouble: the seconds that it adds to the first invocations."""

from __future__ import annotations

import math
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Barrier
from typing import IO

import events
from environments import Environment
from process import Backend, backend, event_file
from report import NOTHING, Table, median
from rounds import Figures, interleaved
from systems import BARE

PATIENCE = 40.0  # seconds for three invocations
APART = 0.1  # seconds between the first invocations in two moods, so that none has to share the processor with another
MOODS = ("refused", "no SYN", "hang", "503", "503 + Retry-After", "slow", "drip")
INVOCATIONS = (1, 2, 3)

NOTE = (
    "Seconds of the first three invocations (an HTTP request, default settings) while the backend refuses connections, does not answer "
    "them, accepts and never answers requests, answers 503, 503 with `Retry-After: 30`, 200 after ten seconds, or one byte of the answer "
    f"every two seconds. `...`: not over after {PATIENCE:.0f} s in all. The systems that send datagrams or write to standard output wait "
    "for nobody."
)


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """One round; the moods of a system are tried at the same time, since nearly all of it is waiting."""
    return interleaved([environment for environment in environments if environment.system.name != BARE.name], 1, seconds)


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems."""
    rows = [[name, *(cell(figures, name, mood) for mood in MOODS)] for name in systems]
    return [Table("Backend in trouble", NOTE, ("system", *MOODS), rows)]


def cell(figures: Figures, name: str, mood: str) -> str:
    """The seconds of all three invocations in a mood."""
    found = [median(figures, name, key(mood, number)) for number in INVOCATIONS]
    return NOTHING if NOTHING in found else " / ".join(found)


def key(mood: str, number: int) -> str:
    """The name of a figure."""
    return f"trouble, {mood}, {number}"


def seconds(environment: Environment) -> dict[str, float]:
    """Seconds of each invocation in each mood; infinite for one that did not end."""
    are_ready = Barrier(len(MOODS))
    with ThreadPoolExecutor(len(MOODS)) as pool:
        found = list(pool.map(lambda mood: in_one_mood(environment, mood, are_ready), MOODS))
    return {key(mood, number): spent for mood, all_three in zip(MOODS, found, strict=True) for number, spent in all_three.items()}


def in_one_mood(environment: Environment, mood: str, are_ready: Barrier) -> dict[int, float]:
    """Seconds of each invocation, which begin when the processes for all moods are ready.

    Raises:
        RuntimeError: The process failed.
    """
    with in_trouble(mood) as there, event_file(events.http()) as path:
        command = environment.command("trouble", str(path), str(len(INVOCATIONS)), "0")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=environment.variables(there.variables), text=True, **pipes) as process:
            said = readline(process.stdout)
            are_ready.wait()
            if said != "ready\n":
                process.kill()
                raise RuntimeError(f"{mood}: the process ended before its first invocation")
            time.sleep(APART * MOODS.index(mood))
            try:
                output, _ = process.communicate("\n", timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
    found = [float(line) for line in output.split()]
    return dict(zip(INVOCATIONS, (*found, *(math.inf for _ in INVOCATIONS)), strict=False))


def readline(stream: IO[str] | None) -> str:
    """The next line."""
    assert stream
    return stream.readline()


@contextmanager
def in_trouble(mood: str) -> Iterator[Backend]:
    """A backend in this mood."""
    if mood == "refused":
        yield Backend(free_port())
    elif mood == "no SYN":
        with black_hole() as port:
            yield Backend(port)
    else:
        with backend(mood) as there:
            yield there


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel drops what asks for another."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(server.getsockname())
            yield server.getsockname()[1]
        finally:
            for client in waiting:
                client.close()
