"""HTTP/1.1 POST over kept connections, with one deadline over resolving, connecting, sending and every read.

The time-outs of ready-made clients are per read: a peer that sends a byte every second holds them for minutes. Here the time that is
left is set anew before each operation on the socket.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

# Load balancers and address translation forget idle connections without a word, the earliest after a minute.
_IDLE_LIMIT = 50.0
_LONGEST_ANSWER = 1 << 20


class TransportError(Exception):
    """The request failed. Whether the peer has read it is unknown."""


class UnansweredError(Exception):
    """The request was sent whole and its answer is still out; the connection can be asked for it later."""


@dataclass(frozen=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Target:
    """Where requests go and what goes with each of them.

    Attributes:
        url: `http` or `https`, valid.
        headers: Sent with each request.
        certificate: File with the certificates of the authorities to trust; the system's without one.
        client_certificate: File with the client's certificate.
        client_key: File with its key.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


class Client:
    """Opens connections to one target.

    Raises:
        OSError: A certificate file cannot be read (`ssl.SSLError` is one).
    """

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        secure = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if secure else 80)
        self._tls = _tls_context(target) if secure else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in target.headers.items()]
        self._head = "\r\n".join(lines).encode("latin-1") + b"\r\n"

    def request(self, body: bytes) -> bytes:
        """A whole request with this body."""
        return self._head + b"content-length: %d\r\n\r\n" % len(body) + body

    def connect(self, deadline: float) -> socket.socket:
        """A connected socket, its TLS handshake done; tries each address of the host in turn."""
        failure: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in self._addresses(deadline):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_left(deadline))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._handshake(sock, deadline)
            except OSError as error:
                failure = error
                sock.close()
        raise failure

    def _handshake(self, sock: socket.socket, deadline: float) -> socket.socket:
        if self._tls is None:
            return sock
        sock.settimeout(_left(deadline))
        return self._tls.wrap_socket(sock, server_hostname=self.host)

    def _addresses(self, deadline: float) -> list[Any]:
        """Resolves the host. The system's resolver knows no deadline, so a name that is not local is left to a thread."""
        if self.host == "localhost" or not self.host.strip("0123456789.") or ":" in self.host:
            return socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        found: list[Any] = []
        faults: list[OSError] = []

        def resolve() -> None:
            try:
                found.extend(socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))
            except OSError as error:
                faults.append(error)

        thread = threading.Thread(target=resolve, name="lambda_otel-resolve", daemon=True)
        thread.start()
        thread.join(_left(deadline))
        if faults:
            raise faults[0]
        if not found:
            raise TimeoutError("timed out resolving the host")
        return found


def _tls_context(target: Target) -> ssl.SSLContext:
    import ssl  # costs as much to import as the rest of the transport, and plain http does not need it

    context = ssl.create_default_context(cafile=target.certificate)
    if target.client_certificate:
        context.load_cert_chain(target.client_certificate, target.client_key)
    return context


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class Connection:
    """One connection, used for one request after the other and closed for good at the first failure."""

    def __init__(self, client: Client, deadline: float) -> None:
        try:
            self._socket: socket.socket | None = client.connect(deadline)
        except (OSError, ValueError) as error:
            raise TransportError(_fault(error)) from error
        self._client = client
        self._received = b""
        self._used = time.time()

    @property
    def usable(self) -> bool:
        """True while another request can be sent; False when the peer has closed, or nothing was said for too long."""
        if self._socket is None or not 0 <= time.time() - self._used < _IDLE_LIMIT:
            return False
        readable, _, _ = select.select([self._socket], [], [], 0)
        return not readable

    def post(self, body: bytes, deadline: float) -> Answer:
        """Sends a request and reads the answer.

        Args:
            body: The content.
            deadline: On the clock of `time.monotonic`, in seconds.

        Raises:
            TransportError: The connection failed, or the answer is not HTTP.
            UnansweredError: The deadline has passed, the request was sent whole.
        """
        try:
            rest = memoryview(self._client.request(body))
            while rest:
                rest = rest[self._timed(deadline).send(rest) :]
        except OSError as error:
            self.close()
            raise TransportError(_fault(error)) from error
        return self.answer(deadline)

    def answer(self, deadline: float) -> Answer:
        """Reads the answer to the request that was sent; raises as `post` does."""
        try:
            answer, keep = self._read(deadline)
        except TimeoutError as error:
            raise UnansweredError from error
        except (OSError, ValueError) as error:
            self.close()
            raise TransportError(_fault(error)) from error
        self._received = b""
        self._used = time.time()
        if not keep:
            self.close()
        return answer

    def _read(self, deadline: float) -> tuple[Answer, bool]:
        ended = False
        while (parsed := _parse(self._received, ended)) is None:
            if ended:
                raise ConnectionResetError("closed without an answer")
            data = self._timed(deadline).recv(65536)
            ended = not data
            self._received += data
            if len(self._received) > _LONGEST_ANSWER:
                raise ValueError("the answer is too long")
        return parsed

    def _timed(self, deadline: float) -> socket.socket:
        if self._socket is None:
            raise ConnectionResetError("the connection is closed")
        # A deadline in the past still takes what has already arrived.
        self._socket.settimeout(max(deadline - time.monotonic(), 0.000_001))
        return self._socket

    def close(self) -> None:
        """Closes the connection if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _fault(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _parse(data: bytes, ended: bool) -> tuple[Answer, bool] | None:
    """The answer in these bytes and whether the connection can be kept; None while it is incomplete.

    Raises:
        ValueError: The bytes are not an HTTP/1.x response.
    """
    head, blank_line, rest = data.partition(b"\r\n\r\n")
    if not blank_line:
        return None
    status, headers = _parse_head(head)
    if 100 <= status < 200:
        return _parse(rest, ended)
    keep = "close" not in headers.get("connection", "").lower() and not head.startswith(b"HTTP/1.0")
    body: bytes | None
    if status in (204, 304):
        body = b""
    elif "chunked" in headers.get("transfer-encoding", "").lower():
        body = _dechunk(rest)
    elif "content-length" in headers:
        length = int(headers["content-length"])
        body = rest[:length] if len(rest) >= length else None
    else:
        body, keep = (rest, False) if ended else (None, keep)
    return None if body is None else (Answer(status, headers, body), keep)


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, reason = status_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("the answer is not HTTP/1.x")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(reason[:3]), headers


def _dechunk(data: bytes) -> bytes | None:
    """The body in chunks, None while the last one is missing."""
    body = b""
    while True:
        size_line, newline, data = data.partition(b"\r\n")
        if not newline:
            return None
        size = int(size_line.partition(b";")[0], 16)
        if size == 0:
            return body if b"\r\n" in data else None
        if len(data) < size + 2:
            return None
        body, data = body + data[:size], data[size + 2 :]
