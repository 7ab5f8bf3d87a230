"""One execution environment: a process of the function, its Runtime API, and the freeze between its invocations."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal

from runtime.environment import function_command
from runtime.process import Log, Program
from runtime.runtime_api import Invocation, Posted, RuntimeApi

Kind = Literal["response", "error", "timeout", "exit"]
_SHUTDOWN_PATIENCE = 0.5
"""Seconds from SIGTERM to SIGKILL for a function with internal extensions; without any there is no SIGTERM."""


class InitFailed(RuntimeError):
    """The function did not initialise.

    Attributes:
        kind: ``error`` (reported by the function) · ``timeout`` · ``exit`` (the process ended).
        error: Type and message of the error.
    """

    def __init__(self, kind: Literal["error", "timeout", "exit"], error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('errorType')}: {error.get('errorMessage')}")
        self.kind = kind
        self.error = error


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended; see ``lambda_service.Result``."""

    kind: Kind
    body: bytes | None
    error: dict[str, Any] | None
    answered_after: float | None
    settled_after: float


class ExecutionEnvironment:
    """Starts the function's process.

    Args:
        handler: ``module.function``.
        folder: Where the module is.
        variables: All of the process's environment variables but the Runtime API's address.
        log: Where it prints.
        function: Name, version and handler, told to extensions.
        workers: How many of its processes ask for events.
        refuse_extensions: Answer every registration of an extension with 403.
        is_managed: Never freeze it, and do not kill it at a deadline.
    """

    def __init__(
        self,
        handler: str,
        folder: Path,
        variables: Mapping[str, str],
        log: Log,
        *,
        function: dict[str, str],
        workers: int,
        refuse_extensions: bool,
        is_managed: bool,
    ) -> None:
        self._is_managed = is_managed
        self._api = RuntimeApi(workers=workers, refuse_extensions=refuse_extensions, function=function)
        self._program = Program(
            function_command(handler),
            environment={**variables, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            log=log,
            folder=folder,
            on_exit=self._api.notify,
        )

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def is_alive(self) -> bool:
        return self._program.is_alive

    @property
    def extensions(self) -> list[str]:
        return self._api.extensions.names

    @property
    def is_snapshot(self) -> bool:
        """Whether it waits to be restored."""
        return self._api.is_waiting_for_restore

    def initialise(self, timeout: float) -> float:
        """Waits until the function asks for its first event and freezes it; returns the seconds.

        Raises:
            InitFailed: It failed, ended or took too long.
        """
        return self._wait_until_ready("INIT", timeout)

    def restore(self, timeout: float) -> float:
        """Thaws a snapshot and lets the after-restore hooks run; returns their seconds.

        Raises:
            InitFailed: A hook failed, ended the process or took too long.
        """
        self._program.thaw()
        self._api.restore()
        return self._wait_until_ready("RESTORE", timeout)

    def _wait_until_ready(self, phase: str, timeout: float) -> float:
        started = monotonic()
        in_time = self._wait_for(self._api.is_idle, timeout)
        duration = monotonic() - started
        if self._api.failed:
            raise InitFailed("error", self._api.failed)
        if not in_time:
            raise InitFailed("timeout", _timeout_error(phase, timeout))
        if not self.is_alive:
            raise InitFailed("exit", self._exit_error())
        self._freeze()
        return duration

    def run(self, invocation: Invocation, limit: float) -> Outcome:
        """Thaws the function, gives it one event and freezes it when it is done, or kills it at the deadline."""
        self._program.thaw()
        started = monotonic()
        self._api.send(invocation)
        in_time = self._wait_for(lambda: self._is_settled(invocation.request_id), limit)
        settled_after = monotonic() - started
        posted = self._api.take(invocation.request_id)
        kind, error = self._verdict(posted, in_time, limit)
        if kind in ("response", "error"):
            self._freeze()
        elif not self._is_managed:
            self.kill()
        if posted is None:
            return Outcome(kind, None, error, None, settled_after)
        return Outcome(kind, posted.body, error, posted.at - started, settled_after)

    def _verdict(self, posted: Posted | None, in_time: bool, limit: float) -> tuple[Kind, dict[str, Any] | None]:
        if not in_time:
            return "timeout", _timeout_error("Task", limit)
        if self._api.failed:
            return "exit", self._api.failed
        if posted is None or not self.is_alive:
            return "exit", self._exit_error()
        return posted.kind, json.loads(posted.body) if posted.kind == "error" else None

    def shut_down(self) -> None:
        """Ends it as Lambda does with an environment that it no longer needs."""
        self._program.thaw()
        if self.extensions:
            # A signal that comes while threads are waking up may hit another than the main one, and be lost to Python.
            sleep(0.05)
            self._program.terminate(_SHUTDOWN_PATIENCE)
        self.kill()

    def kill(self) -> None:
        self._program.kill()
        self._api.close()

    def _is_settled(self, request_id: str) -> bool:
        """Whether the answer is there and, where it makes a difference, all work that comes after it is done."""
        return self._api.is_answered(request_id) and (self._is_managed or self._api.is_idle())

    def _wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        return self._api.wait_for(lambda: condition() or not self.is_alive, timeout)

    def _freeze(self) -> None:
        if not self._is_managed:
            self._program.freeze()

    def _exit_error(self) -> dict[str, Any]:
        status = self._program.exit_status or 0
        reason = f"exit status {status}" if status >= 0 else f"signal: {signal.Signals(-status).name}"
        return {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with error: {reason}"}


def _timeout_error(what: str, seconds: float) -> dict[str, Any]:
    return {"errorType": "Sandbox.Timedout", "errorMessage": f"{what} timed out after {seconds:.2f} seconds"}
