"""Runs the probe in a process of its own, and the backend that it sends to in another."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import HERE, Environment

LONGEST = 600  # seconds


@dataclass(frozen=True)
class Backend:
    """A backend that runs; see `backend.py`."""

    port: int

    @property
    def variables(self) -> dict[str, str]:
        """What tells every system where to send."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{self.port}",
            "SENTRY_DSN": f"http://key@127.0.0.1:{self.port}/1",
        }

    @property
    def counts(self) -> dict[str, int]:
        """Requests, bytes, connections and datagrams so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=10) as answer:
            return dict(ast.literal_eval(answer.read().decode()))


@contextmanager
def backend(mode: str = "ok") -> Iterator[Backend]:
    """A backend while the block runs."""
    command = [sys.executable, str(HERE / "backend.py"), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Backend(int(process.stdout.readline()))
        finally:
            process.kill()


def probe(environment: Environment, mode: str, *arguments: object, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the probe says.

    Raises:
        RuntimeError: The process failed; with the end of what it wrote.
    """
    return ast.literal_eval(run(environment.command(mode, *map(str, arguments)), environment.variables(variables or {})))


def run(command: list[str], variables: Mapping[str, str], *, may_fail: bool = False) -> str:
    """The standard output of a command.

    Raises:
        RuntimeError: It failed, or wrote nothing; with the end of what it wrote.
    """
    try:
        done = subprocess.run(command, env=dict(variables), capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no result after {LONGEST} s: {' '.join(command)}") from error
    if not may_fail and (done.returncode or not done.stdout):
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def event_file(event: Mapping[str, Any]) -> Iterator[Path]:
    """A file with an event while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "event.json"
        path.write_text(json.dumps(event))
        yield path
