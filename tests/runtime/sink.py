"""An OTLP/HTTP backend for traces that can be well or in any kind of trouble."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runtime.network import LOOPBACK
from runtime.received import ReceivedSpan, spans_of
from runtime.web import LoopbackServer, QuietHandler, Reply, Request

if TYPE_CHECKING:
    from runtime.tls import Certificates  # needs the package cryptography, and a sink without TLS does not

Mode = Literal["ok", "503", "429", "404", "redirect", "hang", "reset", "close", "slow", "drip", "partial", "forgetful"]
_ACCEPTING = ("ok", "slow", "drip", "partial")


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came.

    Attributes:
        method: ``POST``, or what a client made of it after a redirect.
        path: Path and query.
        headers: Header names in lower case.
        body: The bytes on the wire, compressed if they came so.
        export: The decoded message; empty if the body was none.
        connection: Number of the connection that it came on, from 1.
        mode: What the sink did with it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    export: ExportTraceServiceRequest
    connection: int
    mode: Mode

    @property
    def is_accepted(self) -> bool:
        """Whether the backend has taken the spans over: it answered 200, however late."""
        return self.mode in _ACCEPTING


class Sink:
    """A backend on ``.endpoint`` that keeps what it receives; a context manager.

    Args:
        mode: How it behaves, may be changed at any time:
            ``ok`` · ``503`` · ``429`` with ``Retry-After`` · ``404`` · ``redirect`` (302 to itself) · ``hang`` (reads
            and never answers) · ``reset`` (TCP reset instead of an answer) · ``close`` (connection closed instead of
            an answer) · ``slow`` (200 after ``delay``) · ``drip`` (200, one byte of the header every
            ``drip_interval``) · ``partial`` (200 with a partial success that rejects one span) · ``forgetful`` (``reset``
            for all but the first request of a connection, as a network that has lost track of it).
        delay: Seconds before the answer of ``slow``.
        drip_interval: Seconds between the bytes of ``drip``.
        retry_after: Seconds said in the ``Retry-After`` header of ``429``.
        tls: Serve HTTPS with these certificates.
        require_client_certificate: Refuse TLS clients that show none.
        port: Listen there, for a backend that comes (back) to life; by default on a free port.
    """

    def __init__(
        self,
        mode: Mode = "ok",
        *,
        delay: float = 10.0,
        drip_interval: float = 2.0,
        retry_after: int = 30,
        tls: Certificates | None = None,
        require_client_certificate: bool = False,
        port: int = 0,
    ) -> None:
        self.mode: Mode = mode
        self.delay = delay
        self.drip_interval = drip_interval
        self.retry_after = retry_after
        self._requests: list[ReceivedRequest] = []
        self._connections = 0
        self._changed = threading.Condition()
        context = tls.server_context(require_client=require_client_certificate) if tls else None
        self._server = LoopbackServer(_handler_of(self), context, port)
        self.endpoint = f"{'https' if tls else 'http'}://{LOOPBACK}:{self._server.port}"

    def __enter__(self) -> Sink:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request since the start or the last ``clear``, accepted or not."""
        with self._changed:
            return list(self._requests)

    @property
    def spans(self) -> list[ReceivedSpan]:
        """The spans of all accepted requests, in the order in which they came."""
        return [span for request in self.requests if request.is_accepted for span in spans_of(request.export)]

    @property
    def connections(self) -> int:
        """How many connections were made since the start."""
        return self._connections

    def wait_for(self, count: int, timeout: float = 5.0) -> list[ReceivedSpan]:
        """Returns the spans as soon as there are ``count`` of them.

        Raises:
            TimeoutError: Fewer came within ``timeout`` seconds.
        """
        with self._changed:
            if self._changed.wait_for(lambda: len(self.spans) >= count, timeout):
                return self.spans
        raise TimeoutError(f"{len(self.spans)} spans of {count}: {[span.name for span in self.spans]}")

    def clear(self) -> None:
        """Forgets the requests so far."""
        with self._changed:
            self._requests.clear()

    def drop_connections(self, timeout: float = 2.0) -> None:
        """Closes the connections that clients keep alive, as a load balancer does with idle ones.

        Args:
            timeout: Seconds to wait for the threads that serve them; one that hangs never ends.
        """
        self._server.drop_connections(timeout)

    def _count_connection(self) -> int:
        with self._changed:
            self._connections += 1
            return self._connections

    def _keep(self, request: Request, connection: int, *, is_first: bool) -> ReceivedRequest:
        mode = self.mode
        if mode == "forgetful":
            mode = "ok" if is_first else "reset"
        received = ReceivedRequest(request.method, request.path, dict(request.headers), request.body, _decoded(request), connection, mode)
        with self._changed:
            self._requests.append(received)
            self._changed.notify_all()
        return received


def _decoded(request: Request) -> ExportTraceServiceRequest:
    export = ExportTraceServiceRequest()
    try:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        export.ParseFromString(body)
    except (DecodeError, OSError, EOFError, zlib.error):
        export.Clear()
    return export


def _handler_of(sink: Sink) -> type[QuietHandler]:
    class Handler(_SinkHandler):
        owner = sink

    return Handler


class _SinkHandler(QuietHandler):
    owner: Sink
    server: LoopbackServer

    def setup(self) -> None:
        super().setup()
        self.number = self.owner._count_connection()
        self._is_first = True

    def _answer(self) -> None:
        received = self.owner._keep(self.read_request(), self.number, is_first=self._is_first)
        self._is_first = False
        behaviours: dict[str, Callable[[], None]] = {
            "hang": self._hang,
            "reset": self._reset,
            "close": self._close,
            "slow": self._answer_late,
            "drip": self._drip,
        }
        behaviours.get(received.mode, lambda: self.send_reply(self._reply_of(received)))()

    do_GET = do_POST = do_PUT = _answer

    def _reply_of(self, received: ReceivedRequest) -> Reply:
        if received.mode == "429":
            return Reply(429, headers={"Retry-After": str(self.owner.retry_after)})
        if received.mode == "redirect":
            return Reply(302, headers={"Location": self.owner.endpoint + received.path})
        if received.mode in ("503", "404"):
            return Reply(int(received.mode))
        response = ExportTraceServiceResponse()
        if received.mode == "partial":
            response.partial_success.rejected_spans = 1
            response.partial_success.error_message = "one span rejected by the test"
        return Reply(200, response.SerializeToString(), {"Content-Type": "application/x-protobuf"})

    def _hang(self) -> None:
        self.server.closing.wait()
        self._close()

    def _close(self) -> None:
        self.close_connection = True

    def _reset(self) -> None:
        """Closes the bare descriptor: the server's own way would say goodbye (FIN) before the reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def _answer_late(self) -> None:
        self.server.closing.wait(self.owner.delay)
        self.send_reply(Reply(200, headers={"Content-Type": "application/x-protobuf"}))

    def _drip(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        for byte in answer:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.closing.wait(self.owner.drip_interval):
                self._close()
                return
