"""`traced_handler` around any kind of handler, called in any way with any event and context."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
import tracemalloc
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from lambda_otel import configure, span, traced_handler
from lambda_otel.sources import SOURCES, EventSource, Trigger

REST = {"resource": "/pets/{id}", "path": "/pets/7", "httpMethod": "GET", "headers": {}, "requestContext": {"stage": "prod", "apiId": "a"}}
ORDERS = {
    "Records": [
        {"messageId": "m-1", "body": "one", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders"},
    ],
}


pytestmark = pytest.mark.usefixtures("nothing_complains")
NEWS = {"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news", "MessageId": "n-1"}}]}


# Which handlers


def test_the_event_of_an_exception_lies_within_the_span(spans: Any, lambda_context: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        traced_handler(lambda event, context: 1 / 0)({}, lambda_context)
    span = spans.one()
    (event,) = span.events
    assert span.start_time <= event.timestamp <= span.end_time


def test_bare_handler_makes_one_server_span(spans: Any, lambda_context: Any) -> None:
    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        return event, context, get_current_span()

    event: dict[str, Any] = {}
    got_event, got_context, inside = handler(event, lambda_context)
    assert (got_event is event, got_context is lambda_context) == (True, True)
    ended = spans.one()
    assert ended.context == inside.get_span_context()
    assert (ended.name, ended.kind, ended.parent, ended.status.status_code) == ("my-function", SpanKind.SERVER, None, StatusCode.UNSET)
    assert ended.attributes["code.function.name"].endswith("<locals>.handler")


def test_name_attributes_and_sources_can_be_given(spans: Any, lambda_context: Any) -> None:
    @traced_handler(name="mine", attributes={"team": "pets", "faas.trigger": "timer"}, sources=())
    def handler(event: Any, context: Any) -> None: ...

    handler(REST, lambda_context)
    ended = spans.one()
    assert (ended.name, ended.attributes["team"], ended.attributes["faas.trigger"]) == ("mine", "pets", "timer")
    assert "http.request.method" not in ended.attributes


def test_source_of_the_users_goes_before_the_known_ones(spans: Any, lambda_context: Any) -> None:
    mine = EventSource("mine", lambda event: "pet" in event, lambda event: Trigger(name=event["pet"], attributes={"pet": event["pet"]}))
    handler = traced_handler(sources=(mine, *SOURCES))(lambda event, context: None)
    handler({"pet": "cat", **REST}, lambda_context)
    handler(REST, lambda_context)
    assert [entry.name for entry in spans.take()] == ["cat", "GET /pets/{id}"]


class Handler:
    """Handlers of many kinds."""

    def __init__(self) -> None:
        self.kept = "kept"

    def method(self, event: Any, context: Any) -> Any:
        return self.kept, event, context

    @traced_handler
    def traced(self, event: Any, context: Any) -> Any:
        return self.kept, event, context

    @traced_handler
    @classmethod
    def of_class(cls, event: Any, context: Any) -> Any:
        return cls.__name__, event, context

    @classmethod
    @traced_handler
    def of_class_inside(cls, event: Any, context: Any) -> Any:
        return cls.__name__, event, context

    @traced_handler
    @staticmethod
    def static(event: Any, context: Any) -> Any:
        return "static", event, context

    def __call__(self, event: Any, context: Any) -> Any:
        return self.kept, event, context


def prefixed(prefix: str, event: Any, context: Any, suffix: str = "") -> Any:
    """A function for partials."""
    return prefix + suffix, event, context


@pytest.mark.parametrize(
    ("make", "first", "name"),
    [
        (lambda: traced_handler(Handler().method), "kept", "Handler.method"),
        (lambda: Handler().traced, "kept", "Handler.traced"),
        (lambda: functools.partial(Handler.traced, Handler()), "kept", "Handler.traced"),
        (lambda: Handler.of_class, "Handler", "Handler.of_class"),
        (lambda: Handler().of_class_inside, "Handler", "Handler.of_class_inside"),
        (lambda: Handler.static, "static", "Handler.static"),
        (lambda: Handler().static, "static", "Handler.static"),
        (lambda: traced_handler(Handler()), "kept", "Handler"),
        (lambda: traced_handler(functools.partial(prefixed, "a")), "a", "prefixed"),
        (lambda: traced_handler(functools.partial(prefixed, "a", suffix="b")), "ab", "prefixed"),
        (lambda: traced_handler(functools.partial(Handler().method)), "kept", "Handler.method"),
    ],
)
def test_handler_may_be_anything_that_can_be_called(
    make: Callable[[], Any], first: str, name: str, spans: Any, lambda_context: Any
) -> None:
    handler = make()
    assert handler(REST, lambda_context) == (first, REST, lambda_context)
    ended = spans.one()
    assert (ended.name, ended.attributes["code.function.name"]) == ("GET /pets/{id}", f"{__name__}.{name}")
    assert ended.attributes["faas.invocation_id"] == lambda_context.aws_request_id


def test_metadata_survives() -> None:
    def handler(event: dict[str, Any], context: Any, *, dry: bool = False) -> str:
        """Says what it does."""
        return ""

    handler.label = "mine"  # type: ignore[attr-defined]
    decorated: Any = traced_handler(handler)
    assert decorated.__wrapped__ is handler
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "label"):
        assert getattr(decorated, attribute) == getattr(handler, attribute)
    assert inspect.signature(decorated) == inspect.signature(handler)


# How it is called


@pytest.mark.parametrize(
    "call",
    [
        lambda handler, event, context: handler(event, context),
        lambda handler, event, context: handler(event, context=context),
        lambda handler, event, context: handler(event=event, context=context),
        lambda handler, event, context: handler(context=context, event=event),
        lambda handler, event, context: handler(event, context, "more", dry=True),
        lambda handler, event, context: handler(event, context=context, dry=True),
    ],
)
@pytest.mark.parametrize("kind", ["named", "loose", "async"])
def test_event_and_context_are_found_however_they_are_passed(call: Any, kind: str, spans: Any, lambda_context: Any) -> None:
    def named(event: Any, context: Any, *more: Any, dry: bool = False) -> Any:
        return event, context

    def loose(*args: Any, **kwargs: Any) -> Any:
        return named(*args, **kwargs)

    async def asynchronous(event: Any, context: Any, *more: Any, dry: bool = False) -> Any:
        return event, context

    handler = traced_handler({"named": named, "loose": loose, "async": asynchronous}[kind])
    assert call(handler, REST, lambda_context) == (REST, lambda_context)
    ended = spans.one()
    assert (ended.name, ended.attributes["faas.invocation_id"]) == ("GET /pets/{id}", lambda_context.aws_request_id)


def test_parameters_may_have_any_names(spans: Any, lambda_context: Any) -> None:
    @traced_handler
    def handler(payload: Any, lambda_context: Any) -> None: ...

    handler(lambda_context=lambda_context, payload=REST)
    ended = spans.one()
    assert (ended.name, ended.attributes["faas.invocation_id"]) == ("GET /pets/{id}", lambda_context.aws_request_id)


def test_handler_of_one_argument_is_traced_without_a_context(spans: Any) -> None:
    assert traced_handler(lambda event: event["path"])(REST) == "/pets/7"
    assert spans.one().name == "GET /pets/{id}"


def test_handler_without_arguments_is_traced(spans: Any) -> None:
    assert traced_handler(lambda: 7)() == 7
    assert spans.one().name == "lambda"


def test_wrong_call_raises_what_it_raises_without_the_decorator(spans: Any) -> None:
    def handler(event: Any, context: Any) -> None: ...

    for call in (lambda function: function(), lambda function: function({}, None, None), lambda function: function({}, other=1)):
        with pytest.raises(TypeError) as plain:
            call(handler)
        with pytest.raises(TypeError) as decorated:
            call(traced_handler(handler))
        assert str(decorated.value) == str(plain.value)


# Any event, any context


class Hostile:
    """An object that raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


