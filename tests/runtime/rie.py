"""A function under AWS's Runtime Interface Emulator.

The emulator is AWS's own program, but it never freezes a function, does not hand on ``X-Amzn-Trace-Id`` and answers
its caller only when all extensions are ready. For those see ``lambda_service``.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.environment import function_command, function_environment
from runtime.network import LOOPBACK, reserved_port, wait_until_listening
from runtime.process import Log, Program
from runtime.tools import emulator_binary

_INVOCATIONS = "/2015-03-31/functions/function/invocations"


@dataclass(frozen=True)
class Answer:
    """What the caller of the function gets; header names are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class Emulator:
    """Runs ``module.function`` of a folder under the emulator; a context manager.

    INIT happens inside the first invocation and counts into its timeout.

    Args:
        handler: ``module.function``.
        folder: Where the module is.
        environment: Further variables for the function.
        timeout: The function's timeout in whole seconds.
        name: The function's name.
        memory: Its size in MB.
    """

    def __init__(
        self,
        handler: str,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: int = 3,
        name: str = "test-function",
        memory: int = 128,
    ) -> None:
        self._handler = handler
        self._folder = folder
        self._timeout = timeout
        self._environment = {
            **function_environment(handler, folder, name=name, memory=memory, extra=environment),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        }
        self._log = Log()
        self._stack = ExitStack()
        self._port = 0

    def __enter__(self) -> Emulator:
        with self._stack:
            self._stack.callback(self._log.close)
            self._start(emulator_binary())
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, binary: Path) -> None:
        with reserved_port() as self._port, reserved_port() as api_port:
            addresses = [
                "--runtime-interface-emulator-address",
                f"{LOOPBACK}:{self._port}",
                "--runtime-api-address",  # without it every emulator takes the same port
                f"{LOOPBACK}:{api_port}",
            ]
            program = Program(
                [binary, *addresses, *function_command(self._handler)],
                environment=self._environment,
                log=self._log,
                folder=self._folder,
            )
            self._stack.callback(program.terminate)
            # The Runtime API listens first, so this one port tells of both.
            wait_until_listening(self._port, lambda: program.is_alive)

    @property
    def log(self) -> str:
        """What the emulator and the function printed so far."""
        return self._log.text

    def invoke(self, event: Any = None, client_context: Any = None) -> Answer:
        """Invokes the function and waits for its answer.

        Args:
            event: Bytes as they are, or anything else as JSON.
            client_context: Sent as base64 of its JSON, as AWS's SDKs do.

        Raises:
            TimeoutError: No answer long after the function's timeout.
        """
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"Content-Type": "application/json"}
        if client_context is not None:
            headers["X-Amz-Client-Context"] = base64.b64encode(json.dumps(client_context).encode()).decode()
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=self._timeout + 10)
        with closing(connection):
            connection.request("POST", _INVOCATIONS, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), {name.lower(): value for name, value in response.getheaders()})
