"""Batches of spans as OTLP over HTTP, in protobuf.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from opentelemetry.sdk.trace import ReadableSpan

from .config import Settings
from .delivery import DELIVERED, Report, Spans
from .http_response import Answer
from .protobuf import decode_partial_success, encode
from .transport import Client, Connection, StaleConnectionError, TransportError, UnansweredError

_RETRYABLE = frozenset({429, 502, 503, 504})
_LONGEST_BODY = 1 << 16
_LONGEST_MESSAGE = 200


# Of a batch whose answer is out: the connection that it will come on, and what is known of the batch already.
_Ticket: TypeAlias = "tuple[Connection, Report]"


class OtlpExporter:
    """Sends batches to one endpoint.

    Args:
        client: Of the endpoint.
        compress: Makes the body smaller; what it does is named by the header `content-encoding` of the client.
        timeout: Seconds for one request, within the deadline of the flush.
    """

    def __init__(self, client: Client, compress: Callable[[bytes], bytes] | None, timeout: float) -> None:
        self._client = client
        self._compress = compress
        self._timeout = timeout
        self._connection: Connection | None = None
        self.name = f"{client.host}:{client.port}"

    def export(self, spans: Spans, deadline: float) -> Report:
        """Sends one request; an answer that does not come in time can be asked for with `settle`."""
        body, encoded = _encode(spans)
        if encoded.delivery != "delivered":
            return encoded
        if self._compress:
            body = self._compress(body)
        try:
            return _report(self._post(body, min(deadline, time.monotonic() + self._timeout)), encoded)
        except UnansweredError as error:
            self._connection = None  # it belongs to the answer that is out; the next batch gets one of its own
            return Report("unanswered", "no answer in time", ticket=(error.connection, encoded))
        except TransportError as error:
            return Report("failed", str(error))

    def _post(self, body: bytes, deadline: float) -> Answer:
        try:
            return self._open(deadline).post(body, deadline)
        except StaleConnectionError:
            return self._open(deadline).post(body, deadline)

    def _open(self, deadline: float) -> Connection:
        if self._connection is None or not self._connection.usable:
            self._close()
            self._connection = Connection(self._client, deadline)
        return self._connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def settle(self, ticket: _Ticket, deadline: float) -> Report:
        """The answer that was out, as far as it has come by the deadline."""
        connection, encoded = ticket
        try:
            answer = connection.answer(deadline)
        except UnansweredError:
            return Report("unanswered", "no answer in time", ticket=ticket)
        except TransportError as error:
            return Report("failed", str(error))
        connection.close()
        return _report(answer, encoded)

    def abandon(self, ticket: _Ticket) -> None:
        """Closes the connection on which an answer is out."""
        connection, _ = ticket
        connection.close()

    def start_anew(self) -> None:
        """Closes the connection, so that the next batch gets a new one."""
        self._close()

    def shutdown(self, deadline: float) -> None:
        """Closes the connection."""
        self._close()


def _encode(spans: Spans) -> tuple[bytes, Report]:
    """The body of a request, and how many spans it lacks because they cannot be encoded: these must not take the others with them."""
    try:
        return encode(spans), DELIVERED
    except Exception as error:
        reason = f"spans cannot be encoded ({type(error).__name__}: {error})"
    encodable = [span for span in spans if _is_encodable(span)]
    if not encodable:
        return b"", Report("rejected", reason)
    return encode(encodable), Report("delivered", reason, lost=len(spans) - len(encodable))


def _is_encodable(span: ReadableSpan) -> bool:
    try:
        encode([span])
    except Exception:
        return False
    return True


def _report(answer: Answer, encoded: Report) -> Report:
    if 200 <= answer.status < 300:
        return _accepted(answer, encoded)
    reason = f"HTTP status {answer.status}"
    if answer.status in _RETRYABLE:
        delay = answer.headers.get("retry-after", "")
        return Report("failed", reason, retry_after=float(delay) if delay.isdecimal() else 0.0)
    return Report("rejected", reason)


def _accepted(answer: Answer, encoded: Report) -> Report:
    """A 2xx answer, which may still say that some spans were not taken."""
    rejected, message = decode_partial_success(answer.body) if len(answer.body) <= _LONGEST_BODY else (0, "")
    if 0 < rejected < 1 << 63:  # from there on they are negative numbers
        return Report("delivered", message[:_LONGEST_MESSAGE], lost=rejected + encoded.lost)
    return encoded


def exporter(settings: Settings, user_agent: str) -> OtlpExporter:
    """The exporter that the settings ask for.

    Raises:
        OSError: A certificate file cannot be read.
    """
    headers = {"content-type": "application/x-protobuf", "user-agent": user_agent, **settings.headers}
    compress = None
    if settings.compression != "none":
        headers["content-encoding"] = settings.compression
        compress = _compressor(settings.compression)
    client = Client(settings.endpoint, headers, settings.certificate, settings.client_certificate, settings.client_key)
    return OtlpExporter(client, compress, settings.otlp_timeout)


def _compressor(compression: str) -> Callable[[bytes], bytes]:
    """Compresses at the fastest level: for spans it is within a few percent of the default in size, at less than half the time."""
    import zlib

    window = 31 if compression == "gzip" else 15

    def compress(body: bytes) -> bytes:
        compressor = zlib.compressobj(1, wbits=window)
        return compressor.compress(body) + compressor.flush()

    return compress
