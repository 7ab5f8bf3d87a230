"""The harness against plain functions: what it says about a function must be true before it may judge a library."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from runtime.aws import LocalAws
from runtime.collector import Collector
from runtime.execution import InitFailed
from runtime.lambda_service import Lambda, Result
from runtime.network import LOOPBACK, black_hole, refused_endpoint
from runtime.queues import EventSourceMapping
from runtime.rie import Emulator
from runtime.runtime_api import RuntimeApi
from runtime.sink import Mode, Sink
from runtime.tls import Certificates

FUNCTIONS = Path(__file__).parent / "functions"
TRACE_ID, SPAN_ID, PARENT_ID = bytes(range(1, 17)), bytes(range(1, 9)), bytes(range(11, 19))


def export_request(*names: str) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "test"
    spans = group.scope_spans.add(schema_url="https://example.com/schema")
    spans.scope.name, spans.scope.version = "harness", "1"
    for name in names:
        span = spans.spans.add(name=name, trace_id=TRACE_ID, span_id=SPAN_ID, parent_span_id=PARENT_ID)
        span.kind, span.flags = Span.SPAN_KIND_SERVER, 0x101
        span.start_time_unix_nano, span.end_time_unix_nano = 1_000_000_000, 1_500_000_000
        span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "as asked"
        span.attributes.add(key="list").value.array_value.values.add().int_value = 7
        span.attributes.add(key="flag").value.bool_value = True
        span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID).attributes.add(key="n").value.double_value = 0.5
        span.events.add(name="exception").attributes.add(key="exception.type").value.string_value = "ValueError"
        span.dropped_links_count = 3
    return bytes(request.SerializeToString())


def post(endpoint: str, body: bytes, timeout: float = 1.0, tls: ssl.SSLContext | None = None, **headers: str) -> bytes:
    named = {"Content-Type": "application/x-protobuf"} | {key.replace("_", "-"): headers[key] for key in headers}
    request = urllib.request.Request(f"{endpoint}/v1/traces", body, named)
    with urllib.request.urlopen(request, timeout=timeout, context=tls) as response:
        return b"".join(response)


def process_state(pid: int) -> str:
    """``T`` is stopped, ``Z`` has ended, and so has one that is not there."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rpartition(")")[2].split()[0] if stat.exists() else "Z"


def exists(pid: int) -> bool:
    return process_state(pid) != "Z"


# AWS's emulator.


