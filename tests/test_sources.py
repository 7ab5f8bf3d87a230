"""Event sources on what Lambda does not document: damaged, foreign and huge events, and sources of the user's own."""

from __future__ import annotations

import copy
import gc
import json
import logging
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
from awslambdaric.lambda_context import LambdaContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import format_span_id, format_trace_id

from lambda_otel import traced_handler, traced_record
from lambda_otel.sources import SOURCES, UNKNOWN, Batch, EventSource, Message, Trigger, recognize
from lambda_otel.sources._fields import headers
from lambda_otel.sources._http import query_from, redact, request_attributes, split_host

EVENTS = Path(__file__).parent / "events"
CASES = sorted(path for path in EVENTS.glob("*/*.json") if not path.name.endswith(".expected.json"))
LOADED = {case: json.loads(case.read_text()) for case in CASES}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PARENT = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")

every_fixture = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
modest = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


# --- Damage


def is_bytes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(byte, int) and -128 <= byte < 256 for byte in value)


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside a value; a list of bytes is one value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in () if is_bytes(value) else items:
        yield (*path, key)
        yield from walk(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


PATHS = {case: list(walk(event)) or [()] for case, event in LOADED.items()}
foreign = st.sampled_from(
    [None, True, 0, -1, 7, 1.5, 10**30, "", "x", "{", "\ud800", "aws:sqs", [], [None], ["x"], [[]], {}, {"a": None}, {"a": {"b": []}}]
)


@st.composite
def damaged(draw: Any, case: Path) -> Any:
    """A fixture with some of its values dropped, replaced, wrapped, emptied or exchanged."""
    event = copy.deepcopy(LOADED[case])
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(PATHS[case]))
        other = draw(st.sampled_from(PATHS[case]))
        kind = draw(st.sampled_from(["drop", "replace", "replace", "wrap", "empty", "exchange", "stringify"]))
        try:
            place, key = at(event, path[:-1]), path[-1]
            if kind == "drop":
                del place[key]
            elif kind == "replace":
                place[key] = copy.deepcopy(draw(foreign))
            elif kind == "wrap":
                place[key] = draw(st.sampled_from([[place[key]], {"a": place[key]}]))
            elif kind == "empty":
                place[key] = type(place[key])()
            elif kind == "stringify":
                place[key] = json.dumps(place[key])
            else:
                place[key], at(event, other[:-1])[other[-1]] = copy.deepcopy(at(event, other)), copy.deepcopy(place[key])
        except (KeyError, IndexError, TypeError):
            continue  # there never was a place, or an earlier damage took it away
    return event


def texts(value: Any) -> Iterator[str]:
    """All strings in an event, those that stand as lists of bytes as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        if is_bytes(value):
            yield bytes(byte & 255 for byte in value).decode(errors="replace")
        for inner in value:
            yield from texts(inner)


def contexts_in(event: Any) -> set[tuple[str, str]]:
    """Trace and span of every context that is written anywhere in an event."""
    found: set[tuple[str, str]] = set()
    for text in texts(event):
        found.update(re.findall(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", text))
        for root, parent in re.findall(r"Root=1-([0-9a-f]{8}-[0-9a-f]{24})[^,]*?Parent=([0-9a-f]{16})", text):
            found.add((root.replace("-", ""), parent))
    return found


def contexts_of(ended: Any) -> set[tuple[str, str]]:
    """Trace and span of all remote parents and links."""
    remote = [span.parent for span in ended if span.parent and span.parent.is_remote] + [
        link.context for span in ended for link in span.links
    ]
    return {(format_trace_id(context.trace_id), format_span_id(context.span_id)) for context in remote}


def records_of(event: Any) -> list[Any]:
    """What a handler may take for the records of an event."""
    if not isinstance(event, dict):
        return []
    nested = [event.get("records"), event.get("rmqMessagesByQueue")]
    lists = [
        event.get("Records"),
        event.get("messages"),
        event.get("events"),
        *(value for item in nested if isinstance(item, dict) for value in item.values()),
    ]
    return [record for found in lists if isinstance(found, list) for record in found]


def run(event: Any, context: Any, result: Any) -> None:
    """An invocation, whose result and event must come out as they were."""
    process = traced_record(lambda record: record)
    seen: list[Any] = []

    @traced_handler
    def handler(event: Any, context: Any) -> Any:
        seen.append(event)
        for record in records_of(event):
            assert process(record) is record
        return result

    before = repr(event), repr(result)
    assert handler(event, context) is result
    assert len(seen) == 1
    assert seen[0] is event
    assert (repr(event), repr(result)) == before


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of our own faults and of attributes that OpenTelemetry refuses; its own propagators choke on lone surrogates."""
    said = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith(("lambda_otel", "opentelemetry.attributes", "opentelemetry.sdk"))
    ]
    return [text for text in said if not text.endswith("could not read a trace context: UnicodeEncodeError")]


