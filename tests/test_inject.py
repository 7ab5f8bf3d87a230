"""The context in what a function sends: within AWS's limits, and nothing of the user's changed."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from lambda_otel import configure, extract_sqs, inject_http, inject_sns, inject_sqs
from lambda_otel.state import state

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
XRAY = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"
B3 = f"{TRACE}-{SPAN}-1"

INJECT: dict[str, Callable[..., dict[str, Any]]] = {"sqs": inject_sqs, "sns": inject_sns}
REQUIRED: dict[str, dict[str, Any]] = {
    "sqs": {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo", "MessageBody": "{}"},
    "sns": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:orders.fifo", "Message": "{}"},
}
FIFO = {"MessageGroupId": "group", "MessageDeduplicationId": "1"}
ENTRIES = {"sqs": "Entries", "sns": "PublishBatchRequestEntries"}
OPERATIONS = {"sqs": ("SendMessage", "SendMessageBatch"), "sns": ("Publish", "PublishBatch")}
both = pytest.mark.parametrize("service", ["sqs", "sns"])


@contextmanager
def current(span: str = SPAN, tracestate: Mapping[str, str] | None = None, entries: Mapping[str, str] | None = None) -> Iterator[None]:
    """A remote span, and baggage, as the current ones."""
    span_context = SpanContext(int(TRACE, 16), int(span, 16), True, TraceFlags(1), TraceState(list((tracestate or {}).items())))
    context = trace.set_span_in_context(NonRecordingSpan(span_context), Context())
    for key, value in (entries or {}).items():
        context = baggage.set_baggage(key, value, context)
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


@pytest.fixture(scope="module")
def clients() -> dict[str, Any]:
    """Clients of boto3 that refuse what AWS's models refuse, and send nothing."""
    options = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return {service: boto3.client(service, **options) for service in ("sqs", "sns")}  # type: ignore[call-overload]


def faults(clients: dict[str, Any], service: str, message: dict[str, Any], batch: bool = False) -> str:
    """What botocore finds wrong with the arguments of a call."""
    shape = clients[service].meta.service_model.operation_model(OPERATIONS[service][batch]).input_shape
    return ParamValidator().validate(message, shape).generate_report()


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The values of message attributes."""
    return {name: attribute["StringValue"] for name, attribute in attributes.items()}


# --- Message attributes

FIELDS = {
    1: ("tracecontext", {}, {}),
    2: ("tracecontext", {"v": "1"}, {}),
    3: ("tracecontext,baggage", {"v": "1"}, {"user": "7"}),
    4: ("tracecontext,baggage,b3", {"v": "1"}, {"user": "7"}),
}
VALUES = {"traceparent": TRACEPARENT, "b3": B3, "tracestate": "v=1", "baggage": "user=7"}
BY_IMPORTANCE = {1: ["traceparent"], 2: ["traceparent", "tracestate"], 3: ["traceparent", "tracestate", "baggage"], 4: list(VALUES)}


@both
@pytest.mark.parametrize("existing", range(12))
@pytest.mark.parametrize("fields", FIELDS)
def test_attributes_never_exceed_ten_and_the_most_important_field_goes_first(
    service: str, existing: int, fields: int, monkeypatch: pytest.MonkeyPatch, clients: dict[str, Any]
) -> None:
    names, tracestate, entries = FIELDS[fields]
    monkeypatch.setenv("OTEL_PROPAGATORS", names)
    own = {f"own.{index}": text("x") for index in range(existing)}
    given_ = {**REQUIRED[service], "MessageAttributes": own}
    before = copy.deepcopy(given_)
    with current(tracestate=tracestate, entries=entries):
        injected = INJECT[service](**given_)
    added = BY_IMPORTANCE[fields][: max(10 - existing, 0)]
    assert texts(injected["MessageAttributes"]) == {**texts(own), **{name: VALUES[name] for name in added}}
    assert given_ == before
    assert not faults(clients, service, injected)


@both
@pytest.mark.parametrize("given_", [None, [], "", 7, [("a", text("x"))]])
def test_attributes_of_another_type_are_left_for_boto3_to_refuse(service: str, given_: Any) -> None:
    message = {"MessageAttributes": given_, "MessageSystemAttributes": given_}
    with current():
        assert INJECT[service](**message) == message


@both
def test_message_without_attributes_gets_some(service: str, clients: dict[str, Any]) -> None:
    for given_ in (REQUIRED[service], {**REQUIRED[service], "MessageAttributes": {}}):
        with current():
            injected = INJECT[service](**given_)
        assert injected["MessageAttributes"] == {"traceparent": text(TRACEPARENT)}
        assert not faults(clients, service, injected)


@both
def test_other_formats_are_left_out_whole(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the three fields of B3 would say: not sampled."""
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext,b3multi")
    names = {}
    for room in range(6):
        own = {f"own{index}": text("x") for index in range(10 - room)}
        with current(tracestate={"v": "1"}):
            names[room] = list(INJECT[service](MessageAttributes=own)["MessageAttributes"].keys() - own)
    b3 = {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}
    assert {room: set(found) for room, found in names.items()} == {
        0: set(),
        1: {"traceparent"},
        2: {"traceparent", "tracestate"},
        3: {"traceparent", "tracestate"},
        4: {"traceparent", *b3},
        5: {"traceparent", "tracestate", *b3},
    }