def test_emulator_runs_a_function_cold_and_warm() -> None:
    with Emulator("plain.handler", FUNCTIONS, timeout=5, environment={"OWN": "yes"}) as emulator:
        cold = emulator.invoke({}, client_context={"custom": {"a": "b"}})
        warm = emulator.invoke(b"{}")
    assert (cold.status, cold.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert [answer.json()["invocation"] for answer in (cold, warm)] == [1, 2]
    assert cold.json()["client"] == {"a": "b"}
    assert cold.json()["variables"]["OWN"] == "yes"
    assert 3000 < cold.json()["remaining"] <= 5000
    assert "invocation 1\n" in emulator.log and "REPORT RequestId" in emulator.log
    assert not exists(cold.json()["pid"])


def test_emulator_survives_exceptions_and_replaces_dead_or_late_processes() -> None:
    with Emulator("plain.handler", FUNCTIONS, timeout=1) as emulator:
        raised = emulator.invoke({"do": "raise"})
        exited = emulator.invoke({"do": "exit"})
        fresh = emulator.invoke({})
        late = emulator.invoke({"do": "sleep", "seconds": 9})
    assert (raised.status, raised.json()["errorType"]) == (200, "ValueError")
    assert exited.json()["errorType"] == "Runtime.ExitError"
    assert fresh.json()["invocation"] == 1
    assert late.body == b"Task timed out after 1.00 seconds"
    assert not exists(fresh.json()["pid"])


def test_emulator_does_not_freeze_and_answers_after_the_extensions() -> None:
    with Emulator("counter.handler", FUNCTIONS) as emulator:
        before = emulator.invoke().json()
        time.sleep(0.3)
        assert emulator.invoke().json() - before > 20
    with Emulator("extension.handler", FUNCTIONS) as emulator:
        emulator.invoke()
        started = time.monotonic()
        emulator.invoke()
        assert time.monotonic() - started > 0.6


# Our own Lambda.


@pytest.fixture
def plain() -> Iterator[Lambda]:
    with Lambda("plain.handler", FUNCTIONS, timeout=2.0, name="shop") as function:
        yield function


def test_lambda_hands_on_everything_about_an_invocation(plain: Lambda) -> None:
    cold = plain.invoke({}, trace_id="Root=1-2-3;Sampled=1", client_context={"custom": {"a": "b"}})
    warm = plain.invoke()
    seen = cold.json()
    assert (cold.kind, warm.kind, cold.error) == ("response", "response", None)
    assert (seen["request_id"], seen["trace"], seen["client"]) == (cold.request_id, "Root=1-2-3;Sampled=1", {"a": "b"})
    assert seen["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:shop"
    assert seen["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == "shop"
    assert 1000 < seen["remaining"] <= 2000
    assert (warm.json()["trace"], warm.json()["client"], warm.json()["invocation"]) == (None, None, 2)
    assert cold.init_duration and warm.init_duration is None
    assert warm.answered_after and warm.answered_after <= warm.settled_after < 1.0
    assert plain.environments == 1
    assert plain.log == "invocation 1\ninvocation 2\n"


def test_lambda_reports_exceptions_and_keeps_the_process(plain: Lambda) -> None:
    result = plain.invoke({"do": "raise"})
    assert (result.kind, result.error and result.error["errorType"]) == ("error", "ValueError")
    assert plain.invoke().json()["invocation"] == 2


@pytest.mark.parametrize(("action", "status"), [("exit", 3), ("die", 4)])
def test_lambda_replaces_a_process_that_ended(plain: Lambda, action: str, status: int) -> None:
    result = plain.invoke({"do": action})
    assert result.kind == "exit"
    assert result.error and result.error["errorMessage"].endswith(f"exit status {status}")
    assert plain.pid is None
    assert plain.invoke().json()["invocation"] == 1
    assert plain.environments == 2


def test_lambda_kills_at_the_deadline(plain: Lambda) -> None:
    before = plain.invoke().json()["pid"]
    result = plain.invoke({"do": "sleep", "seconds": 9}, timeout=0.4)
    assert (result.kind, result.body, result.answered_after) == ("timeout", None, None)
    assert 0.4 <= result.settled_after < 1.5
    assert not exists(before)
    after = plain.invoke()
    assert after.init_duration and after.json()["pid"] != before


def test_lambda_freezes_between_invocations() -> None:
    with Lambda("counter.handler", FUNCTIONS) as function:
        before = function.invoke().json()
        assert function.pid and process_state(function.pid) == "T"
        time.sleep(0.5)
        assert function.invoke().json() - before < 10


def test_lambda_freezes_only_when_the_internal_extension_is_done() -> None:
    with Lambda("extension.handler", FUNCTIONS) as function:
        result = function.invoke(trace_id="Root=1-2-3")
        assert function.extensions == ["plain"]
        assert function.pid and process_state(function.pid) == "T"
    answer = result.json()
    assert (answer["registered"], answer["late"], answer["shutdown"]) == (200, 403, 403)
    assert result.answered_after and result.answered_after < 0.5
    assert result.settled_after > 0.6
    assert f'"requestId": "{result.request_id}"' in function.log
    assert '"value": "Root=1-2-3"' in function.log


def test_an_extension_that_misses_the_deadline_costs_the_environment() -> None:
    with Lambda("extension.handler", FUNCTIONS, timeout=0.5, environment={"EXTENSION_SECONDS": "9"}) as function:
        result = function.invoke()
        assert result.kind == "timeout" and function.pid is None
    assert result.json()["registered"] == 200  # the caller had its answer before
    assert result.answered_after and result.answered_after < 0.5 <= result.settled_after


def test_lambda_refuses_extensions_on_request() -> None:
    with Lambda("extension.handler", FUNCTIONS, refuse_extensions=True) as function:
        result = function.invoke()
        assert (result.json()["registered"], function.extensions) == (403, [])
        assert result.settled_after < 0.5


def test_extensions_are_refused_for_the_same_reasons_as_by_the_emulator() -> None:
    with Lambda("extension.handler", FUNCTIONS) as function, Emulator("extension.handler", FUNCTIONS) as emulator:
        ours, theirs = function.invoke().json(), emulator.invoke().json()
    assert "RegistrationClosed" in theirs["late_answer"] and "RegistrationClosed" in ours["late_answer"]
    assert {**ours, "late_answer": ""} == {**theirs, "late_answer": ""}


def test_a_second_call_for_the_next_event_is_refused_while_one_is_open() -> None:
    api = RuntimeApi(function={})
    register = urllib.request.Request(f"http://{api.address}/2020-01-01/extension/register", b'{"events": ["INVOKE"]}')
    register.add_header("Lambda-Extension-Name", "plain")
    with urllib.request.urlopen(register, timeout=2) as response:
        headers = {"Lambda-Extension-Identifier": response.headers["Lambda-Extension-Identifier"]}
    first, second = (http.client.HTTPConnection(api.address, timeout=2) for _ in range(2))
    first.request("GET", "/2020-01-01/extension/event/next", headers=headers)
    assert api.wait_for(lambda: api.extensions.are_ready, 2.0)
    second.request("GET", "/2020-01-01/extension/event/next", headers=headers)
    assert second.getresponse().status == 403
    for connection in (first, second):
        connection.close()
    api.close()


def test_shutdown_asks_first_only_where_an_extension_is_registered() -> None:
    for refused in (False, True):
        with Lambda("extension.handler", FUNCTIONS, refuse_extensions=refused) as function:
            function.init()
            function.shutdown()
            # Before Python 3.12 the runtime waits in C code, where no signal handler of Python runs.
            assert ("terminated" in function.log) == (not refused and sys.version_info >= (3, 12))
            assert function.pid is None


def test_lambda_reports_a_failed_init() -> None:
    with Lambda("broken.handler", FUNCTIONS) as function:
        result = function.invoke()
        assert (result.kind, result.error and result.error["errorType"]) == ("error", "LookupError")
        with pytest.raises(InitFailed, match="broken on purpose"):
            function.init()


def test_lambda_initialises_ahead_of_the_first_event() -> None:
    with Lambda("counter.handler", FUNCTIONS, initialization="provisioned-concurrency") as function:
        assert 0.0 < function.init() < 5.0
        assert function.pid and process_state(function.pid) == "T"
        assert function.invoke().init_duration is None


def test_lambda_restores_a_snapshot() -> None:
    with Lambda("snapshot.handler", FUNCTIONS, initialization="snap-start") as function:
        function.init()
        function.restore()
        assert function.invoke().json() == ["import", "before snapshot", "after restore"]
        function.shutdown()
        assert function.invoke().kind == "response"  # snapshot and restore by itself
        with pytest.raises(RuntimeError, match="no snapshot"):
            function.restore()


@pytest.mark.parametrize("hook", ["before snapshot", "after restore"])
def test_a_failing_snapshot_hook_costs_the_environment(hook: str) -> None:
    with Lambda("snapshot.handler", FUNCTIONS, initialization="snap-start", environment={"FAIL_AT": hook}) as function:
        result = function.invoke()
        assert (result.kind, result.error and result.error["errorMessage"]) == ("error", hook)
        assert function.pid is None


def test_managed_instances_run_invocations_side_by_side_without_freeze_or_kill() -> None:
    with Lambda("plain.handler", FUNCTIONS, initialization="lambda-managed-instances", concurrency=2) as function:
        function.init()
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(function.invoke, [{"do": "sleep", "seconds": 0.6}] * 2))
        assert function.pid and process_state(function.pid) != "T"
        late = function.invoke({"do": "sleep", "seconds": 0.3}, timeout=0.1)
        pids = {result.json()["pid"] for result in both}
        assert len(pids) == 2 and all(exists(pid) for pid in pids)
        assert function.invoke().kind == "response"
    assert max(result.settled_after for result in both) < 1.1
    assert (late.kind, function.environments) == ("timeout", 1)
    assert not any(exists(pid) for pid in pids)


# The sink.


def test_sink_decodes_what_it_receives() -> None:
    with Sink() as sink:
        post(sink.endpoint, gzip.compress(export_request("one", "two")), Content_Encoding="gzip", X_Key="secret")
        first, second = sink.wait_for(2)
        (request,) = sink.requests
        sink.clear()
        assert (sink.requests, sink.spans) == ([], [])
    assert (request.path, request.headers["x-key"], request.connection) == ("/v1/traces", "secret", 1)
    assert gzip.decompress(request.body) == export_request("one", "two")
    assert (first.name, second.name, first.kind, first.flags) == ("one", "two", "SERVER", 0x101)
    assert (first.trace_id, first.span_id, first.parent_id) == (TRACE_ID.hex(), SPAN_ID.hex(), PARENT_ID.hex())
    assert (first.attributes, first.duration) == ({"list": [7], "flag": True}, 0.5)
    assert first.links == [(TRACE_ID.hex(), SPAN_ID.hex(), {"n": 0.5})]
    assert first.events == [("exception", {"exception.type": "ValueError"})]
    assert (first.status, first.status_description, first.dropped_links) == ("ERROR", "as asked", 3)
    assert (first.resource, first.scope_name, first.scope_version) == ({"service.name": "test"}, "harness", "1")
    assert first.schema_url == "https://example.com/schema"


def test_sink_keeps_connections_alive_until_told_otherwise() -> None:
    with Sink() as sink:
        connection = http.client.HTTPConnection(LOOPBACK, int(sink.endpoint.rpartition(":")[2]), timeout=2)
        for _ in range(3):
            connection.request("POST", "/v1/traces", export_request("one"))
            assert connection.getresponse().read() == b""
        assert sink.connections == 1
        sink.drop_connections()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            connection.request("POST", "/v1/traces", export_request("one"))
            connection.getresponse()
        connection.close()
        assert len(sink.spans) == 3
        with pytest.raises(TimeoutError, match="3 spans of 4"):
            sink.wait_for(4, timeout=0.1)


@pytest.mark.parametrize(("mode", "code"), [("503", 503), ("429", 429), ("404", 404), ("redirect", 302)])
def test_sink_refuses(mode: Mode, code: int) -> None:
    with Sink(mode) as sink:
        with pytest.raises(urllib.error.HTTPError) as failure:
            post(sink.endpoint, export_request("one"))
        failure.value.close()
        assert failure.value.code == code
        assert failure.value.headers["Retry-After"] == ("30" if mode == "429" else None)
        assert sink.requests and not sink.spans
        sink.mode = "ok"
        post(sink.endpoint, export_request("one"))
        assert len(sink.spans) == 1


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("hang", TimeoutError),
        ("slow", TimeoutError),
        ("reset", ConnectionResetError),
        ("close", http.client.RemoteDisconnected),
    ],
)
def test_sink_fails_the_connection(mode: Mode, error: type[Exception]) -> None:
    with Sink(mode) as sink:
        with pytest.raises(error) as failure:
            post(sink.endpoint, export_request("one"), timeout=0.3)
        # RemoteDisconnected is a ConnectionResetError too, but says that the peer closed in good order.
        assert isinstance(failure.value, http.client.RemoteDisconnected) == (mode == "close")
        assert len(sink.requests) == 1
        started = time.monotonic()
    assert time.monotonic() - started < 1.0, "a connection in trouble must not hold up the end"


