"""What a span is: its name, attributes, parent and links, by event, Lambda context and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.trace import Link, SpanContext, SpanKind, format_span_id, format_trace_id

from lambda_otel import traced_handler, traced_record
from lambda_otel.config import Settings, read
from lambda_otel.propagation import build
from lambda_otel.sources import SOURCES, Batch, EventSource, Message, Trigger, recognize
from lambda_otel.span_builder import SpanPlan, batch_span, invocation_span, message_span, parent_of

EVENTS = Path(__file__).parent / "events"


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{flags}"


def xray(number: int, sampled: int = 1) -> str:
    return f"Root=1-{number:032x};Parent={number:016x};Sampled={sampled}".replace("Root=1-00000000", "Root=1-00000000-")


def number_of(context: SpanContext | None) -> int | None:
    """The number of which a context was made."""
    if context is None or not context.is_valid:
        return None
    assert format_trace_id(context.trace_id)[16:] == format_span_id(context.span_id)
    return context.span_id


def linked(links: tuple[Link, ...]) -> list[int | None]:
    return [number_of(link.context) for link in links]


class Plans:
    """The plans of an event's spans."""

    def __init__(self, event: Any, environ: Mapping[str, str] | None = None, context: object = None, sources: Any = SOURCES) -> None:
        settings: Settings = read(environ or {}, {})
        propagation = build(settings)
        _, trigger = recognize(event, sources)
        found = parent_of(trigger, context, settings, propagation)
        self.context = found.context
        self.invocation: SpanPlan = invocation_span(trigger, context, True, settings, found)
        self.batch: SpanPlan | None = batch_span(trigger.batch, settings, propagation) if trigger.batch else None
        self.messages = [message_span(message, settings, propagation) for message in trigger.batch.messages] if trigger.batch else []

    @property
    def parent(self) -> int | None:
        """The number of the parent's context."""
        return number_of(trace.get_current_span(self.context).get_span_context())

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Those of the batch span."""
        assert self.batch
        return self.batch.attributes

    @property
    def links(self) -> list[int | None]:
        """The numbers of the contexts that the batch span is linked to."""
        assert self.batch
        return linked(self.batch.links)


def load(name: str) -> Any:
    return json.loads((EVENTS / name).read_text())


def sqs(*contexts: int | None, queue: str = "orders", **fields: Any) -> dict[str, Any]:
    """An SQS event of one record for each context."""
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": f"message-{index}",
                "body": "",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
                "messageAttributes": {} if number is None else {"traceparent": {"stringValue": traceparent(number), "dataType": "String"}},
                **fields,
            }
            for index, number in enumerate(contexts)
        ]
    }


def sns(*contexts: int | None) -> dict[str, Any]:
    """An SNS event of one record for each context; Lambda delivers one."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "Sns": {
                    "MessageId": f"message-{index}",
                    "TopicArn": "arn:aws:sns:us-east-1:123456789012:news",
                    "MessageAttributes": {"traceparent": {"Type": "String", "Value": traceparent(number)}} if number else {},
                },
            }
            for index, number in enumerate(contexts)
        ]
    }


def kafka(*headers: Mapping[str, str], topic: str = "orders") -> dict[str, Any]:
    """An MSK event of one record for each set of headers."""
    records = [
        {
            "topic": topic,
            "partition": 0,
            "offset": index,
            "key": "a2V5",
            "value": "",
            "headers": [{name: list(value.encode())} for name, value in found.items()],
        }
        for index, found in enumerate(headers)
    ]
    return {"eventSource": "aws:kafka", "records": {f"{topic}-0": records}}


def eventbridge(detail: Any) -> dict[str, Any]:
    return {"id": "event-1", "detail-type": "order", "source": "shop", "detail": detail}


def rest(method: str, route: str | None = "/pets/{id}", **headers: Any) -> dict[str, Any]:
    return {"requestContext": {}, "httpMethod": method, "resource": route, "path": "/pets/7", "headers": headers}


# --- The invocation span


