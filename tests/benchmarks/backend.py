"""A backend for traces in a process of its own: HTTP on TCP and datagrams on the same port, well or in trouble, with a count.

Run: python backend.py [MODE]; prints its port. A GET of `/counts` answers how many requests, their bytes, connections and datagrams,
and how many inner spans were in them where they hold OTLP.
"""

from __future__ import annotations

import base64
import gzip
import socket
import sys
import threading
import time
from collections.abc import Iterator

MODES = ("ok", "50 ms", "hang", "503", "503 + Retry-After", "slow", "drip")
DELAYS = {"50 ms": 0.05, "slow": 10.0}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
ASKS_TO_WAIT = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"


class Backend:
    """Listens on a free port of the loopback interface."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.counts = {"requests": 0, "bytes": 0, "connections": 0, "datagrams": 0, "spans": 0}
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port: int = self.tcp.getsockname()[1]
        self.udp.bind(("127.0.0.1", self.port))

    def serve(self) -> None:
        """For ever."""
        threading.Thread(target=self._receive_datagrams, daemon=True).start()
        while True:
            connection, _ = self.tcp.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _receive_datagrams(self) -> None:
        while True:
            content = self.udp.recv(65536)
            self.counts["datagrams"] += 1
            self.counts["bytes"] += len(content)
            self.counts["spans"] += count_inner(base64.b64decode(content.partition(b"\nT1S")[2]))

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            counted = False
            while request := read_request(connection):
                head, body = request
                if head.startswith(b"GET /counts"):
                    connection.sendall(as_answer(repr(self.counts).encode()))
                    continue
                self.counts["connections"] += not counted
                self.counts["requests"] += 1
                self.counts["bytes"] += len(body)
                self.counts["spans"] += count_inner(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
                counted = True
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self.mode == "hang":
            time.sleep(3600)
        elif self.mode == "drip":
            for index in range(len(OK)):
                connection.sendall(OK[index : index + 1])
                time.sleep(2)
        else:
            time.sleep(DELAYS.get(self.mode, 0))
            connection.sendall({"503": UNAVAILABLE, "503 + Retry-After": ASKS_TO_WAIT}.get(self.mode, OK))


def read_request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of the next request; None when the peer has closed."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            if not (received := connection.recv(65536)):
                return None
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        return head, read_body(connection, head.lower(), body)
    except OSError:
        return None


def read_body(connection: socket.socket, head: bytes, begun: bytes) -> bytes:
    """The rest of a body, by its length or in chunks."""
    parts, size = [begun], len(begun)
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    chunked = b"transfer-encoding: chunked" in head
    while size < length or (chunked and not parts[-1].endswith(b"0\r\n\r\n")):
        received = connection.recv(1 << 20)
        if not received:
            break
        parts.append(received)
        size += len(received)
    return b"".join(parts)


def count_inner(export: bytes) -> int:
    """How many spans named `inner` a request of OTLP holds; none in what is something else."""
    try:
        scopes = (scope for resource in parts(export, 1) for scope in parts(resource, 2))
        return sum(b"inner" in parts(span, 5) for scope in scopes for span in parts(scope, 2))
    except (IndexError, KeyError):
        return 0


def parts(message: bytes, number: int) -> list[bytes]:
    """The fields of a protobuf message with this number that have a length."""
    return [content for found, content in fields(message) if found == number]


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """All fields of a protobuf message that have a length; https://protobuf.dev/programming-guides/encoding/."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            _, at = varint(message, at)
            continue
        size, at = varint(message, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
        if tag & 7 == 2:
            yield tag >> 3, message[at : at + size]
        at += size


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins here, and where it ends."""
    found = shift = 0
    while True:
        byte = message[at]
        found, shift, at = found | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return found, at


def as_answer(content: bytes) -> bytes:
    """A 200 with this content."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content


if __name__ == "__main__":
    backend = Backend(sys.argv[1] if len(sys.argv) > 1 else "ok")
    print(backend.port, flush=True)
    backend.serve()