class Odd(TextMapPropagator):
    """Writes a name that AWS refuses, and one that it takes."""

    fields = {"x odd", "x-even"}  # noqa: RUF012 (a set, as the interface has it)

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        return context or Context()

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        carrier.update({"x odd": "1", "x-even": "2", "x" * 257: "3"})


@both
def test_name_that_aws_refuses_is_left_out(service: str) -> None:
    configure(propagators=("tracecontext", Odd()))
    with current():
        assert INJECT[service]()["MessageAttributes"] == {"traceparent": text(TRACEPARENT), "x-even": text("2")}
        assert inject_http()["x odd"] == "1"


@both
@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT", "tracestate"])
def test_context_of_the_users_own_is_left_alone(service: str, name: str) -> None:
    own = {name: text("mine"), "other": text("x")}
    with current(tracestate={"v": "1"}, entries={"user": "7"}):
        assert INJECT[service](MessageAttributes=own)["MessageAttributes"] == own


@both
def test_baggage_of_the_users_own_is_kept_beside_the_context(service: str) -> None:
    with current(entries={"user": "7"}):
        injected = INJECT[service](MessageAttributes={"Baggage": text("mine=1")})
    assert texts(injected["MessageAttributes"]) == {"Baggage": "mine=1", "traceparent": TRACEPARENT}


@both
def test_message_that_is_sent_again_gets_the_new_context(service: str) -> None:
    own = {f"own{index}": text("x") for index in range(8)}
    with current(tracestate={"v": "1"}):
        first = INJECT[service](MessageAttributes=own)
    before = copy.deepcopy(first)
    with current("1111111111111111"):
        second = INJECT[service](**first)
    assert texts(first["MessageAttributes"]) == {**texts(own), "traceparent": TRACEPARENT, "tracestate": "v=1"}
    assert texts(second["MessageAttributes"]) == {**texts(own), "traceparent": f"00-{TRACE}-1111111111111111-01"}
    assert first == before


@both
@pytest.mark.parametrize("own", [{}, {"own": text("x")}])
def test_message_that_is_sent_again_without_a_context_loses_the_old_one(service: str, own: dict[str, Any]) -> None:
    with current():
        injected = INJECT[service](MessageAttributes=own)
    again = INJECT[service](**injected)
    assert again["MessageAttributes"] == own
    assert not again.get("MessageSystemAttributes")


@both
def test_context_is_refreshed_in_a_copy_as_well(service: str) -> None:
    with current():
        injected = INJECT[service](**REQUIRED[service])
    with current("1111111111111111"):
        again = INJECT[service](**copy.deepcopy(injected))
    assert texts(again["MessageAttributes"]) == {"traceparent": f"00-{TRACE}-1111111111111111-01"}


@both
def test_arguments_for_fifo_stay(service: str, clients: dict[str, Any]) -> None:
    given_ = {**REQUIRED[service], **FIFO}
    with current():
        injected = INJECT[service](**given_)
    assert {name: injected[name] for name in given_} == given_
    assert not faults(clients, service, injected)


@both
def test_without_a_context_the_message_is_an_equal_new_dict(service: str) -> None:
    given_ = {**REQUIRED[service], "MessageAttributes": {"own": text("x")}, "MessageSystemAttributes": {}}
    injected = INJECT[service](**given_)
    assert injected == given_
    assert injected is not given_
    assert INJECT[service]() == {}


# --- Batches


@both
@pytest.mark.parametrize("kind", [list, tuple])
def test_each_entry_of_a_batch_gets_the_context(service: str, kind: Any, clients: dict[str, Any]) -> None:
    body = "MessageBody" if service == "sqs" else "Message"
    full = {f"own{index}": text("x") for index in range(10)}
    entries = [{"Id": "1", body: "{}", **FIFO}, {"Id": "2", body: "{}", "MessageAttributes": full, **FIFO}]
    target = {name: value for name, value in REQUIRED[service].items() if name != body}
    given_ = {**target, ENTRIES[service]: kind(entries)}
    before = copy.deepcopy(given_)
    with current():
        injected = INJECT[service](**given_)
    first, second = injected[ENTRIES[service]]
    assert texts(first["MessageAttributes"]) == {"traceparent": TRACEPARENT}
    assert second["MessageAttributes"] == full
    assert injected.keys() == given_.keys()
    assert given_ == before
    assert not faults(clients, service, injected, batch=True)


