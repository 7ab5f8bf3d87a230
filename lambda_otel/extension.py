"""Sending after the answer: an internal extension for which Lambda waits before it freezes the environment.

Lambda hands the answer to the caller as soon as the handler has returned it, and freezes only when every extension has asked for the
next event. A thread of this process registers as such an extension; between the two moments it sends the spans.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

from .state import logger, state

_NAME = "lambda_otel"
_PATH = "/2020-01-01/extension"

# The main thread needs the interpreter to hand the answer over; the export takes it only after that.
_HEAD_START = 0.002

# Seconds in which a traced handler has to begin: one that is not traced says neither that it begins nor that it ends.
_GRACE = 0.2

# Seconds before the deadline at which the environment has to be ready, or Lambda ends it.
_MARGIN = 0.05


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
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._begun = self._ended = self._done = ""  # request ids
        self._conclusions: list[Callable[[], None]] = []  # of one handler or, when it calls another traced one, of several
        self._identifier = self._register()
        self._thread = threading.Thread(target=self._run, name="lambda_otel-extension", daemon=True)
        self._thread.start()

    def began(self, request_id: str | None) -> None:
        """A traced handler begins this invocation, and will end it."""
        self._begun = request_id or ""

    def ended(self, request_id: str | None, conclude: Callable[[], None] | None = None) -> bool:
        """The handler has returned.

        Args:
            request_id: Of the invocation.
            conclude: To be called before the flush: ends the spans.

        Returns:
            True when the extension does both. False when somebody else has to: it has failed, or is through with this invocation, or this
            is a forked process, in which it does not run.
        """
        if not (request_id and self._thread.is_alive()):
            return False
        with self._lock:
            if request_id == self._done:
                return False
            self._ended = request_id
            if conclude:
                self._conclusions.append(conclude)
            self._changed.notify()
            return True

    def _register(self) -> str:
        with closing(_Api(self._address, timeout=1.0)) as api:
            answer = api.ask("POST", "/register", {"Lambda-Extension-Name": _NAME}, {"events": ["INVOKE"]})
        return answer.headers["lambda-extension-identifier"]

    def _run(self) -> None:
        # A connection of its own, without a time-out: the answer comes with the next invocation, perhaps in an hour.
        try:
            with closing(_Api(self._address, timeout=None)) as api:
                while True:
                    self._serve(api.ask("GET", "/event/next", {"Lambda-Extension-Identifier": self._identifier}).body)
        except Exception as error:
            logger.warning("spans are sent before the answer from now on, the extension failed: %s: %s", type(error).__name__, error)

    def _serve(self, event: dict[str, Any]) -> None:
        request_id, deadline = event["requestId"], event["deadlineMs"] / 1000
        if self._await_end(request_id, deadline - _MARGIN):
            time.sleep(_HEAD_START)
            try:
                while self._conclusions:
                    self._conclusions.pop(0)()
                self._flush(deadline - time.time())
            except Exception as error:
                state.say_once(f"spans not sent: {type(error).__name__}: {error}")

    def _await_end(self, request_id: str, deadline: float) -> bool:
        """True when the handler of this invocation has returned; False when it is not traced, or runs until the deadline."""

        def has_ended() -> bool:
            return self._ended == request_id

        with self._changed:
            self._changed.wait_for(has_ended, min(deadline - time.time(), _GRACE))
            if self._begun == request_id:
                self._changed.wait_for(has_ended, deadline - time.time())
            self._done = request_id
            return has_ended()


class _Answer:
    def __init__(self, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.headers = headers
        self.body = body


class _Api:
    """One connection to the Extensions API."""

    def __init__(self, address: str, timeout: float | None) -> None:
        from http.client import HTTPConnection  # loaded only in this mode

        self._connection = HTTPConnection(address, timeout=timeout)

    def close(self) -> None:
        self._connection.close()

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