def test_sink_answers_late_in_drops_or_in_part() -> None:
    with Sink("slow", delay=0.3, drip_interval=0.01) as sink:
        modes: tuple[Mode, ...] = ("slow", "drip")
        for sink.mode in modes:
            started = time.monotonic()
            post(sink.endpoint, export_request("one"), timeout=1.0)
            assert time.monotonic() - started >= 0.3
        sink.mode = "partial"
        answer = ExportTraceServiceResponse.FromString(post(sink.endpoint, export_request("one")))
        assert answer.partial_success.rejected_spans == 1


def test_sink_may_forget_its_connections() -> None:
    with Sink("forgetful") as sink:
        connection = http.client.HTTPConnection(LOOPBACK, int(sink.endpoint.rpartition(":")[2]), timeout=2)
        connection.request("POST", "/v1/traces", export_request("one"))
        assert connection.getresponse().read() == b""
        connection.request("POST", "/v1/traces", export_request("two"))
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.close()
        assert [span.name for span in sink.spans] == ["one"]


def test_sink_speaks_tls_and_may_ask_for_a_client_certificate(tmp_path: Path) -> None:
    certificates = Certificates.create(tmp_path)
    with Sink(tls=certificates, require_client_certificate=True) as sink:
        post(sink.endpoint, export_request("one"), tls=certificates.client_context(with_certificate=True))
        assert sink.endpoint.startswith("https://") and len(sink.spans) == 1
        with pytest.raises(OSError):
            post(sink.endpoint, export_request("two"), tls=certificates.client_context())
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            post(sink.endpoint, export_request("three"), tls=ssl.create_default_context())
        assert len(sink.requests) == 1