@both
def test_one_entry_of_a_batch_can_be_given_alone(service: str) -> None:
    with current():
        injected = INJECT[service](Id="1", MessageBody="{}")
    assert texts(injected["MessageAttributes"]) == {"traceparent": TRACEPARENT}


@both
@pytest.mark.parametrize("entries", [None, "x", 7, {}, {"Id": "1"}, iter(())])
def test_batch_of_another_type_is_left_for_boto3_to_refuse(service: str, entries: Any) -> None:
    with current():
        assert INJECT[service](**{ENTRIES[service]: entries}) == {ENTRIES[service]: entries}


@both
def test_entry_of_another_type_is_left_for_boto3_to_refuse(service: str) -> None:
    entries = [None, "x", 7, [], {1: 2}]
    with current():
        injected = INJECT[service](**{ENTRIES[service]: entries})
    assert injected[ENTRIES[service]][:4] == entries[:4]
    assert injected[ENTRIES[service]][4][1] == 2


# --- X-Ray's system attribute


def test_xray_context_goes_to_the_system_attribute(clients: dict[str, Any]) -> None:
    full = {f"own{index}": text("x") for index in range(10)}
    with current():
        injected = inject_sqs(**REQUIRED["sqs"], MessageAttributes=full)
    assert injected["MessageSystemAttributes"] == {"AWSTraceHeader": text(XRAY)}
    assert not faults(clients, "sqs", injected)


def test_sns_has_no_system_attribute() -> None:
    with current():
        assert inject_sns(Message="{}").keys() == {"Message", "MessageAttributes"}


def test_system_attribute_of_the_users_own_is_left_alone() -> None:
    own = {"AWSTraceHeader": text("mine")}
    with current():
        assert inject_sqs(MessageBody="{}", MessageSystemAttributes=own)["MessageSystemAttributes"] == own


def test_system_attribute_is_refreshed() -> None:
    with current():
        first = inject_sqs(MessageBody="{}")
    with current("1111111111111111"):
        second = inject_sqs(**first)
    assert texts(first["MessageSystemAttributes"]) == {"AWSTraceHeader": XRAY}
    assert texts(second["MessageSystemAttributes"]) == {"AWSTraceHeader": XRAY.replace(SPAN, "1" * 16)}


def test_there_is_no_system_attribute_without_xray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "tracecontext")
    with current():
        assert inject_sqs(MessageBody="{}").keys() == {"MessageBody", "MessageAttributes"}


