"""Lambda's Extensions API for internal extensions: threads of the function's own process.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html. The error types are those of AWS's
emulator.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from runtime.web import Reply, Request, Route

_VERSION = "/2020-01-01/extension"
_MOST_EXTENSIONS = 10


@dataclass
class _Extension:
    name: str
    events: frozenset[str]
    is_waiting: bool = False
    mailbox: deque[bytes] = field(default_factory=deque)


class ExtensionsApi:
    """Registers extensions while the function initialises, and hands them their events.

    Args:
        changed: Guards the state, notified at every change of it.
        refuse: Answer every registration with 403.
        register_answer: What the answer to a registration says about the function.
    """

    def __init__(self, changed: threading.Condition, *, refuse: bool, register_answer: dict[str, str]) -> None:
        self._changed = changed
        self._refuse = refuse
        self._register_answer = register_answer
        self._extensions: dict[str, _Extension] = {}
        self._is_closed = False
        self.is_registration_open = True
        self.failure: dict[str, Any] | None = None
        self.routes: list[Route] = [
            ("POST", f"{_VERSION}/register", self._register),
            ("GET", f"{_VERSION}/event/next", self._next),
            ("POST", f"{_VERSION}/(?:init|exit)/error", self._fail),
        ]

    @property
    def names(self) -> list[str]:
        return [extension.name for extension in self._extensions.values()]

    @property
    def are_ready(self) -> bool:
        """Whether every extension asks for its next event; to be asked with the condition held."""
        return all(extension.is_waiting for extension in self._extensions.values())

    def send(self, event: dict[str, Any]) -> None:
        """Hands an event to those who registered for it; to be called with the condition held."""
        for extension in self._extensions.values():
            if event["eventType"] in extension.events:
                # From here on it is busy, even if its thread is slow to fetch the event.
                extension.is_waiting = False
                extension.mailbox.append(json.dumps(event).encode())
        self._changed.notify_all()

    def close(self) -> None:
        """Lets go of those who wait; to be called with the condition held."""
        self._is_closed = True
        self._changed.notify_all()

    def _register(self, request: Request) -> Reply:
        name = request.headers.get("lambda-extension-name", "")
        events = frozenset(json.loads(request.body or b"{}").get("events", ()))
        with self._changed:
            refusal = self._refusal(name, events)
            if refusal:
                return _forbidden(refusal, f"registration of {name!r} refused")
            identifier = str(uuid.uuid4())
            self._extensions[identifier] = _Extension(name, events)
        return Reply.of_json(200, self._register_answer, Lambda_Extension_Identifier=identifier)

    def _refusal(self, name: str, events: frozenset[str]) -> str | None:
        """The error type, or None if the extension may register."""
        if self._refuse or not self.is_registration_open:
            return "Extension.RegistrationClosed"
        if not name or name in self.names:
            return "Extension.InvalidExtensionName"
        if len(self._extensions) >= _MOST_EXTENSIONS:
            return "Extension.TooManyExtensions"
        if "SHUTDOWN" in events:
            return "ShutdownEventNotSupportedForInternalExtension"
        return None if events <= {"INVOKE"} else "Extension.InvalidEventType"

    def _next(self, request: Request) -> Reply | None:
        identifier = request.headers.get("lambda-extension-identifier", "")
        with self._changed:
            extension = self._extensions.get(identifier)
            if extension is None:
                return _forbidden("Extension.UnknownExtensionIdentifier", f"unknown identifier {identifier!r}")
            if extension.is_waiting:
                return _forbidden("Extension.InvalidExtensionState", "a call for the next event is open already")
            extension.is_waiting = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: extension.mailbox or self._is_closed)
            if self._is_closed:
                return None
            event = extension.mailbox.popleft()
        return Reply(200, event, {"Content-Type": "application/json", "Lambda-Extension-Event-Identifier": identifier})

    def _fail(self, request: Request) -> Reply:
        """An extension reports that it cannot go on, which ends the environment."""
        error_type = request.headers.get("lambda-extension-function-error-type", "Extension.Crash")
        with self._changed:
            self.failure = {"errorType": error_type, "errorMessage": request.body.decode(errors="replace")}
            self._changed.notify_all()
        return Reply.of_json(202, {"status": "OK"})


def _forbidden(error_type: str, message: str) -> Reply:
    return Reply.of_json(403, {"errorType": error_type, "errorMessage": message})
