"""What is recorded is what arrives, whatever it is made of."""

from __future__ import annotations

import socketserver
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from runtime.network import LOOPBACK, refused_endpoint
from runtime.received import ReceivedEvent, ReceivedLink, spans_of
from runtime.sink import Sink
from runtime.tls import Certificates
from runtime.web import LoopbackServer

from lambda_otel import otlp
from lambda_otel.config import Settings, read
from lambda_otel.delivery import DELIVERED, Report
from lambda_otel.export import Buffer
from lambda_otel.otlp import OtlpExporter
from lambda_otel.transport import Client

Logged = Callable[[], list[str]]

REMOTE = SpanContext(0x11, 0x22, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "a:b"), ("other", "1")]))
LOCAL = SpanContext(0x33, 0x44, is_remote=False, trace_flags=TraceFlags(1))


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def soon() -> float:
    return time.monotonic() + 20


def span(name: Any = "span", **fields: Any) -> ReadableSpan:
    known = {"context": LOCAL, "start_time": 1_000, "end_time": 2_000, "resource": Resource({"service.name": "test"})}
    return ReadableSpan(name, **{**known, **fields})


def settings_of(sink: Sink, **environ: str) -> Settings:
    return read({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **environ}, {})


def fields(report: Report) -> tuple[str, str, int, float]:
    """What a report says, to be compared."""
    return report.delivery, report.reason, report.lost, report.retry_after


def send(sink: Sink, *spans: ReadableSpan, **environ: str) -> Report:
    """Sends a batch as the settings say; the exporter's connection is closed at the end."""
    exporter = otlp.exporter(settings_of(sink, **environ), "agent/1")
    report = exporter.export(spans, soon())
    exporter.shutdown(soon())
    return report


def test_what_arrives_is_what_was_recorded(sink: Sink) -> None:
    provider = TracerProvider(
        resource=Resource({"service.name": "shop", "faas.max_memory": 134217728}, "https://r.example"), shutdown_on_exit=False
    )
    exporter = otlp.exporter(settings_of(sink), "agent/1")
    provider.add_span_processor(Buffer(exporter, 10, 10, 1.0, 1.0))
    tracer = provider.get_tracer("scope", "1.2", "https://s.example")
    parent = tracer.start_span("parent", kind=SpanKind.SERVER, start_time=1_000)
    attributes = {
        "text": "Grüße, 東京 🚀",
        "empty": "",
        "yes": True,
        "no": False,
        "zero": 0,
        "big": 2**63 - 1,
        "small": -(2**63),
        "half": 0.5,
        "infinite": float("inf"),
        "texts": ("a", "b"),
        "flags": (True, False),
        "numbers": (1, 2),
        "fractions": (0.5, 1.5),
        "nothing": (),
        "": "unnamed",
    }
    child = tracer.start_span("child", kind=SpanKind.CONSUMER, links=[Link(REMOTE, {"messaging.message.id": "m-1"}), Link(LOCAL)])
    child.set_attributes(attributes)
    child.add_event("exception", {"exception.type": "ValueError", "escaped": False}, timestamp=1_500)
    child.set_status(Status(StatusCode.ERROR, "it failed"))
    child.end()
    parent.set_status(Status(StatusCode.OK))
    parent.end(3_000)
    assert provider.force_flush()
    exporter.shutdown(soon())

    received = {received.name: received for received in sink.spans}
    first, second = received["parent"], received["child"]
    assert (first.kind, first.parent_id, first.start, first.end, first.status) == ("SERVER", "", 1_000, 3_000, "OK")
    assert first.trace_id == f"{parent.get_span_context().trace_id:032x}"
    assert first.span_id == f"{parent.get_span_context().span_id:016x}"
    assert (second.kind, second.status, second.status_description) == ("CONSUMER", "ERROR", "it failed")
    assert second.attributes == {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items() if key}
    assert second.links == [
        ReceivedLink(f"{0x11:032x}", f"{0x22:016x}", {"messaging.message.id": "m-1"}),
        ReceivedLink(f"{0x33:032x}", f"{0x44:016x}", {}),
    ]
    assert second.events == [ReceivedEvent("exception", {"exception.type": "ValueError", "escaped": False})]
    for found in (first, second):
        assert found.resource == {"service.name": "shop", "faas.max_memory": 134217728}
        assert (found.scope_name, found.scope_version, found.schema_url, found.resource_schema_url) == (
            "scope",
            "1.2",
            "https://s.example",
            "https://r.example",
        )