def test_name_is_the_route_the_function_or_what_is_left() -> None:
    context, environ = SimpleNamespace(function_name="mine"), {"AWS_LAMBDA_FUNCTION_NAME": "set"}
    assert Plans(rest("GET"), environ, context).invocation.name == "GET /pets/{id}"
    assert Plans(rest("GET", None), environ, context).invocation.name == "mine"
    assert Plans({}, environ).invocation.name == "set"
    assert Plans({}).invocation.name == "lambda"


def test_invocation_span_says_what_is_known_of_an_unknown_event(lambda_context: Any) -> None:
    plan = Plans({"order": 7}, context=lambda_context).invocation
    assert (plan.kind, plan.links) == (SpanKind.SERVER, ())
    assert plan.attributes == {
        "faas.trigger": "other",
        "faas.invocation_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "faas.coldstart": True,
        "cloud.resource_id": "arn:aws:lambda:us-east-1:123456789012:function:my-function:12",
        "cloud.account.id": "123456789012",
        "aws.lambda.invoked_arn": "arn:aws:lambda:us-east-1:123456789012:function:my-function:live",
    }


@pytest.mark.parametrize(
    ("known", "method", "name", "attributes"),
    [
        (None, "GET", "GET /pets/{id}", {"http.request.method": "GET"}),
        (None, "QUERY", "QUERY /pets/{id}", {"http.request.method": "QUERY"}),
        (None, "PURGE", "HTTP /pets/{id}", {"http.request.method": "_OTHER", "http.request.method_original": "PURGE"}),
        (None, "get", "HTTP /pets/{id}", {"http.request.method": "_OTHER", "http.request.method_original": "get"}),
        ("GET,PURGE", "GET", "GET /pets/{id}", {"http.request.method": "GET"}),
        ("GET,PURGE", "PURGE", "PURGE /pets/{id}", {"http.request.method": "PURGE"}),
        ("PURGE", "GET", "HTTP /pets/{id}", {"http.request.method": "_OTHER", "http.request.method_original": "GET"}),
        ("PURGE", "purge", "HTTP /pets/{id}", {"http.request.method": "_OTHER", "http.request.method_original": "purge"}),
    ],
)
def test_known_methods_can_be_named(known: str | None, method: str, name: str, attributes: dict[str, str]) -> None:
    plan = Plans(rest(method), {"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": known} if known else {}).invocation
    assert plan.name == name
    assert {key: value for key, value in plan.attributes.items() if key.startswith("http.request.method")} == attributes


