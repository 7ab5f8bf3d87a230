"""A real OpenTelemetry collector: rotel, which receives OTLP, prints it and may hand it on."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from runtime.network import LOOPBACK, reserved_port, wait_until_listening
from runtime.process import Log, Program
from runtime.tools import rotel_binary


class Collector:
    """Receives OTLP over HTTP on ``.endpoint``; a context manager.

    Args:
        forward_to: OTLP/HTTP endpoint, such as a ``Sink``'s, that gets every trace; by default they end here.
    """

    def __init__(self, forward_to: str | None = None) -> None:
        self._forward_to = forward_to
        self._log = Log()
        self._stack = ExitStack()
        self.endpoint = ""

    def __enter__(self) -> Collector:
        with self._stack:
            self._stack.callback(self._log.close)
            self._start(Path(self._stack.enter_context(tempfile.TemporaryDirectory())))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, scratch: Path) -> None:
        binary, variables = rotel_binary()
        with reserved_port() as http_port, reserved_port() as grpc_port:
            self.endpoint = f"http://{LOOPBACK}:{http_port}"
            options = {
                "--otlp-http-endpoint": f"{LOOPBACK}:{http_port}",
                "--otlp-grpc-endpoint": f"{LOOPBACK}:{grpc_port}",
                "--debug-log": "traces",
                "--debug-log-verbosity": "detailed",
                "--pid-file": str(scratch / "pid"),
                "--log-file": str(scratch / "log"),
                **self._exporter_options(),
            }
            program = Program(
                [binary, "start", *(word for option in options.items() for word in option)],
                environment={"PATH": os.defpath, **variables},
                log=self._log,
                folder=scratch,
            )
            self._stack.callback(program.terminate)
            wait_until_listening(http_port, lambda: program.is_alive)

    def _exporter_options(self) -> dict[str, str]:
        if self._forward_to is None:
            return {"--exporter": "blackhole"}
        return {
            "--exporter": "otlp",
            "--otlp-exporter-protocol": "http",
            "--otlp-exporter-endpoint": self._forward_to,
        }

    @property
    def log(self) -> str:
        """What the collector printed so far: every span with its ids, attributes, links and events."""
        return self._log.text

    def wait_for_log(self, text: str, timeout: float = 5.0) -> str:
        """Returns the log as soon as the text is in it.

        Raises:
            TimeoutError: It is not there after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while text not in self.log:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in the collector's log:\n{self.log}")
            time.sleep(0.02)
        return self.log
