"""Sending after the answer: an internal extension for which Lambda waits before it freezes the environment.

Lambda hands the answer to the caller as soon as the handler has returned it, and freezes only when every extension has asked for the
next event. A thread of this process registers as such an extension; between the two moments it sends the spans.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from .state import logger

_NAME = "lambda_otel"
_PATH = "/2020-01-01/extension"

# The main thread needs the interpreter to hand the answer over; the export takes it only after that.
_HEAD_START = 0.002


class Extension:
    """A registered internal extension.

    Args:
        address: Host and port of the Runtime API (`AWS_LAMBDA_RUNTIME_API`).
        flush: Sends what has ended, within the seconds that remain until the deadline.

    Raises:
        OSError: The Runtime API refuses the registration or cannot be reached.
    """

    def __init__(self, address: str, flush: Callable[[float], Any]) -> None:
        self._address = address
        self._flush = flush
        self._ended: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._identifier = self._register()
        self._thread = threading.Thread(target=self._run, name="lambda_otel-extension", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False once the extension has failed: then somebody else has to send the spans."""
        return self._thread.is_alive()

    def invocation_ended(self, request_id: str | None) -> None:
        """Tells that the handler has returned and its spans have ended."""
        self._ended.put(request_id)

    def _register(self) -> str:
        answer = self._connection(timeout=1.0).ask("POST", "/register", {"Lambda-Extension-Name": _NAME}, {"events": ["INVOKE"]})
        return answer.headers["lambda-extension-identifier"]

    def _connection(self, timeout: float | None) -> _Api:
        return _Api(self._address, timeout)

    def _run(self) -> None:
        # A connection of its own, without a time-out: the answer comes with the next invocation, perhaps in an hour.
        api = self._connection(timeout=None)
        identity = {"Lambda-Extension-Identifier": self._identifier}
        try:
            while True:
                event = api.ask("GET", "/event/next", identity).body
                if event.get("eventType") == "INVOKE":
                    self._serve(event)
        except Exception as error:
            logger.warning("spans are sent before the answer from now on, the extension failed: %s: %s", type(error).__name__, error)

    def _serve(self, event: dict[str, Any]) -> None:
        deadline = float(event.get("deadlineMs", 0)) / 1000
        if self._await_end(event.get("requestId"), deadline):
            time.sleep(_HEAD_START)
            self._flush(deadline - time.time())

    def _await_end(self, request_id: object, deadline: float) -> bool:
        """True when the handler of this invocation has returned; an invocation that never says so ends with its deadline."""
        while (left := deadline - time.time()) > 0:
            try:
                ended = self._ended.get(timeout=left)
            except queue.Empty:
                return False
            if ended in (request_id, None):
                return True
        return False


class _Answer:
    def __init__(self, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.headers = headers
        self.body = body


class _Api:
    """One connection to the Extensions API."""

    def __init__(self, address: str, timeout: float | None) -> None:
        from http.client import HTTPConnection  # loaded only in this mode

        self._connection = HTTPConnection(address, timeout=timeout)

    def ask(self, method: str, path: str, headers: dict[str, str], body: object = None) -> _Answer:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, _PATH + path, content, {"Content-Type": "application/json", **headers})
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise ConnectionRefusedError(f"{method} {path} was answered with {response.status} {_error_type(text)}")
        found = {name.lower(): value for name, value in response.getheaders()}
        return _Answer(found, cast("dict[str, Any]", json.loads(text or b"{}")))


def _error_type(text: bytes) -> str:
    try:
        return str(json.loads(text).get("errorType", ""))
    except (ValueError, AttributeError):
        return ""