class HostileDict(dict[str, Any]):
    """A dict that cannot be read."""

    def get(self, *args: Any) -> Any:
        raise RuntimeError

    __getitem__ = __contains__ = __iter__ = items = get


ODD_EVENTS = [
    None,
    "",
    "text",
    7,
    -1.5,
    True,
    [],
    [None],
    [1, "a"],
    {},
    {1: 2, None: 3},
    object(),
    Hostile(),
    HostileDict(Records=[{}]),
    MagicMock(),
    {"requestContext": None},
    {"requestContext": "text"},
    {"requestContext": {}},
    {"requestContext": []},
    {"requestContext": {"http": None}},
    {"requestContext": {"http": "text"}, "version": "2.0", "rawPath": 7, "routeKey": 7},
    {"requestContext": {"elb": None}, "httpMethod": None, "headers": None},
    {"Records": None},
    {"Records": {}},
    {"Records": "text"},
    {"Records": [None]},
    {"Records": [[]]},
    {"Records": [{}]},
    {"Records": [Hostile()]},
    {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x"}]},
    {"Records": [{"eventSource": "aws:sqs", "messageId": None, "body": None}, None, 7, {}]},
    {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": {"a": 1}, "attributes": 7, "messageAttributes": [1]}]},
    {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "{" * 100_000, "eventSourceARN": "arn:aws"}]},
    {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x", "messageAttributes": {"traceparent": "x", "a": None}}]},
    {"Records": [{"EventSource": "aws:sns", "Sns": None}]},
    {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageAttributes": {"traceparent": {"Value": 7}}}}, None]},
    {"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}, {"eventSource": "aws:kinesis", "kinesis": None}]},
    {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"ApproximateCreationDateTime": 1e400}, "eventName": []}]},
    {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": [], "object": {"key": 7}}, "eventName": 7}]},
    {"eventSource": "aws:kafka", "records": {"t-0": None, "t-1": [None, {"headers": [None, {"traceparent": [300, -1]}]}]}},
    {"eventSource": "aws:rmq", "rmqMessagesByQueue": {1: None, "q::/": [None, {"basicProperties": {"headers": {"a": {"bytes": 1}}}}]}},
    {**REST, "headers": None, "multiValueHeaders": "text"},
    {**REST, "headers": [["host", "a"]]},
    {**REST, "headers": {"Host": ["a", "b"], "traceparent": 7, "X-Forwarded-For": None, 3: "x"}},
    {**REST, "headers": {"traceparent": "garbage", "x-amzn-trace-id": ";;=;", "tracestate": "=" * 600, "baggage": ";;,=,"}},
    {**REST, "resource": {}, "path": [], "httpMethod": 7, "queryStringParameters": "a"},
    {"source": 7, "detail-type": None, "detail": "text"},
    {"source": "aws.events", "detail-type": "Scheduled Event", "detail": None, "time": 7},
    {"path": "\ud800", "httpMethod": "\ud800", "headers": {"host": "\ud800"}, "requestContext": {}, "resource": "\ud800"},
]


@pytest.mark.parametrize("event", ODD_EVENTS, ids=lambda event: str(type(event).__name__))
def test_odd_event_reaches_the_handler_and_its_result_the_caller(event: Any, spans: Any, lambda_context: Any) -> None:
    result, seen = object(), []

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return result

    assert handler(event, lambda_context) is result
    assert len(seen) == 1
    assert seen[0] is event
    if not isinstance(event, Hostile):
        root = spans.take()[-1]
        assert (root.kind, root.attributes["faas.invocation_id"]) == (SpanKind.SERVER, lambda_context.aws_request_id)


def with_fields(**fields: Any) -> Any:
    """A context with these fields only."""
    return types.SimpleNamespace(**fields)


def raising() -> Any:
    """A method of a context that does not work."""
    raise RuntimeError


ODD_CONTEXTS = [
    None,
    {},
    7,
    object(),
    Hostile(),
    MagicMock(),
    with_fields(invoked_function_arn=None, aws_request_id=None),
    with_fields(invoked_function_arn="a:b:c", function_name=7, function_version=[], aws_request_id=b"x"),
    with_fields(invoked_function_arn="arn:aws:lambda", get_remaining_time_in_millis=raising),
    with_fields(get_remaining_time_in_millis=lambda: None, client_context=7, w3c=raising),
    with_fields(get_remaining_time_in_millis=lambda: "3000", client_context=with_fields(custom=[1]), w3c=lambda: 7),
    with_fields(get_remaining_time_in_millis=3000, client_context={"custom": {"traceparent": 7}}, w3c={"traceparent": None}),
    with_fields(get_remaining_time_in_millis=lambda: float("nan")),
    with_fields(get_remaining_time_in_millis=lambda: -5),
]


@pytest.mark.parametrize("context", ODD_CONTEXTS, ids=lambda context: type(context).__name__)
def test_odd_context_reaches_the_handler_and_the_span_is_made(context: Any, spans: Any) -> None:
    result = object()
    assert traced_handler(lambda event, context: (result, context))(REST, context) == (result, context) if context is not None else True
    seen = []

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        seen.append(context)
        return result

    spans.take()
    assert handler(REST, context) is result
    assert seen[0] is context
    assert spans.one().name == "GET /pets/{id}"


KEYS = ["Records", "eventSource", "messageId", "body", "requestContext", "headers", "httpMethod", "resource", "statusCode", "kinesis", "s3"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner | st.sampled_from(["aws:sqs", "aws:s3", "aws:kinesis", "aws:dynamodb", "aws:kafka", "2.0", "1.0"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=JSON, response=JSON)
def test_any_event_and_any_result_pass_through(event: Any, response: Any, spans: Any, lambda_context: Any) -> None:
    spans.take()
    seen = []

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        return response

    assert handler(event, lambda_context) is response
    assert seen[0] is event
    assert spans.take()[-1].kind is SpanKind.SERVER


def test_broken_source_is_skipped_and_said_once(spans: Any, lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    def broken(event: Any) -> Any:
        raise RuntimeError("broken")

    sources = (EventSource("matching", broken, lambda event: Trigger()), EventSource("describing", lambda event: True, broken), *SOURCES)
    handler = traced_handler(sources=sources)(lambda event, context: event)
    for _ in range(3):
        assert handler(REST, lambda_context) is REST
        assert spans.one().name == "GET /pets/{id}"
    assert [line.split()[2] for line in logged()] == ["matching", "describing"]


def test_wrong_sources_leave_the_handler_untraced_and_are_said_once(spans: Any, logged: Callable[[], list[str]]) -> None:
    handler = traced_handler(sources=7)(lambda event, context: event)  # type: ignore[call-overload]
    assert [handler(REST, None) for _ in range(3)] == [REST] * 3
    assert spans.take() == []
    assert len(logged()) == 1
    assert logged()[0].startswith("invocation not traced: TypeError")


@pytest.mark.parametrize("response", [HostileDict(statusCode=500), HostileDict(batchItemFailures=[{}]), Hostile(), MagicMock()], ids=type)
@pytest.mark.parametrize("event", [REST, ORDERS], ids=["http", "sqs"])
def test_odd_response_passes_through_and_the_spans_are_ended(event: Any, response: Any, spans: Any, lambda_context: Any) -> None:
    configure(capture=("http.response.header.x",))
    assert traced_handler(lambda event, context: response)(event, lambda_context) is response
    assert spans.take()[-1].kind is SpanKind.SERVER


def test_large_event_and_response_are_neither_copied_nor_changed(spans: Any, lambda_context: Any) -> None:
    def event(size: int) -> Any:
        return {**REST, "body": "x" * size, "headers": {"a": "b"}, "queryStringParameters": {"a": "b"}}

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        return response

    def cost(size: int) -> int:
        nonlocal response
        given, response = event(size), {"statusCode": 200, "body": "x" * size}
        handler(given, lambda_context)
        gc.collect()
        tracemalloc.start()
        try:
            assert handler(given, lambda_context) is response
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (given, response) == (event(size), {"statusCode": 200, "body": "x" * size})
        spans.take()
        return peak

    response: Any = None
    cost(10)
    assert cost(6_000_000) < cost(10) + 100_000


def test_large_messages_are_neither_copied_nor_parsed_when_they_are_no_json(spans: Any, lambda_context: Any) -> None:
    def cost(size: int) -> int:
        event = {"Records": [{**ORDERS["Records"][0], "messageId": str(number), "body": "x" * size} for number in range(10)]}
        handler(event, lambda_context)
        gc.collect()
        tracemalloc.start()
        try:
            handler(event, lambda_context)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        spans.take()
        return peak

    handler = traced_handler(lambda event, context: None)
    cost(10)
    assert cost(600_000) < cost(10) + 100_000


# Exceptions


class SuspendExecution(BaseException):
    """As of durable functions."""


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=type)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_error_is_recorded_sent_and_raised_again_as_the_same_object(error: BaseException, kind: str, lambda_context: Any) -> None:
    sent = []

    class Exporter:
        def export(self, spans: Any) -> Any:
            sent.extend(spans)
            return types.SimpleNamespace(name="SUCCESS")

        def shutdown(self) -> None: ...

    configure(exporters=(Exporter(),))  # type: ignore[arg-type]

    def fail(event: Any, context: Any) -> None:
        raise error

    async def fail_async(event: Any, context: Any) -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)) as caught:
        traced_handler(fail if kind == "sync" else fail_async)({}, lambda_context)
    if sys.version_info >= (3, 11) or not isinstance(error, asyncio.CancelledError):  # asyncio of 3.10 itself makes a new one
        assert caught.value is error
    (ended,) = sent
    assert ended.status.status_code is StatusCode.ERROR
    assert ended.attributes["error.type"].endswith(type(error).__name__)
    assert [event.name for event in ended.events] == ["exception"]


def test_frames_of_the_handler_stand_in_the_traceback_as_without_the_decorator() -> None:
    def inner() -> None:
        raise ValueError

    def handler(event: Any, context: Any) -> None:
        inner()

    def frames(decorated: Any) -> list[str]:
        with pytest.raises(ValueError) as caught:
            decorated({}, None)
        return [entry.frame.code.name for entry in caught.traceback if entry.path.name == "test_handler.py"]

    assert frames(traced_handler(handler)) == frames(handler) == ["frames", "handler", "inner"]


# One span for one invocation


def test_handler_decorated_twice_makes_one_span(spans: Any, lambda_context: Any) -> None:
    @traced_handler(name="outer")
    @traced_handler(name="inner")
    def handler(event: Any, context: Any) -> str:
        return "done"

    assert handler({}, lambda_context) == "done"
    assert spans.one().name == "outer"


def test_handler_that_calls_another_makes_one_span(spans: Any, lambda_context: Any) -> None:
    @traced_handler(name="other")
    def other(event: Any, context: Any) -> Any:
        return get_current_span()

    @traced_handler(name="one")
    def one(event: Any, context: Any) -> Any:
        with span("inside"):
            assert other(REST, context).name == "inside"
        return other(ORDERS, context)

    assert one({}, lambda_context).name == "one"
    assert [entry.name for entry in spans.take()] == ["inside", "one"]
    other({}, lambda_context)
    assert spans.one().name == "other"


def test_handlers_that_run_at_a_time_in_several_threads_have_a_span_each(spans: Any, lambda_context: Any) -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    barrier = threading.Barrier(3)

    @traced_handler
    def handler(event: Any, context: Any) -> int:
        barrier.wait(10)
        return get_current_span().get_span_context().span_id

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(handler, {}, lambda_context) for _ in range(3)]
    ended = spans.take()
    assert {future.result() for future in futures} == {entry.context.span_id for entry in ended}
    assert len({entry.context.trace_id for entry in ended}) == 3


