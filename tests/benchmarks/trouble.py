"""A backend in trouble: the seconds that it adds to the first invocations."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import events
from environments import Environment
from process import Backend, backend, event_file
from report import Table

PATIENCE = 40.0  # seconds for three invocations
MOODS = ("refused", "no SYN", "hang", "503", "503 + Retry-After", "slow", "drip")

NOTE = (
    "Seconds of the first three invocations (an HTTP request, default settings) while the backend refuses connections, does not answer "
    "them, accepts and never answers requests, answers 503, 503 with `Retry-After: 30`, 200 after ten seconds, or one byte of the answer "
    f"every two seconds. `...`: not over after {PATIENCE:.0f} s in all. The systems that send datagrams or write to standard output wait "
    "for nobody."
)


def measure(environments: Sequence[Environment], *, quick: bool) -> list[Table]:
    """One table; the moods of a system are tried at the same time, since nearly all of it is waiting."""
    rows = [row(environment) for environment in environments if environment.system.name != "no tracing"]
    return [Table("Backend in trouble", NOTE, ("system", *MOODS), rows)]


def row(environment: Environment) -> list[str]:
    """The row of one system."""
    with ThreadPoolExecutor(len(MOODS)) as pool:
        return [environment.system.name, *pool.map(lambda mood: cell(environment, mood), MOODS)]


def cell(environment: Environment, mood: str) -> str:
    """Seconds of the first, the second and the third invocation."""
    with in_trouble(mood) as there, event_file(events.http()) as path:
        command = environment.command("trouble", str(path), "3", "0")
        variables = environment.variables(there.variables)
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                output, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
    found = [f"{float(line):.2f}" for line in output.split()]
    return " / ".join((*found, *["..."] * (3 - len(found))))


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
