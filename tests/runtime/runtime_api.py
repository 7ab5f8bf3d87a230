"""Lambda's Runtime API of one execution environment, as AWS's runtime interface client calls it.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. The Extensions API beside it is in
``extensions_api``; who starts, freezes and kills the function is in ``lambda_service``.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

from runtime.extensions_api import ExtensionsApi
from runtime.network import LOOPBACK
from runtime.web import Reply, Request, Route, serve_routes

_VERSION = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Invocation:
    """One event on its way to the function, with what the Runtime API says about it in headers."""

    request_id: str
    event: bytes
    arn: str
    deadline_ms: int
    trace_id: str | None = None
    client_context: str | None = None
    cognito_identity: str | None = None

    def as_reply(self) -> Reply:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
            "Lambda-Runtime-Client-Context": self.client_context,
            "Lambda-Runtime-Cognito-Identity": self.cognito_identity,
        }
        return Reply(200, self.event, {name: value for name, value in headers.items() if value is not None})

    def as_extension_event(self) -> dict[str, Any]:
        return {
            "eventType": "INVOKE",
            "deadlineMs": self.deadline_ms,
            "requestId": self.request_id,
            "invokedFunctionArn": self.arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": self.trace_id or ""},
        }


@dataclass(frozen=True)
class Posted:
    """What the function posted as the end of an invocation, and when (``time.monotonic``)."""

    kind: Literal["response", "error"]
    body: bytes
    at: float


class RuntimeApi:
    """Serves one environment: hands out invocations and keeps what the function posts.

    Args:
        workers: How many processes of the function ask for events at the same time.
        refuse_extensions: Answer every registration of an extension with 403.
        function: Name and handler, told to extensions.
    """

    def __init__(self, *, workers: int = 1, refuse_extensions: bool = False, function: dict[str, str]) -> None:
        self.changed = threading.Condition()
        self.extensions = ExtensionsApi(self.changed, refuse=refuse_extensions, register_answer=function)
        self.failure: dict[str, Any] | None = None
        self.is_waiting_for_restore = False
        self._workers = workers
        self._pollers = 0
        self._queue: deque[Invocation] = deque()
        self._pending: set[str] = set()
        self._posted: dict[str, Posted] = {}
        self._is_restored = False
        self._is_closed = False
        self._server = serve_routes([*self._routes(), *self.extensions.routes])
        self.address = f"{LOOPBACK}:{self._server.port}"

    def _routes(self) -> list[Route]:
        return [
            ("GET", f"{_VERSION}/invocation/next", self._next),
            ("POST", f"{_VERSION}/invocation/([^/]+)/(response|error)", self._end),
            ("POST", f"{_VERSION}/(init|restore)/error", self._fail),
            ("GET", f"{_VERSION}/restore/next", self._restore_next),
        ]

    def close(self) -> None:
        with self.changed:
            self._is_closed = True
            self.extensions.close()
        self._server.stop()

    # What the service asks and does.

    def wait_for(self, condition: Callable[[], object], timeout: float) -> bool:
        """Waits until the condition holds or the function reported a failure; False after ``timeout`` seconds."""
        with self.changed:
            return bool(self.changed.wait_for(lambda: condition() or self.failed, timeout))

    def notify(self) -> None:
        """Lets those who wait look again."""
        with self.changed:
            self.changed.notify_all()

    @property
    def failed(self) -> dict[str, Any] | None:
        """What the runtime or an extension reported as the end of the environment."""
        return self.failure or self.extensions.failure

    def is_idle(self) -> bool:
        """Whether the runtime and all extensions ask for what comes next: the moment of the freeze."""
        is_polling = self._pollers - len(self._queue) >= self._workers
        return (is_polling or self.is_waiting_for_restore) and self.extensions.are_ready

    def send(self, invocation: Invocation) -> None:
        with self.changed:
            self._pending.add(invocation.request_id)
            self._queue.append(invocation)
            self.extensions.send(invocation.as_extension_event())

    def is_answered(self, request_id: str) -> bool:
        return request_id in self._posted

    def take(self, request_id: str) -> Posted | None:
        """Returns what was posted for this request; what comes from now on is too late (410)."""
        with self.changed:
            self._pending.discard(request_id)
            return self._posted.pop(request_id, None)

    def restore(self) -> None:
        with self.changed:
            self._is_restored = True
            self.is_waiting_for_restore = False
            self.changed.notify_all()

    # What the function asks and does.

    def _next(self, request: Request) -> Reply | None:
        with self.changed:
            self.extensions.is_registration_open = False
            self._pollers += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._queue or self._is_closed)
            self._pollers -= 1
            return None if self._is_closed else self._queue.popleft().as_reply()

    def _end(self, request: Request, request_id: str, kind: Literal["response", "error"]) -> Reply:
        with self.changed:
            if request_id not in self._pending:
                return Reply.of_json(410, {"errorType": "InvalidRequestID", "errorMessage": "too late or unknown"})
            self._pending.discard(request_id)
            self._posted[request_id] = Posted(kind, request.body, monotonic())
            self.changed.notify_all()
        return Reply.of_json(202, {"status": "OK"})

    def _fail(self, request: Request, phase: str) -> Reply:
        with self.changed:
            if self.failure is not None:
                return Reply.of_json(403, {"errorType": "InvalidStateTransition", "errorMessage": phase})
            self.failure = json.loads(request.body)
            self.changed.notify_all()
        return Reply.of_json(202, {"status": "OK"})

    def _restore_next(self, request: Request) -> Reply | None:
        with self.changed:
            self.extensions.is_registration_open = False
            self.is_waiting_for_restore = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._is_restored or self._is_closed)
            return None if self._is_closed else Reply(200)
