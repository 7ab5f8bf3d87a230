"""What a function and an extension inside it see of Lambda's Runtime API: the next invocation begins when both have asked for it.

Run: python runtime_api.py; prints its port.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IDENTIFIER = "00000000-0000-0000-0000-000000000001"


class State:
    """What the two have asked for, guarded by the condition."""

    changed = threading.Condition()
    is_registered = False
    asked = 0  # how often the extension has asked for its next event; only the last time counts
    is_waiting = False
    invocation = ""  # the event that it has not been handed yet


class Api(BaseHTTPRequestHandler):
    """The function asks for `/invocation/next/` and the request id that it chooses; the rest is Lambda's own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serves a connection until the process at its other end is over."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        """An extension registers."""
        self.rfile.read(int(self.headers["content-length"]))
        State.is_registered = True
        self._answer({}, ("Lambda-Extension-Identifier", IDENTIFIER))

    def do_GET(self) -> None:
        """The function or the extension is through and asks for what comes next."""
        if "/invocation/next/" in self.path:
            self._begin(self.path.rpartition("/")[2])
        else:
            self._hand_over()

    def _begin(self, invocation: str) -> None:
        with State.changed:
            State.changed.wait_for(lambda: not State.is_registered or State.is_waiting)
            if State.is_registered:
                State.is_waiting, State.invocation = False, invocation
                State.changed.notify_all()
        self._answer({})

    def _hand_over(self) -> None:
        with State.changed:
            State.asked, State.is_waiting = State.asked + 1, True
            own = State.asked
            State.changed.notify_all()
            State.changed.wait_for(lambda: State.invocation or State.asked != own)
            if State.asked != own:
                return
            found, State.invocation = State.invocation, ""
        self._answer({"eventType": "INVOKE", "requestId": found, "deadlineMs": int((time.time() + 900) * 1000)})

    def _answer(self, content: object, *headers: tuple[str, object]) -> None:
        body = json.dumps(content)
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in (*headers, ("Content-Length", len(body)))), "", body]
        self.wfile.write("\r\n".join(lines).encode())  # at once, as the function reads but once

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    print(server.server_port, flush=True)
    server.serve_forever()