def test_known_methods_leave_other_names_alone() -> None:
    environ = {"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "PURGE"}
    named = Trigger(name="mine", attributes={"http.request.method": "GET", "http.route": "/x"})
    source = EventSource("mine", lambda event: True, lambda event: named)
    assert Plans({}, environ, sources=(source,)).invocation.name == "mine"
    assert Plans({}, environ).invocation.attributes.keys() == {"faas.trigger", "faas.coldstart"}


# --- The parent


def context_with(w3c: int | None = None, custom: int | None = None) -> object:
    def carrier(number: int | None) -> dict[str, str] | None:
        return None if number is None else {"TraceParent": traceparent(number)}

    return SimpleNamespace(w3c=lambda: carrier(w3c), client_context=SimpleNamespace(custom=carrier(custom)))


@pytest.mark.parametrize(
    ("headers", "payload", "w3c", "custom", "parent"),
    [
        (1, 2, 3, 4, 1),
        (None, 2, 3, 4, 2),
        (None, None, 3, 4, 3),
        (None, None, None, 4, 4),
        (None, None, None, None, None),
    ],
)
def test_parent_of_a_direct_invocation_is_in_headers_named_key_w3c_or_custom(
    headers: int | None, payload: int | None, w3c: int | None, custom: int | None, parent: int | None
) -> None:
    event: dict[str, Any] = {"order": 7}
    if headers:
        event["headers"] = {"TraceParent": traceparent(headers)}
    if payload:
        event["_context"] = {"TraceParent": traceparent(payload), "n": 7}
    assert Plans(event, {"LAMBDA_OTEL_CONTEXT_KEY": "_context"}, context_with(w3c, custom)).parent == parent


def test_payload_is_read_only_under_the_key_that_the_user_names() -> None:
    event = {"_context": {"traceparent": traceparent(1)}, "traceparent": traceparent(2)}
    assert Plans(event).parent is None
    assert Plans(event, {"LAMBDA_OTEL_CONTEXT_KEY": "other"}).parent is None
    assert Plans(event, {"LAMBDA_OTEL_CONTEXT_KEY": "traceparent"}).parent is None
    assert Plans(event, {"LAMBDA_OTEL_CONTEXT_KEY": "_context"}).parent == 1


@pytest.mark.parametrize("event", [rest("GET", traceparent=traceparent(1)), sns(1)])
def test_context_of_the_event_goes_before_the_one_beside_it(event: dict[str, Any]) -> None:
    assert Plans(event, context=context_with(3, 4)).parent == 1
    assert Plans(load("api_gateway_rest/console_test_null_headers.json"), context=context_with(3, 4)).parent == 3


def test_unsampled_xray_is_a_link_and_gives_way_to_the_next_carrier() -> None:
    event = rest("GET", **{"x-amzn-trace-id": xray(1, 0)})
    alone, beside = Plans(event), Plans(event, context=context_with(w3c=2))
    assert (alone.parent, linked(alone.invocation.links)) == (None, [1])
    assert (beside.parent, linked(beside.invocation.links)) == (2, [1])


def test_baggage_of_the_parent_is_in_its_context() -> None:
    plans = Plans(rest("GET", traceparent=traceparent(1), baggage="user=7"))
    assert baggage.get_all(plans.context) == {"user": "7"}


KEY = {"LAMBDA_OTEL_CONTEXT_KEY": "_context"}
IN_DETAIL = eventbridge({"_context": {"traceparent": traceparent(1)}})


@pytest.mark.parametrize(
    ("event", "parents"),
    [
        (sns(1), {"auto": 1, "never": None, "always": 1}),
        (sns(1, 2), {"auto": None, "never": None, "always": None}),
        (IN_DETAIL, {"auto": 1, "never": None, "always": 1}),
        (sqs(1), {"auto": None, "never": None, "always": 1}),
        (sqs(1, 2), {"auto": None, "never": None, "always": None}),
        (sqs(None), {"auto": None, "never": None, "always": None}),
        (kafka({"traceparent": traceparent(1)}), {"auto": None, "never": None, "always": 1}),
        (rest("GET", traceparent=traceparent(1)), {"auto": 1, "never": 1, "always": 1}),
    ],
)
@pytest.mark.parametrize("choice", ["auto", "never", "always"])
def test_message_is_the_parent_where_it_is_the_only_one_or_the_user_says_so(
    event: dict[str, Any], parents: dict[str, int | None], choice: str
) -> None:
    plans = Plans(event, {"LAMBDA_OTEL_MESSAGE_PARENT": choice, **KEY})
    assert plans.parent == parents[choice]
    if plans.batch:
        assert 1 in plans.links or event == sqs(None)


# --- The batch span


def test_batch_span_of_one_queue() -> None:
    plan = Plans(sqs(1, None, 2)).batch
    assert plan
    assert (plan.name, plan.kind) == ("process orders", SpanKind.CONSUMER)
    assert plan.attributes == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.batch.message_count": 3,
        "aws.sqs.queue.url": "https://sqs.us-east-1.amazonaws.com/123456789012/orders",
    }
    assert [dict(link.attributes or {}) for link in plan.links] == [
        {"messaging.message.id": "message-0"},
        {"messaging.message.id": "message-2"},
    ]


def test_destinations_that_vary_are_on_the_links() -> None:
    event = {"Records": sqs(1, queue="orders")["Records"] + sqs(2, queue="refunds")["Records"] + sqs(3, eventSourceARN=None)["Records"]}
    plan = Plans(event).batch
    assert plan
    assert plan.name == "process"
    assert "messaging.destination.name" not in plan.attributes
    assert "aws.sqs.queue.url" not in plan.attributes
    assert [(link.attributes or {}).get("messaging.destination.name") for link in plan.links] == ["orders", "refunds", None]