INSTRUMENTED = "app_of_test_handler"


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch, installed: Any) -> Iterator[Any]:
    """OpenTelemetry's own instrumentation around the handler of a module, as its layer does it."""
    from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

    module = types.ModuleType(INSTRUMENTED)
    monkeypatch.setitem(sys.modules, INSTRUMENTED, module)
    monkeypatch.setenv("_HANDLER", f"{INSTRUMENTED}.handler")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "my-function")
    instrumentor = AwsLambdaInstrumentor()

    def instrument(handler: Any) -> Any:
        module.handler = handler  # type: ignore[attr-defined]
        instrumentor.instrument(skip_dep_check=True)
        return module.handler

    yield instrument
    instrumentor.uninstrument()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (REST, [("inside", "INTERNAL")]),
        (ORDERS, [("inside", "INTERNAL"), ("process orders", "CONSUMER")]),
        (NEWS, [("inside", "INTERNAL"), ("process news", "CONSUMER")]),
    ],
    ids=["http", "sqs", "sns"],
)
def test_handler_under_the_layers_instrumentation_makes_one_span_of_each_kind(
    kind: str, event: Any, expected: list[Any], layer: Any, installed: Any, lambda_context: Any
) -> None:
    def handler(event: Any, context: Any) -> Any:
        with span("inside"):
            return {"statusCode": 200}

    async def handler_async(event: Any, context: Any) -> Any:
        return handler(event, context)

    instrumented = layer(traced_handler(handler if kind == "sync" else handler_async))
    assert instrumented(event, lambda_context) == {"statusCode": 200}
    *inner, root = installed.get_finished_spans()
    assert [(entry.name, entry.kind.name) for entry in inner] == expected
    assert (root.parent, root.attributes["faas.invocation_id"]) == (None, lambda_context.aws_request_id)
    assert [entry.parent for entry in inner] == [entry.context for entry in (*inner[1:], root)]