def test_unreachable_endpoints() -> None:
    with refused_endpoint() as refused, pytest.raises(urllib.error.URLError, match="refused"):
        post(refused, b"")
    with black_hole() as hole:
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises((TimeoutError, urllib.error.URLError), match="timed out"):
                post(hole, b"", timeout=0.5)
            assert time.monotonic() - started >= 0.5


# The collector and AWS.


def test_collector_receives_prints_and_forwards() -> None:
    with Sink() as sink, Collector(forward_to=sink.endpoint) as collector:
        post(collector.endpoint, export_request("through the collector"))
        assert sink.wait_for(1)[0].attributes == {"list": [7], "flag": True}
        assert TRACE_ID.hex() in collector.wait_for_log("through the collector")


def test_local_aws_delivers_from_sns_to_sqs() -> None:
    with LocalAws() as aws:
        sqs, sns = aws.client("sqs"), aws.client("sns")
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = sns.create_topic(Name="orders")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        attributes = {"traceparent": {"DataType": "String", "StringValue": "00-ab-cd-01"}}
        sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
        (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
        assert (message["Body"], message["MessageAttributes"]) == ("hello", attributes)
        aws.reset()
        assert "QueueUrls" not in sqs.list_queues()


def test_queue_messages_become_events_as_aws_documents_them() -> None:
    folder = FUNCTIONS.parents[1] / "events/sqs"
    plain, binary = (json.loads((folder / name).read_text())["Records"] for name in ("aws_trace_header.json", "binary_attribute.json"))
    with LocalAws() as aws, Lambda("plain.handler", FUNCTIONS) as function:
        sqs = aws.client("sqs")
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(
            QueueUrl=queue,
            MessageBody="both",
            MessageAttributes={
                "traceparent": {"DataType": "String", "StringValue": "00-ab-cd-01"},
                "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            },
            MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}},
        )
        event, result = EventSourceMapping(sqs, queue, function).deliver()
        assert result.kind == "response"
        assert "Messages" not in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
    (record,) = event["Records"]
    documented = next(each for each in plain if each["body"] == "both")
    assert record.keys() == documented.keys()
    assert record["attributes"].keys() == documented["attributes"].keys()
    text, data = (record["messageAttributes"][name] for name in ("traceparent", "bytes"))
    assert text.keys() == documented["messageAttributes"]["traceparent"].keys()
    documented_data = [value for each in binary for value in each["messageAttributes"].values() if "binaryValue" in value]
    assert data.keys() == documented_data[0].keys()
    assert (text["stringValue"], data["binaryValue"]) == ("00-ab-cd-01", "AP8=")
    assert record["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:orders"


def test_what_fails_stays_in_the_queue() -> None:
    with LocalAws() as aws, Lambda("twin.handler", FUNCTIONS) as function:
        sqs = aws.client("sqs")
        queue = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="{}")
        mapping = EventSourceMapping(sqs, queue, function)
        result = Result("response", b'{"batchItemFailures": []}', None, 0.0, 0.0, None, "")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        failed = json.dumps({"batchItemFailures": [{"itemIdentifier": message["MessageId"]}]}).encode()
        for kept in (replace(result, kind="error"), replace(result, body=failed)):
            mapping.settle([message], kept)
            assert sqs.receive_message(QueueUrl=queue)["Messages"]
        mapping.settle([message], result)
        with pytest.raises(LookupError, match="no message"):
            mapping.deliver()


def test_nothing_of_this_process_leaks_into_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of the machine")
    with Lambda("plain.handler", FUNCTIONS) as function:
        assert "OTEL_SERVICE_NAME" not in function.invoke().json()["variables"]
    assert os.environ["OTEL_SERVICE_NAME"] == "of the machine"
    assert socket.getdefaulttimeout() is None