@pytest.mark.parametrize("count", [1, 2, 10])
def test_messages_are_counted_from_one_on(count: int) -> None:
    assert Plans(sqs(*[None] * count)).attributes["messaging.batch.message_count"] == count


@pytest.mark.parametrize(("event", "identifier"), [(sns(1), "message-0"), (eventbridge({}), "event-1")])
def test_only_message_is_named_on_the_span_instead_of_counted(event: dict[str, Any], identifier: str) -> None:
    attributes = Plans(event).attributes
    assert attributes["messaging.message.id"] == identifier
    assert "messaging.batch.message_count" not in attributes


def test_only_message_without_an_identifier_is_not_named() -> None:
    assert Plans({"detail-type": "order", "source": "shop", "detail": {}}).attributes == {
        "messaging.system": "aws.eventbridge",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }


def test_several_messages_where_one_is_the_rule_are_counted_instead_of_named() -> None:
    attributes = Plans(sns(1, 2)).attributes
    assert "messaging.message.id" not in attributes
    assert attributes["messaging.batch.message_count"] == 2


def test_batch_of_a_users_source_may_be_empty() -> None:
    source = EventSource("mine", lambda event: True, lambda event: Trigger(batch=Batch("mine", (), single=True)))
    plans = Plans({}, sources=(source,))
    assert (plans.links, plans.attributes["messaging.batch.message_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("event", "links"),
    [
        (sqs(1, 2), [1, 2]),
        (sqs(None, 2), [2]),
        (sqs(1, None), [1]),
        (sqs(1, 1), [1, 1]),
        (sns(1), [1]),
        (kafka({"traceparent": traceparent(1)}, {}, {"TraceParent": traceparent(1)}, {"traceparent": traceparent(2)}), [1, 2]),
        (sqs(None, attributes={"AWSTraceHeader": xray(3)}), [3]),
        (sqs(None, attributes={"AWSTraceHeader": xray(3, 0)}), []),
        (sqs(1, attributes={"AWSTraceHeader": xray(3)}), [1]),
        (sqs(None, None), []),
    ],
    ids=range(10),
)
def test_each_message_with_a_context_is_linked_and_identical_links_once(event: dict[str, Any], links: list[int]) -> None:
    assert Plans(event).links == links


def test_unsampled_w3c_context_is_linked_too() -> None:
    event = sqs(None, messageAttributes={"traceparent": {"stringValue": traceparent(1, "00")}})
    assert Plans(event).links == [1]


def test_unsampled_xray_of_a_message_is_linked_where_the_user_obeys_xray() -> None:
    event = sqs(None, attributes={"AWSTraceHeader": xray(3, 0)})
    assert Plans(event, {"LAMBDA_OTEL_UNSAMPLED_XRAY": "parent"}).links == [3]


def test_context_in_the_detail_of_an_eventbridge_event_inside_sqs_is_linked() -> None:
    event = sqs(None, body=json.dumps(IN_DETAIL))
    assert Plans(event, KEY).links == [1]
    assert Plans(event).links == []
    assert linked(Plans(event, KEY).messages[0].links) == [1]


# --- Large batches


def test_ten_thousand_links_are_capped_and_those_left_out_counted() -> None:
    plans = Plans(sqs(*range(1, 10_001)))
    assert plans.links == list(range(1, 129))
    assert plans.attributes["lambda_otel.links.left_out"] == 9872
    assert plans.attributes["messaging.batch.message_count"] == 10_000


@pytest.mark.parametrize(
    ("limit", "links", "left_out"), [("0", [], 5), ("3", [1, 2, 3], 1), ("4", [1, 2, 3, 4], None), ("5", [1, 2, 3, 4], None)]
)
def test_limit_of_links_is_obeyed(limit: str, links: list[int], left_out: int | None) -> None:
    plans = Plans(sqs(1, 2, None, 3, 4), {"OTEL_SPAN_LINK_COUNT_LIMIT": limit})
    assert (plans.links, plans.attributes.get("lambda_otel.links.left_out")) == (links, left_out)


def test_messages_that_carry_no_context_do_not_count_towards_the_limit() -> None:
    unrelated = sqs(None, None, messageAttributes={"color": {"stringValue": "red"}})["Records"]
    plans = Plans({"Records": sqs(1)["Records"] + unrelated + sqs(2, 3)["Records"]}, {"OTEL_SPAN_LINK_COUNT_LIMIT": "2"})
    assert plans.links == [1, 2]
    assert plans.attributes["lambda_otel.links.left_out"] == 1


def test_links_of_a_large_batch_are_those_that_the_sdk_keeps(spans: Any, lambda_context: Any) -> None:
    traced_handler(lambda event, context: None)(sqs(*range(1, 1001)), lambda_context)
    batch = spans.named("process orders")
    assert linked(batch.links) == list(range(1, 129))
    assert batch.attributes["lambda_otel.links.left_out"] == 872


# --- Spans of messages


def test_message_span_stands_for_its_message_alone() -> None:
    first, second = Plans(sqs(1, None)).messages
    assert (first.name, first.kind, linked(first.links), linked(second.links)) == ("process orders", SpanKind.CONSUMER, [1], [])
    assert first.attributes == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.message.id": "message-0",
        "aws.sqs.queue.url": "https://sqs.us-east-1.amazonaws.com/123456789012/orders",
    }


