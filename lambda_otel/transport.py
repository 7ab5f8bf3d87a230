"""HTTP/1.1 POST over kept connections, with one deadline over resolving, connecting, sending and every read.

The time-outs of ready-made clients are per read: a peer that sends a byte every second holds them for minutes. Here the time that is
left is set anew before each operation on the socket.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from .call import Call
from .http_response import Answer, Parser

if TYPE_CHECKING:
    import ssl

# Load balancers and address translation forget idle connections without a word, the earliest after a minute.
_IDLE_LIMIT = 50.0


class TransportError(Exception):
    """The request failed. Whether the peer has read it is unknown."""


class StaleConnectionError(TransportError):
    """A connection that was kept has turned out to be closed. A new one may do."""


class UnansweredError(Exception):
    """The request was sent whole and its answer is still out; the connection can be asked for it later."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("no answer in time")
        self.connection = connection


class Client:
    """Where requests go and what goes with each of them.

    Args:
        url: `http` or `https`, valid, in ASCII.
        headers: Sent with each request; names in lower case.
        certificate: File with the certificates of the authorities to trust; the system's without one.
        client_certificate: File with the client's certificate.
        client_key: File with its key.

    Raises:
        OSError: A certificate file cannot be read (`ssl.SSLError` is one).
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if secure else 80)
        self._tls = _tls_context(certificate, client_certificate, client_key) if secure else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"host": parts.netloc.rpartition("@")[2], **(headers or {})}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        self._head = "\r\n".join(lines).encode("latin-1") + b"\r\n"

    def request(self, body: bytes) -> bytes:
        """A whole request with this body."""
        return self._head + b"content-length: %d\r\n\r\n" % len(body) + body

    def connect(self, deadline: float) -> socket.socket:
        """A connected socket, its TLS handshake done; tries each address of the host in turn."""
        failure: Exception = OSError("the host has no address")
        for family, kind, protocol, _, address in self._addresses(deadline):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_left(deadline))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._handshake(sock, deadline)
            except (OSError, ValueError) as error:
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
            return self._resolve()
        call = Call(self._resolve)
        if not call.wait(deadline):
            raise TimeoutError("timed out resolving the host")
        if call.error:
            raise call.error
        return cast("list[Any]", call.result)

    def _resolve(self) -> list[Any]:
        # As bytes: for text the first call would load the codec of international names.
        return socket.getaddrinfo(self.host.encode("ascii"), self.port, type=socket.SOCK_STREAM)


def _tls_context(certificate: str | None, client_certificate: str | None, client_key: str | None) -> ssl.SSLContext:
    import ssl  # costs as much to import as the rest of the transport, and plain http does not need it

    context = ssl.create_default_context(cafile=certificate)
    if client_certificate:
        context.load_cert_chain(client_certificate, client_key)
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
        except (OSError, ValueError, RuntimeError) as error:
            raise TransportError(_fault(error)) from error
        self._client = client
        self._response = Parser()
        self._kept = False
        self._used = time.time()

    @property
    def usable(self) -> bool:
        """True while another request can be sent: the peer has not closed, and was heard of lately."""
        if self._socket is None or not 0 <= time.time() - self._used < _IDLE_LIMIT:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def post(self, body: bytes, deadline: float) -> Answer:
        """Sends a request and reads the answer.

        Args:
            body: The content.
            deadline: On the clock of `time.monotonic`, in seconds.

        Raises:
            TransportError: The connection failed, or the answer is not HTTP.
            UnansweredError: The deadline has passed, the request was sent whole.
        """
        self._response = Parser()
        try:
            rest = memoryview(self._client.request(body))
            while rest:
                rest = rest[self._timed(deadline).send(rest) :]
        except OSError as error:
            raise self._failed(error) from error
        return self.answer(deadline)

    def answer(self, deadline: float) -> Answer:
        """Reads the answer to the request that was sent; raises as `post` does."""
        try:
            while (answer := self._response.feed(self._timed(deadline).recv(65536))) is None:
                pass
        except TimeoutError as error:
            raise UnansweredError(self) from error
        except (OSError, ValueError) as error:
            raise self._failed(error) from error
        self._kept, self._used = True, time.time()
        if self._response.unread or not answer.keeps:
            self.close()
        return answer

    def _failed(self, error: Exception) -> TransportError:
        self.close()
        is_stale = self._kept and self._response.is_empty
        return (StaleConnectionError if is_stale else TransportError)(_fault(error))

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
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