def test_failed_records_are_counted_on_the_layers_span(layer: Any, installed: Any, lambda_context: Any) -> None:
    instrumented = layer(traced_handler(lambda event, context: {"batchItemFailures": [{"itemIdentifier": "m-1"}]}))
    instrumented(ORDERS, lambda_context)
    batch, _ = installed.get_finished_spans()
    assert (batch.name, batch.attributes["lambda_otel.batch.failure_count"]) == ("process orders", 1)


# Context


def test_no_span_is_current_after_any_of_many_invocations_that_leak_a_context(spans: Any, lambda_context: Any) -> None:
    leaked = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1)))

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        assert get_current_span().name == "my-function"
        otel_context.attach(trace.set_span_in_context(leaked))

    for _ in range(100):
        handler({}, lambda_context)
        assert otel_context.get_current() == {}
    ended = spans.take()
    assert len({entry.context.trace_id for entry in ended}) == 100
    assert all(entry.parent is None for entry in ended)


def test_invocation_starts_from_an_empty_context_and_leaves_the_one_before_it(spans: Any, lambda_context: Any) -> None:
    with span("left over by something else"):
        before = otel_context.attach(otel_context.set_value("key", "value"))
        traced_handler(lambda event, context: otel_context.get_value("key"))({}, lambda_context)
        assert otel_context.get_value("key") == "value"
        otel_context.detach(before)
    invocation, _ = spans.take()
    assert invocation.parent is None


