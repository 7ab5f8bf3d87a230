"""What is arranged with Lambda: sending now or after the answer, the watchdog, the snapshot, the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snapshot_restore_py as runtime
from opentelemetry.sdk.trace import Span
from runtime.network import LOOPBACK, reserved_port
from runtime.runtime_api import Invocation, RuntimeApi
from runtime.sink import Sink

from lambda_otel import configure, environment, span, traced_handler
from lambda_otel.environment import margin
from lambda_otel.provider import telemetry
from lambda_otel.state import state

LATE = 5.0  # seconds after which a busy machine is no excuse
Logged = Callable[[], list[str]]


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"lambda_otel-{name}"]


class Context:
    """A Lambda context."""

    function_name = "shop"

    def __init__(self, request_id: str, seconds: float) -> None:
        self.aws_request_id = request_id
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._deadline - time.monotonic()) * 1000)


class Function:
    """This process as a function: its Runtime API, and where its spans arrive."""

    def __init__(self, sink: Sink, api: RuntimeApi) -> None:
        self.sink = sink
        self.api = api

    def invoke(self, handler: Any, event: Any = None, seconds: float = 3.0) -> Any:
        """One event, as the runtime hands it to a handler."""
        self.wait_until_ready()
        request_id = str(uuid.uuid4())
        self.api.send(Invocation(request_id, b"{}", "arn", int((time.time() + seconds) * 1000)))
        return handler(event or {}, Context(request_id, seconds))

    def wait_until_ready(self) -> None:
        assert self.api.wait_for(lambda: self.api.extensions.are_ready, LATE)

    @property
    def names(self) -> list[str]:
        return [found.name for found in self.sink.spans]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(autouse=True)
def nothing_is_left_for_the_exit() -> Iterator[None]:
    yield
    if state.telemetry and state.telemetry.provider:
        state.telemetry.provider.shutdown()


@pytest.fixture
def function(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The variables of Lambda are set; the mode and the margin are up to the test."""
    before = signal.getsignal(signal.SIGTERM)
    api = RuntimeApi(function={})
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", api.address)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
    yield Function(sink, api)
    api.close()
    for thread in threads("extension"):
        thread.join(LATE)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def after_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_MODE", "async")


def nothing(event: Any, context: Any) -> None:
    """A handler."""


# Arranging


