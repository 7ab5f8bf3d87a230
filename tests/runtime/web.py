"""A small HTTP/1.1 server of the standard library that starts and stops cleanly inside a test."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from runtime.network import LOOPBACK


class LoopbackServer(socketserver.ThreadingTCPServer):
    """Serves each connection on a daemon thread and closes all of them when it stops."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[socketserver.BaseRequestHandler], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.allow_reuse_address = bool(port)  # a port that is reserved already (see ``network.reserved_port``)
        super().__init__((LOOPBACK, port), handler)
        if tls is not None:
            # The handshake happens on the connection's own thread: a slow client must not block accept().
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join(5.0)
        self.drop_connections()
        self.server_close()

    def drop_connections(self, timeout: float = 2.0) -> None:
        """Closes every open connection, as a load balancer does with idle ones, and waits for their threads."""
        dropped = set(self._open)
        for connection in dropped:
            with suppress(OSError):  # the peer was faster
                # Not SSLSocket's own shutdown, which takes the TLS state away from a thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        deadline = time.monotonic() + timeout
        while dropped & self._open and time.monotonic() < deadline:
            time.sleep(0.005)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing about peers that go away, nor about connections that ``stop`` has cut."""
        if not (self.closing.is_set() or isinstance(sys.exc_info()[1], OSError)):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, content: Any, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections alive, writes each answer in one packet and logs nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def read_request(self) -> Request:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, self.rfile.read(length))

    def send_reply(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


Endpoint = Callable[..., "Reply | None"]
Route = tuple[str, str, Endpoint]
"""HTTP method, pattern of the whole path, and what answers: called with the request and the pattern's groups.

An endpoint that returns None closes the connection without an answer.
"""


def serve_routes(routes: Sequence[Route]) -> LoopbackServer:
    """Starts a server that answers by the first route that matches; endpoints may block, each has its thread."""

    class Handler(QuietHandler):
        def _answer(self) -> None:
            request = self.read_request()
            reply = _dispatch(routes, request)
            if reply is None:
                self.close_connection = True
            else:
                self.send_reply(reply)

        do_GET = do_POST = do_PUT = _answer

    server = LoopbackServer(Handler)
    server.start()
    return server


def _dispatch(routes: Sequence[Route], request: Request) -> Reply | None:
    for method, pattern, endpoint in routes:
        match = re.fullmatch(pattern, request.path)
        if match and method == request.method:
            return endpoint(request, *match.groups())
    return Reply.of_json(404, {"errorType": "NotFound", "errorMessage": request.path})
