"""The context out of events and records, for a user's own spans."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2, SNSEvent, SQSEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, format_span_id, format_trace_id

from lambda_otel import configure, extract_http, extract_sns, extract_sqs

EVENTS = Path(__file__).parent / "events"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
XRAY = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"
EXTRACT = {"http": extract_http, "sqs": extract_sqs, "sns": extract_sns}

HTTP_SOURCES = (
    *("alb", "api_gateway_rest", "function_url", "http_api_v1", "http_api_v2", "lambda_edge", "vpc_lattice_v1", "vpc_lattice_v2"),
    *("authorizer_http_v1", "authorizer_http_v2", "authorizer_rest_request", "authorizer_websocket", "websocket"),
)
HTTP_CASES = [
    path for source in HTTP_SOURCES for path in sorted(EVENTS.glob(f"{source}/*.json")) if not path.name.endswith(".expected.json")
]


def ids(context: Context) -> dict[str, str] | None:
    span_context = trace.get_current_span(context).get_span_context()
    if not span_context.is_valid:
        return None
    return {"trace_id": format_trace_id(span_context.trace_id), "span_id": format_span_id(span_context.span_id)}


def load(name: str) -> Any:
    return json.loads((EVENTS / name).read_text())


@pytest.mark.parametrize("case", HTTP_CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_context_of_an_http_event_is_the_parent_that_its_handler_gets(case: Path) -> None:
    expected = json.loads(case.with_suffix(".expected.json").read_text())
    assert ids(extract_http(json.loads(case.read_text()))) == expected["tree"].get("parent")


def sqs_record(**fields: Any) -> dict[str, Any]:
    return {"messageId": "1", "body": "", "eventSource": "aws:sqs", "attributes": {}, "messageAttributes": {}, **fields}


def sns_envelope(value: str) -> str:
    attributes = {"traceparent": {"Type": "String", "Value": value}}
    return json.dumps({"Type": "Notification", "TopicArn": "arn:x", "Message": "{}", "MessageAttributes": attributes})


@pytest.mark.parametrize(
    "record",
    [
        sqs_record(messageAttributes={"traceparent": {"stringValue": TRACEPARENT, "dataType": "String"}}),
        sqs_record(messageAttributes={"TraceParent": {"stringValue": TRACEPARENT, "dataType": "String"}}),
        sqs_record(attributes={"AWSTraceHeader": XRAY}),
        sqs_record(body=sns_envelope(TRACEPARENT)),
        sqs_record(messageAttributes={"traceparent": {"stringValue": "garbage", "dataType": "String"}}, body=sns_envelope(TRACEPARENT)),
        sqs_record(body=sns_envelope("garbage"), attributes={"AWSTraceHeader": XRAY}),
        sqs_record(
            messageAttributes={"traceparent": {"stringValue": TRACEPARENT, "dataType": "String"}},
            body=sns_envelope(f"00-{'1' * 32}-{'1' * 16}-01"),
            attributes={"AWSTraceHeader": f"Root=1-{'1' * 8}-{'1' * 24};Parent={'1' * 16};Sampled=1"},
        ),
    ],
)
def test_context_of_an_sqs_record_is_the_first_valid_one(record: dict[str, Any]) -> None:
    assert ids(extract_sqs(record)) == {"trace_id": TRACE, "span_id": SPAN}


@pytest.mark.parametrize(
    "record",
    [
        sqs_record(),
        sqs_record(messageAttributes={"traceparent": {"binaryValue": "MDA=", "dataType": "Binary"}}),
        sqs_record(messageAttributes={"traceparent": {"StringValue": TRACEPARENT, "DataType": "String"}}),
        sqs_record(attributes={"AWSTraceHeader": XRAY.replace("Sampled=1", "Sampled=0")}),
        sqs_record(body=TRACEPARENT),
    ],
)
def test_sqs_record_without_a_context_gives_an_empty_one(record: dict[str, Any]) -> None:
    assert extract_sqs(record) == Context()


def test_context_of_an_sns_record_is_in_its_message_attributes() -> None:
    attributes = {"Traceparent": {"Type": "String", "Value": TRACEPARENT}, "baggage": {"Type": "String", "Value": "user=7"}}
    context = extract_sns({"EventSource": "aws:sns", "Sns": {"Message": "{}", "MessageAttributes": attributes}})
    assert ids(context) == {"trace_id": TRACE, "span_id": SPAN}
    assert baggage.get_all(context) == {"user": "7"}
    binary = {"traceparent": {"Type": "Binary", "Value": 7}}
    assert extract_sns({"EventSource": "aws:sns", "Sns": {"Message": "{}", "MessageAttributes": binary}}) == Context()


def test_powertools_objects_are_taken_as_what_they_hold() -> None:
    http = load("http_api_v2/w3c_over_unsampled_xray_jwt.json")
    assert ids(extract_http(APIGatewayProxyEventV2(http))) == ids(extract_http(http)) is not None
    (sqs, *_) = SQSEvent({"Records": [sqs_record(attributes={"AWSTraceHeader": XRAY})]}).records
    assert ids(extract_sqs(sqs)) == {"trace_id": TRACE, "span_id": SPAN}
    sns = {"Sns": {"MessageAttributes": {"traceparent": {"Type": "String", "Value": TRACEPARENT}}}}
    (record,) = SNSEvent({"Records": [sns]}).records
    assert ids(extract_sns(record)) == {"trace_id": TRACE, "span_id": SPAN}


@pytest.mark.parametrize("kind", EXTRACT)
def test_current_span_never_comes_out(kind: str) -> None:
    ambient = NonRecordingSpan(SpanContext(1, 1, True, TraceFlags(1)))
    token = attach(trace.set_span_in_context(ambient, Context()))
    try:
        assert EXTRACT[kind]({}) == Context()
    finally:
        detach(token)


@pytest.mark.parametrize("kind", EXTRACT)
def test_configured_propagators_are_obeyed(kind: str) -> None:
    configure(propagators=("b3",))
    value = f"{TRACE}-{SPAN}-1"
    events = {
        "http": {"headers": {"B3": value, "traceparent": f"00-{'1' * 32}-{'1' * 16}-01"}},
        "sqs": sqs_record(messageAttributes={"b3": {"stringValue": value}}),
        "sns": {"Sns": {"MessageAttributes": {"b3": {"Type": "String", "Value": value}}}},
    }
    assert ids(EXTRACT[kind](events[kind])) == {"trace_id": TRACE, "span_id": SPAN}


class Raising:
    """Every attribute raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize("kind", EXTRACT)
@pytest.mark.parametrize("thing", [None, 7, "x", b"x", [], [None], {}, {1: 2}, SimpleNamespace(raw_event=7), object()])
def test_anything_else_gives_an_empty_context(kind: str, thing: Any) -> None:
    assert EXTRACT[kind](thing) == Context()


@pytest.mark.parametrize("kind", EXTRACT)
def test_object_whose_attributes_raise_gives_an_empty_context(kind: str) -> None:
    assert EXTRACT[kind](Raising()) == Context()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
keys = (
    st.sampled_from(["headers", "Sns", "MessageAttributes", "messageAttributes", "attributes", "AWSTraceHeader", "body", "traceparent"])
    | scalars
)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12)


@pytest.mark.parametrize("kind", EXTRACT)
@settings(max_examples=60, deadline=None)
@given(thing=anything)
def test_nothing_raises(kind: str, thing: Any) -> None:
    assert ids(EXTRACT[kind](thing)) is None
