"""Functions that hand work on to each other by HTTP, SNS and SQS: one connected trace from the last to the first."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.aws import LocalAws
from runtime.gateway import HttpApi, http_event
from runtime.lambda_service import Lambda
from runtime.queues import EventSourceMapping, queue_arn
from runtime.received import ReceivedSpan
from runtime.sink import Sink
from runtime.web import Request

FUNCTIONS = Path(__file__).parent / "functions"
TRACE_ID, SPAN_ID = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"
XRAY = "Root=1-69a7f1dc-3b0e5f7a9c1d2e4f60718293;Parent=53995c3f42cd8ad8;Sampled=0"


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as services:
        yield services


def ancestors(span: ReceivedSpan, spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    """The span and all that lead to it, by parents and links; each once, the nearest first."""
    by_id = {(each.trace_id, each.span_id): each for each in spans}
    found = {(span.trace_id, span.span_id): span}
    waiting = [span]
    while waiting:
        current = waiting.pop(0)
        links = [(link.trace_id, link.span_id) for link in current.links]
        for key in ((current.trace_id, current.parent_id), *links):
            if key in by_id and key not in found:
                found[key] = by_id[key]
                waiting.append(by_id[key])
    return list(found.values())


def path_to(span: ReceivedSpan, spans: list[ReceivedSpan]) -> list[str]:
    """The shortest way from the first span of all to this one, as ``resource name``."""
    return [f"{each.resource['faas.name']} {each.name}" for each in reversed(ancestors(span, spans))]


def named(name: str, function: str, spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    return [span for span in spans if (span.name, span.resource["faas.name"]) == (name, function)]


@pytest.mark.parametrize("raw", [False, True], ids=["enveloped", "raw"])
def test_sns_to_sqs_to_a_function_to_sqs_to_a_function(aws: LocalAws, raw: bool) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    inbox, outbox = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("inbox", "outbox"))
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=queue_arn(sqs, inbox),
        Attributes={"RawMessageDelivery": "true"} if raw else {},
    )
    with Sink() as sink, ExitStack() as stack:

        def function(name: str, **variables: str) -> Lambda:
            environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **aws.variables, **variables}
            handler = Lambda(f"chain.{name}", FUNCTIONS, name=name, environment=environment, timeout=10.0)
            return stack.enter_context(handler)

        request = Request("POST", "/orders/7", {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}, b"")
        published = function("publish", TOPIC_ARN=topic).invoke(http_event(request, "/orders/{id}"))
        assert published.json() == {"published": 2}, published
        first, forwarded = EventSourceMapping(sqs, inbox, function("forward", QUEUE_URL=outbox)).deliver(trace_id=XRAY)
        assert forwarded.json() == {"forwarded": 2}, forwarded
        second, finished = EventSourceMapping(sqs, outbox, function("finish")).deliver(trace_id=XRAY)
        assert finished.json() == {"finished": ["7-1", "7-2"]}, finished
        for queue in (inbox, outbox):
            assert "Messages" not in sqs.receive_message(QueueUrl=queue)
        spans = sink.spans

    assert all(("traceparent" in record["messageAttributes"]) == raw for record in first["Records"])
    assert all("traceparent" in record["messageAttributes"] for record in second["Records"])
    assert "kind" in second["Records"][0]["messageAttributes"], "the user's own attributes stay"
    (start,) = named("POST /orders/{id}", "publish", spans)
    assert (start.trace_id, start.parent_id) == (TRACE_ID, SPAN_ID)
    ends = named("process outbox", "finish", spans)
    assert len(ends) == 3  # the batch and its two records
    for end in ends:
        assert start in ancestors(end, spans), path_to(end, spans)
    batch, *records = sorted(ends, key=lambda span: -len(span.links))
    senders = [span for span in named("process inbox", "forward", spans) if "messaging.message.id" in span.attributes]
    assert sorted(link.span_id for link in batch.links) == sorted(span.span_id for span in senders)
    assert sorted(record.links[0].span_id for record in records) == sorted(span.span_id for span in senders)
    assert {link.span_id for sender in senders for link in sender.links} == {start.span_id}
    assert {record.parent_id for record in records} == {batch.span_id}
    assert len(spans) == 1 + 4 + 4
    assert len({span.trace_id for span in spans}) == 3  # SQS links, whatever the size of the batch


def test_with_messages_as_parents_the_chain_is_one_trace_id(aws: LocalAws) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    inbox, outbox = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("inbox", "outbox"))
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(sqs, inbox))
    with Sink() as sink, ExitStack() as stack:

        def function(name: str, **variables: str) -> Lambda:
            environment = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
                "LAMBDA_OTEL_MESSAGE_PARENT": "always",
                **aws.variables,
                **variables,
            }
            handler = Lambda(f"chain.{name}", FUNCTIONS, name=name, environment=environment, timeout=10.0)
            return stack.enter_context(handler)

        function("publish", TOPIC_ARN=topic).invoke(http_event(Request("POST", "/orders/7", {}, b""), "/orders/{id}"))
        forward = EventSourceMapping(sqs, inbox, function("forward", QUEUE_URL=outbox), batch_size=1)
        finish = EventSourceMapping(sqs, outbox, function("finish"), batch_size=1)
        for _ in range(2):
            assert forward.deliver()[1].json() == {"forwarded": 1}
            assert finish.deliver()[1].kind == "response"
        with pytest.raises(LookupError, match="no message"):
            forward.deliver()
        spans = sink.spans
    assert len({span.trace_id for span in spans}) == 1
    roots = [span for span in spans if not span.parent_id]
    assert [span.name for span in roots] == ["POST /orders/{id}"]
    assert {span.parent_id for span in spans} - {""} <= {span.span_id for span in spans}


def test_xray_only_propagation_links_through_the_queues_system_attribute(aws: LocalAws) -> None:
    sqs = aws.client("sqs")
    inbox, outbox = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("inbox", "outbox"))
    sqs.send_message(QueueUrl=inbox, MessageBody="plain")
    with Sink() as sink, ExitStack() as stack:
        for name, queue in (("forward", inbox), ("finish", outbox)):
            environment = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
                "OTEL_PROPAGATORS": "xray",
                "QUEUE_URL": outbox,
                **aws.variables,
            }
            function = stack.enter_context(Lambda(f"chain.{name}", FUNCTIONS, name=name, environment=environment, timeout=10.0))
            event, result = EventSourceMapping(sqs, queue, function).deliver()
            assert result.kind == "response", result
        (record,) = event["Records"]
        spans = sink.spans
    assert "traceparent" not in record["messageAttributes"]
    (sender,) = [span for span in named("process inbox", "forward", spans) if "messaging.message.id" in span.attributes]
    assert sender.links == []
    xray = dict(part.split("=") for part in record["attributes"]["AWSTraceHeader"].split(";"))
    assert xray["Root"].replace("-", "") == "1" + sender.trace_id
    assert (xray["Parent"], xray["Sampled"]) == (sender.span_id, "1")
    for end in named("process outbox", "finish", spans):
        assert [(link.trace_id, link.span_id) for link in end.links] == [(sender.trace_id, sender.span_id)]


def test_a_function_calls_the_next_by_http() -> None:
    with Sink() as sink, ExitStack() as stack:

        def function(name: str, **variables: str) -> Lambda:
            environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **variables}
            return stack.enter_context(Lambda(f"chain.{name}", FUNCTIONS, name=name, environment=environment, timeout=10.0))

        third = stack.enter_context(HttpApi(function("finish_http"), "/orders/{id}"))
        second = stack.enter_context(HttpApi(function("call", NEXT_URL=third.endpoint), "/orders/{id}"))
        request = urllib.request.Request(f"{second.endpoint}/orders/7?step=1")
        request.add_header("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01")
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response) == {"id": "7", "step": "2"}
        (event,) = third.events
        spans = sink.spans
    (last,) = named("GET /orders/{id}", "finish_http", spans)
    (inner,) = named("call", "call", spans)
    (first,) = named("GET /orders/{id}", "call", spans)
    assert {span.trace_id for span in spans} == {TRACE_ID}
    assert (last.parent_id, inner.parent_id, first.parent_id) == (inner.span_id, first.span_id, SPAN_ID)
    assert event["headers"]["traceparent"] == f"00-{TRACE_ID}-{inner.span_id}-01"
    assert event["headers"]["accept"] == "application/json"
    assert [span.attributes["http.response.status_code"] for span in (first, last)] == [200, 200]
    assert (last.attributes["url.path"], last.attributes["url.query"]) == ("/orders/7", "step=2")


def test_api_to_a_function_to_sns_to_sqs_to_a_function_to_eventbridge_to_a_function(aws: LocalAws) -> None:
    sqs, sns, events = aws.client("sqs"), aws.client("sns"), aws.client("events")
    inbox, heard = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("inbox", "heard"))
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(sqs, inbox))
    events.put_rule(Name="ordered", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="ordered", Targets=[{"Id": "queue", "Arn": queue_arn(sqs, heard)}])
    with Sink() as sink, ExitStack() as stack:

        def function(name: str, **variables: str) -> Lambda:
            environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "LAMBDA_OTEL_CONTEXT_KEY": "_trace", **aws.variables, **variables}
            return stack.enter_context(Lambda(f"chain.{name}", FUNCTIONS, name=name, environment=environment, timeout=10.0))

        api = stack.enter_context(HttpApi(function("publish", TOPIC_ARN=topic), "/orders/{id}"))
        with urllib.request.urlopen(f"{api.endpoint}/orders/7", timeout=10) as response:
            assert json.load(response) == {"published": 2}
        _, announced = EventSourceMapping(sqs, inbox, function("announce")).deliver(trace_id=XRAY)
        assert announced.json() == {"announced": 2}, announced
        delivered = [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10)["Messages"]]
        assert all(list(event["detail"]) == ["_trace", "order"] for event in delivered)
        hear = function("hear")
        assert sorted(hear.invoke(event, trace_id=XRAY).json() for event in delivered) == ["7-1", "7-2"]
        spans = sink.spans

    (start,) = named("GET /orders/{id}", "publish", spans)
    senders = {span.span_id for span in named("process inbox", "announce", spans) if "messaging.message.id" in span.attributes}
    ends = named("hear", "hear", spans)
    assert {end.parent_id for end in ends} == senders
    assert len(ends) == 2
    for end in ends:
        assert start in ancestors(end, spans), path_to(end, spans)