def test_message_without_anything_is_processed_somewhere() -> None:
    settings = read({}, {})
    plan = message_span(Message(), settings, build(settings))
    assert (plan.name, plan.kind, plan.attributes, plan.links) == ("process", SpanKind.CONSUMER, {}, ())


# --- What is recorded only when it is named


def attributes_of(event: Any, capture: str = "") -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    plans = Plans(event, {"LAMBDA_OTEL_CAPTURE": capture})
    return plans.invocation.attributes, [plan.attributes for plan in plans.messages]


def test_key_of_an_s3_object_is_recorded_only_when_named() -> None:
    event = load("s3/object_created.json")
    key = "faas.document.name"
    assert key not in attributes_of(event)[0]
    assert key in attributes_of(event, key)[0]


def test_key_of_a_kafka_record_is_recorded_only_when_named() -> None:
    key = "messaging.kafka.message.key"
    assert key not in attributes_of(kafka({}))[1][0]
    assert attributes_of(kafka({}), key)[1][0][key] == "a2V5"


def test_request_headers_are_recorded_only_when_named() -> None:
    event = rest("GET", **{"X-Tenant": "blue", "Authorization": "topsecret", "Accept": ["a", "b"]})
    assert not [key for key in attributes_of(event)[0] if key.startswith("http.request.header")]
    captured = attributes_of(event, "http.request.header.x-tenant, HTTP.request.header.Accept,http.request.header.missing")[0]
    headers = {key: value for key, value in captured.items() if key.startswith("http.request.header")}
    assert headers == {"http.request.header.x-tenant": ("blue",), "http.request.header.accept": ("b",)}


@pytest.mark.parametrize("capture", ["", "http.response.header.x-tenant,faas.document.name,messaging.kafka.message.key"])
def test_what_is_named_reaches_the_spans(capture: str, monkeypatch: pytest.MonkeyPatch, installed: Any, lambda_context: Any) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_CAPTURE", capture)
    process = traced_record(lambda record: None)

    @traced_handler
    def handler(event: Any, context: Any) -> dict[str, Any]:
        for record in event.get("Records", event.get("records", {}).get("orders-0", ())):
            process(record)
        return {"statusCode": 200, "headers": {"X-Tenant": "blue", "Set-Cookie": "topsecret"}}

    object_created = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b"}}}
    for event in (rest("GET"), {"Records": [object_created]}, kafka({})):
        handler(event, lambda_context)
    recorded = {
        key: value
        for span in installed.get_finished_spans()
        for key, value in span.attributes.items()
        if key in ("faas.document.name", "messaging.kafka.message.key") or "header" in key
    }
    assert recorded == (
        {"http.response.header.x-tenant": ("blue",), "faas.document.name": "a b", "messaging.kafka.message.key": "a2V5"} if capture else {}
    )
