"""Batches of spans as OTLP over HTTP, in protobuf.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from .config import Settings
from .export import DELIVERED, Delivery, Report, Spans
from .transport import Answer, Client, Connection, Target, TransportError, UnansweredError

_RETRYABLE = frozenset({429, 502, 503, 504})


class OtlpExporter:
    """Sends batches to one endpoint.

    Args:
        target: The endpoint and the headers for it.
        compress: Makes the body smaller; what it does is named by the header `content-encoding` of the target.
        timeout: Seconds for one request, within the deadline of the flush.

    Raises:
        OSError: A certificate file cannot be read.
    """

    def __init__(self, target: Target, compress: Callable[[bytes], bytes] | None, timeout: float) -> None:
        self._client = Client(target)
        self._compress = compress
        self._timeout = timeout
        self._connection: Connection | None = None
        self.name = f"{self._client.host}:{self._client.port}"

    def export(self, spans: Spans, deadline: float) -> Report:
        """Sends one request; an answer that does not come in time can be asked for with `settle`."""
        try:
            body = encode_spans(spans).SerializeToString()
        except Exception as error:
            return Report(Delivery.REJECTED, f"spans cannot be encoded ({type(error).__name__}: {error})")
        if self._compress:
            body = self._compress(body)
        deadline = min(deadline, time.monotonic() + self._timeout)
        try:
            connection = self._open(deadline)
            return _report(connection.post(body, deadline))
        except UnansweredError:
            # The connection belongs to the answer that is out; the next batch gets one of its own.
            ticket, self._connection = self._connection, None
            return Report(Delivery.UNANSWERED, "no answer in time", ticket=ticket)
        except TransportError as error:
            return Report(Delivery.FAILED, str(error))

    def _open(self, deadline: float) -> Connection:
        if self._connection is None or not self._connection.usable:
            if self._connection:
                self._connection.close()
            self._connection = None
            self._connection = Connection(self._client, deadline)
        return self._connection

    def settle(self, ticket: Connection, deadline: float) -> Report:
        """The answer that was out, as far as it has come by the deadline."""
        try:
            return _report(ticket.answer(deadline))
        except UnansweredError:
            return Report(Delivery.UNANSWERED, "no answer in time")
        except TransportError as error:
            return Report(Delivery.FAILED, str(error))

    def abandon(self, ticket: Connection) -> None:
        """Closes the connection on which an answer is out."""
        ticket.close()


def _report(answer: Answer) -> Report:
    if 200 <= answer.status < 300:
        return _accepted(answer)
    reason = f"HTTP status {answer.status}"
    if answer.status in _RETRYABLE:
        delay = answer.headers.get("retry-after", "")
        return Report(Delivery.FAILED, reason, retry_after=float(delay) if delay.isdecimal() else 0.0)
    return Report(Delivery.REJECTED, reason)


def _accepted(answer: Answer) -> Report:
    """A 2xx answer, which may still say that some spans were not taken."""
    if not answer.body:
        return DELIVERED
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except Exception:
        return DELIVERED
    if partial.rejected_spans:
        return Report(Delivery.DELIVERED, partial.error_message, lost=partial.rejected_spans)
    return DELIVERED


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
    target = Target(settings.endpoint, headers, settings.certificate, settings.client_certificate, settings.client_key)
    return OtlpExporter(target, compress, settings.otlp_timeout)


def _compressor(compression: str) -> Callable[[bytes], bytes]:
    """Compresses at the fastest level: for spans it is within a few percent of the default in size, at less than half the time."""
    import zlib

    window = 31 if compression == "gzip" else 15

    def compress(body: bytes) -> bytes:
        compressor = zlib.compressobj(1, wbits=window)
        return compressor.compress(body) + compressor.flush()

    return compress