# Async handlers


def test_async_handler_is_awaited(spans: Any, lambda_context: Any) -> None:
    result = object()

    @span("work")
    async def work() -> Any:
        await asyncio.sleep(0)
        return result

    @traced_handler
    async def handler(event: Any, context: Any) -> Any:
        return (await asyncio.gather(work(), asyncio.create_task(work())))[1]

    assert handler(REST, lambda_context) is result
    *work_spans, root = spans.take()
    assert (root.name, root.attributes["code.function.name"].rpartition(".")[2]) == ("GET /pets/{id}", "handler")
    assert [entry.parent for entry in work_spans] == [root.context] * 2


def test_async_handler_called_where_a_loop_runs_is_the_callers_to_await(spans: Any, lambda_context: Any) -> None:
    error = ValueError()

    @traced_handler
    async def handler(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        if event is None:
            raise error
        return event

    async def main() -> None:
        with span("caller"):
            assert await handler(REST, lambda_context) is REST
            with pytest.raises(ValueError) as caught:
                await handler(None, lambda_context)
            assert caught.value is error
            assert await asyncio.gather(handler(REST, None), handler(ORDERS, None)) == [REST, ORDERS]
            assert get_current_span().name == "caller"

    asyncio.run(main())
    servers = [entry for entry in spans.take() if entry.kind is SpanKind.SERVER]
    assert [entry.status.status_code.name for entry in servers] == ["UNSET", "ERROR", "UNSET", "UNSET"]
    assert len({entry.context.trace_id for entry in servers}) == 4


@pytest.mark.parametrize("in_loop", [False, True])
def test_async_handler_decorated_twice_makes_one_span_as_long_as_it_runs(in_loop: bool, spans: Any, lambda_context: Any) -> None:
    @traced_handler(name="outer")
    @traced_handler(name="inner")
    async def handler(event: Any, context: Any) -> str:
        await asyncio.sleep(0.02)
        return "done"

    async def main() -> str:
        return await handler({}, lambda_context)  # type: ignore[misc]

    assert (asyncio.run(main()) if in_loop else handler({}, lambda_context)) == "done"
    ended = spans.one()
    assert ended.name == "outer"
    assert ended.end_time - ended.start_time >= 15_000_000


def test_async_handler_inside_a_plain_wrapper_is_awaited_as_well(spans: Any, lambda_context: Any) -> None:
    async def inner(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return get_current_span().name

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        return inner(event, context)

    assert handler(REST, lambda_context) == "GET /pets/{id}"
    assert spans.one().status.status_code is StatusCode.UNSET


def test_async_handler_that_cannot_be_traced_is_awaited_too(monkeypatch: pytest.MonkeyPatch, lambda_context: Any) -> None:
    @traced_handler(sources=7)  # type: ignore[call-overload]
    async def handler(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return event

    assert handler(REST, lambda_context) is REST