def test_parent_and_trace_state_arrive(sink: Sink) -> None:
    context = SpanContext(REMOTE.trace_id, 0x55, is_remote=False, trace_flags=TraceFlags(1), trace_state=REMOTE.trace_state)
    assert send(sink, span(context=context, parent=REMOTE)) is DELIVERED
    (received,) = sink.spans
    assert (received.trace_id, received.parent_id, received.trace_state) == (f"{0x11:032x}", f"{0x22:016x}", "vendor=a:b,other=1")


def test_headers_of_the_settings_go_with_each_request(sink: Sink) -> None:
    send(sink, span(), OTEL_EXPORTER_OTLP_HEADERS="api-key=k%20y,X-Tenant=blue")
    (request,) = sink.requests
    assert request.path == "/v1/traces"
    assert request.headers.pop("content-length") == str(len(request.body))
    assert request.headers == {
        "host": sink.endpoint.removeprefix("http://"),
        "content-type": "application/x-protobuf",
        "user-agent": "agent/1",
        "api-key": "k y",
        "x-tenant": "blue",
    }


@pytest.mark.parametrize(("compression", "window"), [("gzip", 31), ("deflate", 15)])
def test_a_compressed_body_is_what_the_header_says(compression: str, window: int, sink: Sink) -> None:
    many = [span(f"span {number}", attributes={"key": "value" * 10}) for number in range(100)]
    assert send(sink, *many, OTEL_EXPORTER_OTLP_COMPRESSION=compression) is DELIVERED
    (request,) = sink.requests
    assert request.headers["content-encoding"] == compression
    plain = zlib.decompress(request.body, wbits=window)
    assert len(plain) > 2 * len(request.body)
    assert [found.name for found in spans_of(ExportTraceServiceRequest.FromString(plain))] == [one.name for one in many]