@pytest.mark.parametrize("names", ["tracecontext,baggage,xray", "xray,baggage", "b3,baggage"])
def test_what_goes_into_a_message_comes_out_of_its_record(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", names)
    with current(entries={"user": "7"}):
        sent = inject_sqs(**REQUIRED["sqs"])
    record = {
        "eventSource": "aws:sqs",
        "messageId": "1",
        "body": sent["MessageBody"],
        "attributes": texts(sent.get("MessageSystemAttributes", {})),
        "messageAttributes": {
            name: {"stringValue": attribute["StringValue"], "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, attribute in sent["MessageAttributes"].items()
        },
    }
    context = extract_sqs(record)
    found = trace.get_current_span(context).get_span_context()
    assert (found.trace_id, found.span_id, found.trace_flags) == (int(TRACE, 16), int(SPAN, 16), 1)
    assert baggage.get_all(context) == {"user": "7"}


# --- What really leaves boto3


@both
@pytest.mark.parametrize("batch", [False, True])
def test_boto3_sends_what_was_injected(service: str, batch: bool, clients: dict[str, Any]) -> None:
    client, requests = clients[service], []

    def answer(request: Any, **_: Any) -> AWSResponse:
        requests.append(request)
        response = AWSResponse(request.url, 200, {}, None)
        operation = OPERATIONS[service][batch]
        response._content = b"{}" if service == "sqs" else f"<{operation}Response><{operation}Result/></{operation}Response>".encode()
        return response

    message = {name: value for name, value in REQUIRED[service].items() if name.startswith("Message")}
    target = {name: value for name, value in REQUIRED[service].items() if not name.startswith("Message")}
    given_ = {**target, ENTRIES[service]: [{"Id": "1", **message}]} if batch else {**target, **message}
    call = {"sqs": ("send_message", "send_message_batch"), "sns": ("publish", "publish_batch")}[service][batch]
    client.meta.events.register("before-send", answer, "lambda-otel")
    try:
        with current():
            getattr(client, call)(**INJECT[service](**given_))
    finally:
        client.meta.events.unregister("before-send", unique_id="lambda-otel")
    (request,) = requests
    body = request.body if isinstance(request.body, str) else request.body.decode()
    assert TRACEPARENT in body
    if service == "sqs":
        sent = json.loads(body)["Entries"][0] if batch else json.loads(body)
        assert sent["MessageAttributes"]["traceparent"] == text(TRACEPARENT)
        assert sent["MessageSystemAttributes"]["AWSTraceHeader"] == text(XRAY)


# --- Anything else

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=10)
attribute = st.builds(text, st.text(max_size=5)) | anything
attributes = st.dictionaries(st.sampled_from(["a", "b", "traceparent", "Baggage", "tracestate", "AWSTraceHeader"]) | scalars, attribute)
messages = st.fixed_dictionaries(
    {},
    optional={
        "MessageBody": anything,
        "MessageAttributes": attributes | anything,
        "MessageSystemAttributes": attributes | anything,
        "Entries": st.lists(st.fixed_dictionaries({}, optional={"MessageAttributes": attributes}) | anything) | anything,
        "PublishBatchRequestEntries": st.lists(st.fixed_dictionaries({}, optional={"MessageAttributes": attributes}) | anything) | anything,
    },
)


@both
@settings(max_examples=60, deadline=None)
@given(message=messages)
def test_no_message_raises_or_is_changed(service: str, message: dict[str, Any]) -> None:
    state.reset()
    before = copy.deepcopy(message)
    with current(tracestate={"v": "1"}, entries={"user": "7"}):
        injected = INJECT[service](**message)
        again = INJECT[service](**injected)
    assert message == before
    assert injected == again
    for name, value in message.items():
        kept = injected[name]
        if isinstance(value, dict) and name in ("MessageAttributes", "MessageSystemAttributes"):
            assert {key: kept[key] for key in value} == value
            assert len(kept) <= max(10, len(value)) or name == "MessageSystemAttributes"  # in which AWS knows one name
        elif name != ENTRIES[service] or not isinstance(value, list):
            assert kept == value


@both
@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 12), taken=st.sets(st.sampled_from(["traceparent", "Tracestate", "baggage", "b3"])))
def test_no_valid_message_becomes_invalid(service: str, count: int, taken: set[str], clients: dict[str, Any]) -> None:
    own = {name: text("mine") for name in [*sorted(taken), *(f"own{index}" for index in range(count))]}
    with current(tracestate={"v": "1"}, entries={"user": "7"}):
        injected = INJECT[service](**REQUIRED[service], MessageAttributes=own)
    assert not faults(clients, service, injected)
    assert {name: injected["MessageAttributes"][name] for name in own} == own
    assert len(injected["MessageAttributes"]) <= max(10, len(own))
    assert all(attribute["StringValue"] for attribute in injected["MessageAttributes"].values())


# --- HTTP


@pytest.mark.parametrize("headers", [None, {}, {"a": "b"}, MappingProxyType({"a": "b"}), OrderedDict(a="b"), [("a", "b")]])
def test_headers_are_a_new_dict_with_the_context(headers: Any) -> None:
    before = copy.copy(headers) if not isinstance(headers, MappingProxyType) else headers
    with current():
        injected = inject_http(headers)
    assert injected == {**dict(headers or {}), "traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}
    assert headers == before


def test_headers_can_be_left_out() -> None:
    with current():
        assert inject_http() == {"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}
    assert inject_http() == {}


def test_older_context_in_headers_of_any_case_is_replaced() -> None:
    headers = {"Traceparent": "old", "TRACESTATE": "old=1", "x-amzn-trace-id": "old", "Accept": "*/*"}
    with current():
        assert inject_http(headers) == {"Accept": "*/*", "traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}


def test_baggage_of_the_headers_stays_where_there_is_none_to_replace_it() -> None:
    with current():
        assert inject_http({"Baggage": "mine=1"})["Baggage"] == "mine=1"
    with current(entries={"user": "7"}):
        assert {name: value for name, value in inject_http({"Baggage": "mine=1"}).items() if name.lower() == "baggage"} == {
            "baggage": "user=7"
        }


def test_headers_stay_without_a_context() -> None:
    headers = {"Traceparent": "mine", "Tracestate": "mine=1", "Accept": "*/*"}
    assert inject_http(headers) == headers


@pytest.mark.parametrize("headers", [7, "abc", object(), [1, 2], 1.5])
def test_headers_of_another_type_are_said_and_left_out(headers: Any, logged: Callable[[], list[str]]) -> None:
    with current():
        for _ in range(2):
            assert inject_http(headers) == {"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}
    assert logged() == [f"inject_http: headers are a {type(headers).__name__}, not a mapping, and left out"]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(scalars, anything))
def test_no_headers_raise_or_are_changed(headers: dict[Any, Any]) -> None:
    before = copy.deepcopy(headers)
    with current():
        injected = inject_http(headers)
    assert headers == before
    assert injected == {**headers, "traceparent": TRACEPARENT, "X-Amzn-Trace-Id": XRAY}