def test_outside_the_runtime_nothing_is_arranged(lambda_context: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    traced_handler(nothing)({}, lambda_context)
    assert state.environment is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_function_that_is_not_to_be_traced_arranges_nothing(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_MODE", "async")
    function.invoke(traced_handler(nothing))
    assert (state.environment, function.api.extensions.names) == (None, [])


def test_a_function_that_cannot_be_traced_is_not_watched(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")
    before = set(threads("watchdog"))
    function.invoke(traced_handler(nothing))
    assert set(threads("watchdog")) == before


def test_several_handlers_arrange_once(function: Function, after_the_answer: None) -> None:
    traced_handler(nothing)
    found = state.environment
    traced_handler(nothing)
    assert state.environment is found
    assert function.api.extensions.names == ["lambda_otel"]


def test_without_a_runtime_api_spans_are_sent_before_the_answer(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, logged: Logged, lambda_context: Any
) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_FLUSH_MODE", "async")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
    for _ in range(2):
        traced_handler(nothing)({}, lambda_context)
    assert len(sink.spans) == 2
    (line,) = logged()
    assert line.startswith("LAMBDA_OTEL_FLUSH_MODE: spans are sent before the answer")
    assert line.endswith("AWS_LAMBDA_RUNTIME_API is not set")


def test_a_refused_registration_is_said_once_and_spans_are_sent_before_the_answer(
    function: Function, after_the_answer: None, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    api = RuntimeApi(function={}, refuse_extensions=True)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", api.address)
    for count in range(1, 3):
        function.invoke(traced_handler(nothing))
        assert len(function.sink.spans) == count
    api.close()
    (line,) = logged()
    assert line.startswith("LAMBDA_OTEL_FLUSH_MODE: spans are sent before the answer")
    assert "Extension.RegistrationClosed" in line


def test_a_runtime_api_that_cannot_be_reached(
    sink: Sink, after_the_answer: None, monkeypatch: pytest.MonkeyPatch, logged: Logged, lambda_context: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
    with reserved_port() as port:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", f"{LOOPBACK}:{port}")
        traced_handler(nothing)({}, lambda_context)
    assert len(sink.spans) == len(logged()) == 1


# Sending


def test_spans_are_sent_before_the_answer_by_default(function: Function) -> None:
    handler = traced_handler(nothing)
    for count in range(1, 4):
        function.invoke(handler)
        assert len(function.sink.spans) == count
    assert function.api.extensions.names == []


def test_spans_are_sent_after_the_answer_on_request(function: Function, after_the_answer: None) -> None:
    handler = traced_handler(lambda event, context: time.time())
    function.sink.mode, function.sink.delay = "slow", 0.3
    for count in range(1, 4):
        begin = time.time()
        function.invoke(handler)
        assert time.time() - begin < 0.25
        function.wait_until_ready()
        assert time.time() - begin >= 0.3
        assert len(function.sink.spans) == count


def test_spans_that_are_ended_after_the_answer_say_what_was_returned_and_when(function: Function, after_the_answer: None) -> None:
    answer = {"statusCode": 503}
    function.invoke(traced_handler(lambda event, context: answer), {"requestContext": {"http": {"method": "GET"}}})
    returned, answer["statusCode"] = time.time_ns(), 200
    function.wait_until_ready()
    (found,) = function.sink.spans
    assert (found.attributes["http.response.status_code"], found.status) == (503, "ERROR")
    assert found.end <= returned


class Ends(BaseException):
    """As `SystemExit`: the runtime does not catch it."""


def test_an_error_that_ends_the_process_leaves_no_time_after_the_answer(function: Function, after_the_answer: None) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> None:
        raise Ends

    with pytest.raises(Ends):
        function.invoke(handler)
    assert function.names == ["shop"]
    function.wait_until_ready()


def test_an_error_of_the_handler_is_sent_after_the_answer(function: Function, after_the_answer: None) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> None:
        raise ValueError

    function.sink.mode, function.sink.delay = "slow", 0.3
    begin = time.time()
    with pytest.raises(ValueError):
        function.invoke(handler)
    assert time.time() - begin < 0.25
    function.wait_until_ready()
    assert [found.status for found in function.sink.spans] == ["ERROR"]


def test_handlers_that_are_traced_only_sometimes_or_twice_keep_nobody_waiting(function: Function, after_the_answer: None) -> None:
    traced = traced_handler(nothing)

    def handler(event: int, context: Any) -> None:
        for _ in range(event):
            traced({}, context)

    sent = 0
    for count in (1, 0, 2, 0, 3):
        begin = time.monotonic()
        function.invoke(lambda event, context, count=count: handler(count, context))
        function.wait_until_ready()
        assert time.monotonic() - begin < 1.0
        sent += count
        function.sink.wait_for(sent)


def test_an_invocation_that_could_not_be_traced_keeps_nobody_waiting(
    function: Function, after_the_answer: None, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    handler = traced_handler(nothing)
    monkeypatch.setattr("lambda_otel.lifecycle.start", lambda *_: 1 / 0)
    before = len(threads("watchdog"))
    for _ in range(2):
        begin = time.monotonic()
        function.invoke(handler, seconds=30)
        function.wait_until_ready()
        assert time.monotonic() - begin < 0.15, "it need not wait for a handler to begin"
    assert [line.partition(":")[0] for line in logged()] == ["invocation not traced"]
    assert len(threads("watchdog")) <= before + 1


def test_the_spans_of_a_layer_are_left_to_it(function: Function, after_the_answer: None, installed: Any) -> None:
    handler = traced_handler(nothing)
    tracer = telemetry().tracer
    request_id = str(uuid.uuid4())
    with tracer.start_as_current_span("theirs", attributes={"faas.invocation_id": request_id}):
        function.wait_until_ready()
        function.api.send(Invocation(request_id, b"{}", "arn", int((time.time() + 30) * 1000)))
        handler({}, Context(request_id, 30))
    begin = time.monotonic()
    function.wait_until_ready()
    assert time.monotonic() - begin < 0.15
    assert [found.name for found in installed.get_finished_spans()] == ["theirs"]


def test_a_fault_of_ours_is_said_and_does_no_harm(function: Function, monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    monkeypatch.setattr(environment, "margin", lambda *_: 1 / 0)
    assert function.invoke(traced_handler(lambda event, context: 7)) == 7
    assert logged() == ["the invocation is not watched: ZeroDivisionError: division by zero"]
    assert function.names == ["shop"]


# The watchdog


@pytest.mark.parametrize(
    ("remaining", "chosen", "seconds"),
    [
        (3.0, None, 0.3),
        (1.0, None, 0.1),
        (0.5, None, 0.1),
        (0.1, None, 0.05),
        (900.0, None, 0.5),
        (3.0, 1.0, 1.0),
        (3.0, 9.0, 1.5),
        (3.0, 0.01, 0.01),
    ],
)
def test_margin_is_a_tenth_or_as_chosen_and_never_more_than_half(remaining: float, chosen: float | None, seconds: float) -> None:
    assert margin(remaining, chosen) == pytest.approx(seconds)


def hang(event: Any, context: Any) -> None:
    with span("query"):
        time.sleep(event["seconds"])


def test_open_spans_are_sent_before_the_deadline_and_once_more_if_they_end(function: Function) -> None:
    function.invoke(traced_handler(hang), {"seconds": 0.55}, seconds=0.6)
    function.sink.wait_for(2)
    function.invoke(traced_handler(nothing))
    query, invocation, again, ended, _ = function.sink.wait_for(5)
    assert [query.name, invocation.name] == ["query", "shop"]
    assert (query.attributes["error.type"], query.status, invocation.status) == ("timeout", "ERROR", "ERROR")
    assert query.parent_id == invocation.span_id
    assert [again.span_id, ended.span_id] == [query.span_id, invocation.span_id]
    assert (again.status, ended.status) == ("UNSET", "UNSET")


def test_invocations_that_end_in_time_are_not_disturbed(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr("lambda_otel.export.Buffer.keep_unfinished", lambda self, error_type: kept.append(error_type))
    handler = traced_handler(hang)
    for _ in range(5):
        function.invoke(handler, {"seconds": 0.05}, seconds=0.3)
    time.sleep(0.4)
    assert (kept, len(function.sink.spans)) == ([], 10)


def test_spans_that_an_earlier_invocation_left_open_are_not_taken_for_those_of_this_one(function: Function) -> None:
    left_open = []

    @traced_handler
    def careless(event: Any, context: Any) -> None:
        left_open.append(telemetry().tracer.start_span("never ended"))

    function.invoke(careless)
    function.invoke(traced_handler(hang), {"seconds": 0.55}, seconds=0.6)
    assert left_open and "never ended" not in function.names
    assert [found.attributes.get("error.type") for found in function.sink.wait_for(3)[:3]] == [None, "timeout", "timeout"]


def test_what_was_kept_is_sent_before_the_deadline_of_an_invocation_that_is_not_sampled(function: Function) -> None:
    function.sink.mode = "503"
    function.invoke(traced_handler(nothing))
    function.sink.mode = "ok"
    sent: list[list[str]] = []

    def handler(event: Any, context: Any) -> None:
        time.sleep(0.55)
        sent.append(function.names)

    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    function.invoke(traced_handler(handler), {"headers": {"traceparent": traceparent}}, seconds=0.6)
    assert sent == [["shop"]]


def test_an_invocation_of_which_nothing_can_be_lost_is_not_watched(function: Function) -> None:
    before = set(threads("watchdog"))
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    function.invoke(traced_handler(nothing), {"headers": {"traceparent": traceparent}})
    assert set(threads("watchdog")) == before


def test_a_watchdog_can_be_turned_off(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_TIMEOUT_MARGIN", "0")
    before = set(threads("watchdog"))
    function.invoke(traced_handler(hang), {"seconds": 0.15}, seconds=0.15)
    assert set(threads("watchdog")) == before
    assert function.names == []


def test_a_context_that_does_not_know_its_deadline_is_not_watched(function: Function) -> None:
    before = set(threads("watchdog"))
    handler = traced_handler(nothing)
    for context in (None, object()):
        handler({}, context)
    assert set(threads("watchdog")) == before
    assert len(function.names) == 2


def test_the_last_spans_are_sent_although_the_backend_was_in_trouble(function: Function) -> None:
    handler = traced_handler(hang)
    function.sink.mode = "503"
    function.invoke(handler, {"seconds": 0})
    function.sink.mode = "ok"
    function.invoke(handler, {"seconds": 0.55}, seconds=0.6)
    assert [found.attributes.get("error.type") for found in function.sink.wait_for(4)[:4]] == [None, None, "timeout", "timeout"]


def test_what_an_installed_provider_holds_is_sent_before_the_deadline(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(function.sink.endpoint + "/v1/traces")))
    trace.set_tracer_provider(provider)

    @traced_handler
    def handler(event: Any, context: Any) -> list[str]:
        with span("done"):
            pass
        time.sleep(0.55)
        return list(function.names)

    assert function.invoke(handler, seconds=0.6) == ["done"]
    provider.shutdown()


# The snapshot


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Any], list[Any]]]:
    """The hooks that are registered in a test."""
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    lists = (runtime.get_before_snapshot(), runtime.get_after_restore())
    before = [list(found) for found in lists]
    for found in lists:
        found.clear()
    yield lists
    for found, were in zip(lists, before, strict=True):
        found[:] = were


def run(registered: list[Any]) -> None:
    for hook, args, kwargs in registered:
        hook(*args, **kwargs)


def test_spans_of_the_initialisation_are_sent_once_before_the_snapshot(function: Function, hooks: Any) -> None:
    handler = traced_handler(nothing)
    with span("load the model"):
        pass
    before, after = hooks
    run(before)
    assert function.names == ["load the model"]
    run(after)
    function.invoke(handler)
    assert function.names == ["load the model", "shop"]


def test_spans_that_the_snapshot_keeps_belong_to_the_original(function: Function, hooks: Any) -> None:
    handler = traced_handler(nothing)
    function.sink.mode = "503"
    with span("load the model"):
        pass
    before, after = hooks
    run(before)
    function.sink.mode = "ok"
    run(after)
    function.invoke(handler)
    assert function.names == ["shop"], "each clone would send it again"


def test_connections_are_made_anew_after_a_restore(function: Function, hooks: Any) -> None:
    handler = traced_handler(nothing)
    with span("load the model"):
        pass
    before, after = hooks
    run(before)
    run(after)
    function.invoke(handler)
    function.invoke(handler)
    assert [request.connection for request in function.sink.requests] == [1, 2, 2]


def test_ids_are_made_anew_after_a_restore(function: Function, hooks: Any) -> None:
    handler = traced_handler(nothing)
    run(hooks[0])
    generator = telemetry().provider.id_generator  # type: ignore[union-attr]
    snapshot = generator._random.getstate()  # type: ignore[attr-defined]
    for _ in range(2):
        generator._random.setstate(snapshot)  # type: ignore[attr-defined]
        run(hooks[1])
        function.invoke(handler)
    one, other = function.sink.spans
    assert one.trace_id != other.trace_id and one.span_id != other.span_id


def test_a_restore_before_anything_was_built(function: Function, hooks: Any) -> None:
    handler = traced_handler(nothing)
    state.prepared = None
    run(hooks[1])
    configure(service_name="late")
    function.invoke(handler)
    assert function.sink.spans[0].resource["service.name"] == "late"


def test_hooks_are_registered_only_for_a_snapshot(function: Function) -> None:
    before = len(runtime.get_after_restore())
    traced_handler(nothing)
    assert len(runtime.get_after_restore()) == before


# The end


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the runtime hears SIGTERM from Python 3.12 on")
def test_sigterm_sends_what_was_kept_even_to_a_backend_that_was_in_trouble(function: Function) -> None:
    seen: list[list[str]] = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(function.names))
    function.sink.mode = "503"
    function.invoke(traced_handler(nothing))
    function.sink.mode = "ok"
    os.kill(os.getpid(), signal.SIGTERM)
    assert seen == [["shop"]]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the runtime hears SIGTERM from Python 3.12 on")
def test_sigterm_waits_for_no_backend(function: Function) -> None:
    seen: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(time.monotonic()))
    function.sink.mode = "hang"
    function.invoke(traced_handler(nothing))
    begin = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    assert seen[0] - begin < 0.45


def test_spans_of_ours_are_sdk_spans(function: Function) -> None:
    """The watchdog reads what only those have."""
    made = telemetry().tracer.start_span("work")
    assert isinstance(made, Span)