def test_2049_spans_arrive_in_one_flush_of_batches_of_512(sink: Sink) -> None:
    exporter = otlp.exporter(settings_of(sink), "agent/1")
    buffer = Buffer(exporter, 4096, 512, 10.0, 1.0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(buffer)
    tracer = provider.get_tracer("test")
    for number in range(2049):
        tracer.start_span(str(number)).end()
    assert buffer.flush(60)
    exporter.shutdown(soon())
    assert [found.name for found in sink.spans] == [str(number) for number in range(2049)]
    assert [len(spans_of(request.export)) for request in sink.requests] == [512, 512, 512, 512, 1]


SURROGATE = "lone \ud800 surrogate"


def test_a_span_of_lone_surrogates_arrives_with_the_others_and_keeps_all_else(sink: Sink) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("scope", "1")
    odd: Any = tracer.start_span(SURROGATE, kind=SpanKind.CLIENT, links=[Link(REMOTE, {"a": SURROGATE})], attributes={"fine": "ü"})
    odd.set_attribute(SURROGATE, SURROGATE)
    odd.add_event(SURROGATE, {"b": 2})
    odd.set_status(Status(StatusCode.ERROR, SURROGATE))
    odd.end()
    assert send(sink, span("before"), odd, span("after")) is DELIVERED
    _, received, _ = sorted(sink.spans, key=lambda found: ["before", "lone ? surrogate", "after"].index(found.name))
    assert received.attributes == {"fine": "ü", "lone ? surrogate": "lone ? surrogate"}
    assert received.links == [ReceivedLink(f"{0x11:032x}", f"{0x22:016x}", {"a": "lone ? surrogate"})]
    assert received.events == [ReceivedEvent("lone ? surrogate", {"b": 2})]
    assert (received.kind, received.status, received.status_description) == ("CLIENT", "ERROR", "lone ? surrogate")
    assert (received.start, received.end, received.scope_name) == (odd.start_time, odd.end_time, "scope")
    assert received.span_id == f"{odd.get_span_context().span_id:016x}"


def test_an_attribute_that_cannot_be_encoded_is_left_out_alone(sink: Sink) -> None:
    assert send(sink, span(attributes={"huge": 2**64, "fine": 1}), span("other")) is DELIVERED
    assert [found.attributes for found in sink.spans] == [{"fine": 1}, {}]


NOT_ENCODABLE = [
    span(start_time=1.5),
    span(end_time=-1),
    span(kind="SERVER"),
    span(context=SpanContext(1, 2**64, is_remote=False)),
    span(context=None),
    span(7),
]


@pytest.mark.parametrize("odd", NOT_ENCODABLE, ids=["float-time", "negative-time", "kind", "id", "no-context", "name"])
def test_a_span_that_cannot_be_encoded_is_counted_and_the_others_arrive(odd: ReadableSpan, sink: Sink) -> None:
    report = send(sink, span("before"), odd, span("after"))
    assert (report.delivery, report.lost) == ("delivered", 1)
    assert "cannot be encoded" in report.reason
    assert [found.name for found in sink.spans] == ["before", "after"]


def test_a_batch_of_nothing_but_such_spans_is_rejected_without_a_request(sink: Sink) -> None:
    report = send(sink, *NOT_ENCODABLE)
    assert report.delivery == "rejected"
    assert sink.connections == 0


def test_what_cannot_be_encoded_counts_beside_what_is_not_taken(sink: Sink) -> None:
    sink.mode = "partial"
    assert send(sink, span("one"), NOT_ENCODABLE[0], span("two")).lost == 2


def test_what_cannot_be_encoded_counts_also_when_the_answer_is_late(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.3
    exporter = otlp.exporter(settings_of(sink), "agent/1")
    report = exporter.export([span("fine"), NOT_ENCODABLE[0]], time.monotonic() + 0.1)
    assert report.delivery == "unanswered"
    assert exporter.settle(report.ticket, soon()).lost == 1


@settings(deadline=None, max_examples=50)
@given(name=st.text(), description=st.text(st.characters()), event=st.text(st.characters(categories=["Cs", "Lu", "So"])))
def test_any_text_can_be_sent(name: str, description: str, event: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    one: Any = provider.get_tracer("scope").start_span(name)
    one.add_event(event)
    one.set_status(Status(StatusCode.ERROR, description))
    one.end()
    body, report = otlp._encode([one, span("other")])
    assert report is DELIVERED
    assert [found.name for found in spans_of(ExportTraceServiceRequest.FromString(body))][1] == "other"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("ok", ("delivered", "", 0, 0)),
        ("404", ("rejected", "HTTP status 404", 0, 0)),
        ("redirect", ("rejected", "HTTP status 302", 0, 0)),
        ("503", ("failed", "HTTP status 503", 0, 0)),
        ("429", ("failed", "HTTP status 429", 0, 30)),
        ("partial", ("delivered", "one span rejected by the test", 1, 0)),
    ],
)
def test_an_answer_decides_what_became_of_a_batch(mode: Any, expected: object, sink: Sink) -> None:
    sink.mode = mode
    assert fields(send(sink, span(), span())) == expected
    assert len(sink.requests) == 1


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Backend:
    """Answers each request with the next of some answers; an empty one resets the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = self.requests = 0

    def __enter__(self) -> OtlpExporter:
        backend = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                backend.connections += 1
                while line := self.rfile.readline():
                    length = 0
                    while line.strip():
                        name, _, value = line.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                        line = self.rfile.readline()
                    self.rfile.read(length)
                    backend.requests += 1
                    if not (found := backend.answers.pop(0)):
                        return
                    self.wfile.write(found)

        self._server = LoopbackServer(Handler)
        self._server.start()
        self._exporter = OtlpExporter(Client(f"http://{LOOPBACK}:{self._server.port}"), None, 10.0)
        return self._exporter

    def __exit__(self, *_: object) -> None:
        self._exporter.shutdown(0)
        self._server.stop()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 415, 500, 501, 505])
def test_a_status_that_the_protocol_does_not_name_is_final(status: int) -> None:
    with Backend(answer(status, Retry_After="5")) as exporter:
        assert fields(exporter.export([span()], soon())) == ("rejected", f"HTTP status {status}", 0, 0)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_status_that_the_protocol_calls_retryable_may_be_sent_again(status: int) -> None:
    with Backend(answer(status, Retry_After="5"), answer(status, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), answer(status)) as exporter:
        reports = [fields(exporter.export([span()], soon())) for _ in range(3)]
    assert reports == [("failed", f"HTTP status {status}", 0, delay) for delay in (5.0, 0.0, 0.0)]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_success_is_a_success(status: int) -> None:
    with Backend(answer(status)) as exporter:
        assert exporter.export([span()], soon()) is DELIVERED


def partial(rejected: int, message: str) -> bytes:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans, response.partial_success.error_message = rejected, message
    return response.SerializeToString()


@pytest.mark.parametrize(
    "body",
    [b"{}", b"<html>welcome</html>", partial(0, "a warning"), partial(-1, "nonsense")],
    ids=["json", "html", "warning", "negative"],
)
def test_a_success_with_another_body_is_a_success(body: bytes) -> None:
    with Backend(answer(200, body)) as exporter:
        assert exporter.export([span()], soon()) is DELIVERED


def test_an_answer_that_is_hard_to_read_is_a_success() -> None:
    with Backend(answer(200, b"\xff" * 1_000_000)) as exporter:
        begin = time.process_time()
        assert exporter.export([span()], soon()) is DELIVERED
        assert time.process_time() - begin < 10  # a number without an end would take minutes


def test_the_words_of_a_backend_are_cut_short() -> None:
    with Backend(answer(200, partial(1, "why " * 1000))) as exporter:
        assert len(exporter.export([span()], soon()).reason) <= 200


def test_a_stale_connection_is_replaced_within_the_same_export() -> None:
    backend = Backend(answer(200), b"", answer(200), b"", b"")
    with backend as exporter:
        assert [exporter.export([span()], soon()) for _ in range(2)] == [DELIVERED, DELIVERED]
        assert backend.connections == 2
        assert fields(exporter.export([span()], soon())) == ("failed", "closed without an answer", 0, 0)
        assert backend.requests == 5


def test_a_connection_that_idled_too_long_is_replaced(sink: Sink) -> None:
    exporter = otlp.exporter(settings_of(sink), "agent/1")
    assert exporter.export([span()], soon()) is DELIVERED
    sink.drop_connections()
    assert exporter.export([span()], soon()) is DELIVERED
    exporter.shutdown(soon())
    assert sink.connections == 2


def test_the_time_for_one_request_bounds_it(sink: Sink) -> None:
    sink.mode = "hang"
    exporter = otlp.exporter(settings_of(sink, OTEL_EXPORTER_OTLP_TIMEOUT="0.2"), "agent/1")
    begin = time.monotonic()
    report = exporter.export([span()], time.monotonic() + 60)
    assert time.monotonic() - begin < 10
    assert fields(report) == ("unanswered", "no answer in time", 0, 0)
    assert exporter.settle(report.ticket, time.monotonic()).delivery == "unanswered"
    exporter.abandon(report.ticket)
    assert exporter.settle(report.ticket, soon()).delivery == "failed"


def test_a_batch_after_one_without_an_answer_gets_a_connection_of_its_own(sink: Sink) -> None:
    sink.mode, sink.delay = "slow", 0.4
    exporter = otlp.exporter(settings_of(sink), "agent/1")
    report = exporter.export([span("late")], time.monotonic() + 0.1)
    sink.mode = "ok"
    assert exporter.export([span("next")], soon()) is DELIVERED
    assert exporter.settle(report.ticket, soon()) is DELIVERED
    exporter.shutdown(soon())
    assert [request.connection for request in sink.requests] == [1, 2]


def test_a_backend_that_refuses_is_named_by_its_fault() -> None:
    with refused_endpoint() as url:
        exporter = OtlpExporter(Client(url), None, 1.0)
        assert exporter.name == url.removeprefix("http://")
        assert fields(exporter.export([span()], soon())) == ("failed", "Connection refused", 0, 0)


def test_certificates_of_the_settings_are_used(tmp_path: Path) -> None:
    files = Certificates.create(tmp_path)
    environ = {
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(files.authority),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(files.client),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(files.client_key),
    }
    with Sink(tls=files, require_client_certificate=True) as sink:
        assert send(sink, span("safe"), **environ) is DELIVERED
        assert [found.name for found in sink.spans] == ["safe"]
        assert send(sink, span()).delivery == "failed"