@every_fixture
@modest
@given(data=st.data())
def test_damaged_event_is_handled_as_if_whole(
    case: Path, data: Any, spans: Any, lambda_context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    event = data.draw(damaged(case))
    run(event, lambda_context, {"statusCode": 200})
    ended = spans.take()
    assert ended[-1].kind.name == "SERVER"
    assert contexts_of(ended) <= contexts_in(LOADED[case])
    assert faults(caplog) == []


@every_fixture
def test_contexts_of_a_whole_event_are_known_to_this_test(case: Path, spans: Any, lambda_context: Any) -> None:
    run(copy.deepcopy(LOADED[case]), lambda_context, None)
    found = contexts_of(spans.take())
    expected = json.loads(case.with_suffix(".expected.json").read_text())
    assert found <= contexts_in(LOADED[case])
    assert bool(found) == bool(expected["tree"].get("parent") or '"trace_id"' in json.dumps(expected))


vocabulary = st.sampled_from(sorted({key for paths in PATHS.values() for path in paths for key in path if isinstance(key, str)}))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | vocabulary
keys = vocabulary | st.sampled_from(["statusCode", "batchItemFailures", "itemIdentifier"])
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(event=anything, fields=st.dictionaries(st.sampled_from(dir(LambdaContext)), anything), result=anything)
def test_no_event_context_or_result_changes_the_outcome(
    event: Any, fields: dict[str, Any], result: Any, spans: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run(event, SimpleNamespace(**fields), result)
    assert spans.take()[-1].kind.name == "SERVER"
    assert faults(caplog) == []


@pytest.mark.parametrize("event", [None, True, 7, 1.5, "x", b"x", (), [], [[]], {}, {1: 2}, {None: {b"x": []}}, object()], ids=repr)
@pytest.mark.parametrize("context", [None, {}, 7, object()], ids=repr)
def test_values_that_are_no_json_objects_are_handled(event: Any, context: Any, spans: Any, logged: Callable[[], list[str]]) -> None:
    run(event, context, event)
    assert spans.one().attributes["faas.trigger"] == "other"
    assert logged() == []


@pytest.mark.parametrize(
    "name", ["Records", "headers", "multiValueHeaders", "requestContext", "records", "messages", "detail", "info", "events"]
)
def test_names_that_are_no_strings_are_passed_over(name: str, spans: Any, lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    odd = {7: "x", None: ["x"], b"traceparent": TRACEPARENT, ("a",): {}}
    for event in ({name: odd}, {"requestContext": {"elb": {}}, name: odd}, {"Records": [{"cf": {"config": {}, "request": {name: odd}}}]}):
        run(event, lambda_context, None)
    assert contexts_of(spans.take()) == set()
    assert logged() == []


def deep(levels: int, kind: str) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value} if kind == "dict" else [value]
    return value


@pytest.mark.parametrize("kind", ["dict", "list"])
@pytest.mark.parametrize(
    "around",
    [
        lambda value: value,
        lambda value: {"Records": value},
        lambda value: {"Records": [value]},
        lambda value: {
            "Records": [{"eventSource": "aws:sqs", "messageId": value, "body": value, "messageAttributes": value, "attributes": value}]
        },
        lambda value: {
            "Records": [{"eventSource": "aws:dynamodb", "eventName": value, "dynamodb": {"ApproximateCreationDateTime": value}}]
        },
        lambda value: {
            "requestContext": {"elb": {}},
            "httpMethod": value,
            "headers": value,
            "multiValueQueryStringParameters": {"a": value},
        },
        lambda value: {
            "eventSource": "aws:kafka",
            "records": {"a-0": [{"topic": value, "partition": value, "offset": value, "headers": [value]}]},
        },
        lambda value: {"eventSource": "aws:docdb", "events": [{"event": {"operationType": value, "ns": value}}]},
        lambda value: {"detail-type": "x", "source": "x", "detail": value, "id": value},
        lambda value: {"headers": {"traceparent": value}},
    ],
    ids=range(10),
)
def test_event_of_any_depth_is_handled(kind: str, around: Any, spans: Any, lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    event = around(deep(50_000, kind))
    result = object()
    assert traced_handler(lambda event, context: result)(event, lambda_context) is result
    assert spans.take()[-1].name == "my-function"
    assert logged() == []


def test_body_of_any_depth_is_handled(spans: Any, lambda_context: Any, logged: Callable[[], list[str]]) -> None:
    body = '{"detail-type":' * 100_000
    run({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": body}]}, lambda_context, None)
    assert [span.name for span in spans.take()] == ["process", "process", "my-function"]
    assert logged() == []


LARGE = "x" * 6_000_000


@pytest.mark.parametrize(
    "event",
    [
        {"payload": LARGE},
        {"requestContext": {}, "httpMethod": "POST", "resource": "/upload", "path": "/upload", "body": LARGE, "headers": {}},
        {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": f'{{"image":"{LARGE}"}}', "messageAttributes": {}}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": LARGE}}]},
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": LARGE}}]},
        {"eventSource": "aws:kafka", "records": {"a-0": [{"topic": "a", "partition": 0, "offset": 1, "value": LARGE, "key": LARGE}]}},
        {"detail-type": "x", "source": "x", "detail": {"image": LARGE}},
        {"awslogs": {"data": LARGE}},
    ],
    ids=["unknown", "http", "sqs", "sns", "kinesis", "kafka", "eventbridge", "logs"],
)
def test_event_of_six_megabytes_is_not_copied(event: Any, spans: Any, lambda_context: Any) -> None:
    handler = traced_handler(lambda event, context: event)
    handler({}, lambda_context)
    tracemalloc.start()
    try:
        assert handler(event, lambda_context) is event
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert not any(LARGE in str(value) for span in spans.take() for value in span.attributes.values())


# --- Sources of the user's own


def mine(**trigger: Any) -> EventSource:
    return EventSource("mine", lambda event: event.get("source") == "mine", lambda event: Trigger(**trigger))


def test_source_of_the_user_goes_first(spans: Any, lambda_context: Any) -> None:
    event = {"source": "mine", "detail-type": "x", "detail": {}}
    batch = Batch("mine", (Message(system="mine", id="1", destination="here", carriers=({"traceparent": TRACEPARENT},)),), single=True)
    chosen = mine(faas_trigger="pubsub", name="mine", attributes={"app.kind": "x"}, batch=batch)

    @traced_handler(sources=(chosen, *SOURCES))
    def handler(event: Any, context: Any) -> None: ...

    handler(event, lambda_context)
    child, root = spans.take()
    assert (root.name, root.attributes["app.kind"], root.attributes["faas.trigger"]) == ("mine", "x", "pubsub")
    assert (child.name, child.attributes["messaging.system"]) == ("process here", "mine")
    assert contexts_of([root]) == {PARENT}
    handler({"detail-type": "x", "source": "other", "detail": {}, "id": "1"}, lambda_context)
    assert [span.name for span in spans.take()] == ["process", "my-function"]


def test_source_shows_its_name() -> None:
    assert repr(mine()) == "EventSource('mine')"


def test_source_of_the_user_knows_its_records(spans: Any, lambda_context: Any) -> None:
    def message(record: Any) -> Message | None:
        return Message(system="mine", id=record["number"], destination="here") if "number" in record else None

    source = EventSource("mine", lambda event: "numbers" in event, lambda event: Trigger(), message)
    process = traced_record(lambda record: None)

    @traced_handler(sources=(source, *SOURCES))
    def handler(event: Any, context: Any) -> None:
        for record in event["numbers"]:
            process(record)

    handler({"numbers": [{"number": "1"}]}, lambda_context)
    record, _ = spans.take()
    assert (record.name, record.attributes["messaging.message.id"]) == ("process here", "1")


def fail(event: Any) -> Any:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "broken",
    [EventSource("broken", fail, lambda event: Trigger()), EventSource("broken", lambda event: True, fail)],
    ids=["matches", "describe"],
)
def test_source_that_raises_is_skipped_and_said_once(
    broken: EventSource, spans: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    handler = traced_handler(sources=(broken, *SOURCES))(lambda event, context: event)
    event = {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": ""}]}
    for _ in range(3):
        assert handler(event, lambda_context) is event
        assert [span.name for span in spans.take()] == ["process", "my-function"]
    assert logged() == ["event source broken skipped, it raised ValueError: broken"]


def test_messages_that_a_source_cannot_make_leave_the_invocation_traced(
    spans: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    class Broken(list[Message]):
        def __iter__(self) -> Any:
            raise ValueError("broken")

    mine = EventSource("mine", lambda event: True, lambda event: Trigger(batch=Batch("mine", Broken())))
    handler = traced_handler(lambda event, context: event, sources=(mine, *SOURCES))
    event = {"kind": "mine"}
    assert handler(event, lambda_context) is event
    assert spans.one().attributes["faas.trigger"] == "other"
    assert logged() == ["messages not traced: ValueError: broken"]


def test_failures_are_counted_although_the_handler_takes_the_records_apart(spans: Any, lambda_context: Any) -> None:
    def handler(event: Any, context: Any) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": event["Records"].pop(0).pop("messageId")}]}

    traced_handler(handler)(json.loads((EVENTS / "sqs/two_traces.json").read_text()), lambda_context)
    (batch,) = [span for span in spans.take() if span.name.startswith("process")]
    assert batch.attributes["lambda_otel.batch.failure_count"] == 1


def test_a_context_that_is_kept_does_not_keep_the_event(spans: Any, lambda_context: Any) -> None:
    class Event(dict[str, Any]):
        """One that can be referred to weakly."""

    kept = []
    for name in ("http_api_v2/any_route_custom_domain_stage", "sqs/two_traces"):
        event = Event(json.loads((EVENTS / f"{name}.json").read_text()))
        traced_handler(lambda event, context: kept.append(copy_context()))(event, lambda_context)
        left = ref(event)
        del event
        gc.collect()
        assert left() is None


def test_without_a_source_every_event_is_unknown(spans: Any, lambda_context: Any) -> None:
    traced_handler(sources=())(lambda event, context: None)(LOADED[EVENTS / "sqs/two_traces.json"], lambda_context)
    span = spans.one()
    assert (span.attributes["faas.trigger"], span.links) == ("other", ())


def test_attributes_that_a_source_cannot_make_are_left_out_and_said_once(
    spans: Any, lambda_context: Any, logged: Callable[[], list[str]]
) -> None:
    def describe(event: Any) -> Trigger:
        return Trigger(faas_trigger="http", attributes=lambda: {"app.kind": event["missing"]})

    mine = EventSource("mine", lambda event: True, describe)
    handler = traced_handler(lambda event, context: event, sources=(mine, *SOURCES))
    event = {"kind": "mine"}
    assert [handler(event, lambda_context) for _ in range(2)] == [event, event]
    assert [span.attributes["faas.trigger"] for span in spans.take()] == ["http", "http"]
    assert logged() == ["attributes of the event left out, its source failed: KeyError: 'missing'"]


def test_source_is_asked_only_about_events_of_its_type() -> None:
    asked: list[Any] = []
    source = EventSource("text", lambda event: bool(asked.append(event)), lambda event: Trigger(), event_type=str)
    for event in ({}, [], None, "text"):
        assert recognize(event, (source,))[0] is UNKNOWN
    assert asked == ["text"]


def test_names_of_sources_are_unique() -> None:
    names = [source.name for source in (*SOURCES, UNKNOWN)]
    assert len(set(names)) == len(names)


# --- The context beside and inside direct invocations


def runtime_context(**client_context: Any) -> LambdaContext:
    """A context as AWS's own runtime makes it."""
    return LambdaContext("request", {"custom": {}, "env": {}, "client": None, **client_context}, None, 4_000_000_000_000)


@pytest.mark.parametrize(
    ("event", "context"),
    [
        ({"headers": {"Traceparent": TRACEPARENT}}, runtime_context()),
        ({"multiValueHeaders": {"Traceparent": [TRACEPARENT]}}, runtime_context()),
        ({"order": 7}, runtime_context(w3c={"traceparent": TRACEPARENT})),
        ({"order": 7}, runtime_context(custom={"traceparent": TRACEPARENT})),
        (
            {"headers": {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"}},
            runtime_context(custom={"traceparent": TRACEPARENT}),
        ),
        ([1, 2], runtime_context(custom={"traceparent": TRACEPARENT})),
        ({"order": 7, "_context": {"traceparent": TRACEPARENT}}, runtime_context()),
        ({"detail-type": "x", "source": "x", "detail": {"_context": {"TraceParent": TRACEPARENT}}}, runtime_context()),
    ],
    ids=range(8),
)
def test_parent_of_an_invocation_without_a_carrier_of_its_own(
    event: Any, context: Any, monkeypatch: pytest.MonkeyPatch, installed: Any
) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_CONTEXT_KEY", "_context")
    run(event, context, None)
    root = installed.get_finished_spans()[-1]
    assert contexts_of([root]) == {PARENT}


# --- HTTP requests


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        (None, (None, None)),
        ("", (None, None)),
        ("example.com", ("example.com", None)),
        ("example.com:8443", ("example.com", 8443)),
        ("[::1]", ("::1", None)),
        ("[::1]:8443", ("::1", 8443)),
        ("2001:db8::7", ("2001:db8::7", None)),
        ("example.com:x", ("example.com:x", None)),
        ("example.com:" + "9" * 5000, ("example.com:" + "9" * 5000, None)),
    ],
)
def test_host_is_split_from_its_port(host: str | None, parts: tuple[str | None, int | None]) -> None:
    assert split_host(host) == parts


@pytest.mark.parametrize(
    ("query", "redacted"),
    [
        ("a=b&c=d", "a=b&c=d"),
        ("X-Amz-Signature=abc&a=b", "X-Amz-Signature=REDACTED&a=b"),
        ("X-Amz-Credential=a%2Fb&X-Amz-Security-Token=c", "X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED"),
        (
            "sig=a=b&AWSAccessKeyId=c&Signature=d&X-Goog-Signature=e",
            "sig=REDACTED&AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Goog-Signature=REDACTED",
        ),
        ("SIG=a&x-amz-signature=b&sig", "SIG=a&x-amz-signature=b&sig"),
        ("sig=", "sig=REDACTED"),
        ("&&=", "&&="),
        ("sig", "sig"),
    ],
)
def test_signatures_in_a_query_are_redacted(query: str, redacted: str) -> None:
    assert redact(query) == redacted


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({"a": "b c", "d": ["e", "&"]}, "a=b+c&d=e&d=%26"),
        ({"a": None, "b": [], "c": [None, 7], "d": {}}, None),
        ({7: "x", "ü": "é"}, "7=x&%C3%BC=%C3%A9"),
        ({"a": "\ud800"}, "a=%3F"),
        ({}, None),
    ],
)
def test_query_is_made_of_parameters(parameters: dict[Any, Any], query: str | None) -> None:
    assert query_from(parameters) == query


def test_query_that_came_encoded_stays_so() -> None:
    assert query_from({"a%20b": ["c%26", "d"]}, encoded=True) == "a%20b=c%26&a%20b=d"


def test_values_of_a_header_are_joined_where_it_is_a_list() -> None:
    event = {
        "headers": {"Host": "last", "X-Forwarded-For": "b", "Only": "here"},
        "multiValueHeaders": {"host": ["first", "last"], "x-forwarded-for": ["a", "b"], "TraceState": ["a=1", "b=2"], "Baggage": ["a=1"]},
    }
    assert headers(event) == {"host": "last", "x-forwarded-for": "a,b", "only": "here", "tracestate": "a=1,b=2", "baggage": "a=1"}


def test_headers_of_cloudfront_are_joined_the_same_way() -> None:
    listed = {
        "traceparent": [{"key": "Traceparent", "value": TRACEPARENT}],
        "tracestate": [{"key": "tracestate", "value": "a=1"}, {"key": "tracestate", "value": "b=2"}],
        "x-forwarded-for": [{"value": "198.51.100.1"}, {"value": "198.51.100.2"}],
        "host": [{"value": "first"}, {"value": "last"}],
        "odd": "x",
        "none": [None, {}],
        7: [{"value": "x"}],
    }
    _, trigger = recognize({"Records": [{"cf": {"config": {}, "request": {"method": "GET", "headers": listed}}}]})
    assert trigger.headers == {
        "traceparent": TRACEPARENT,
        "tracestate": "a=1,b=2",
        "x-forwarded-for": "198.51.100.1,198.51.100.2",
        "host": "last",
    }
    assert trigger.attributes()["client.address"] == "198.51.100.1"


@pytest.mark.parametrize(
    ("protocol", "version"),
    [("HTTP/1.1", "1.1"), ("HTTP/1.0", "1.0"), ("HTTP/2.0", "2"), ("HTTP/3.0", "3"), ("HTTP/2", "2"), (None, None), ("HTTP/", None)],
)
def test_version_of_the_protocol_is_a_number(protocol: str | None, version: str | None) -> None:
    attributes = request_attributes({}, method="GET", protocol=protocol)
    assert attributes.get("network.protocol.version") == version


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("198.51.100.1:5000, 10.0.0.1", "198.51.100.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:5000", "2001:db8::7"),
        ("", "10.0.0.9"),
    ],
)
def test_client_is_the_first_that_was_forwarded(forwarded: str, address: str) -> None:
    attributes = request_attributes({"x-forwarded-for": forwarded}, client="10.0.0.9")
    assert attributes["client.address"] == address
