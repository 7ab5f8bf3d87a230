"""Through a real OpenTelemetry collector: all that the library sends is understood and handed on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.collector import Collector
from runtime.functions.shapes import ATTRIBUTES
from runtime.lambda_service import Lambda
from runtime.received import ReceivedSpan
from runtime.rie import Emulator
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"
EVENT = json.loads((FUNCTIONS.parents[1] / "events/sqs/two_traces.json").read_text())
MESSAGES = len(EVENT["Records"])
COUNT = MESSAGES + 4  # beside the records' spans: invocation, batch, "every type" and "fail"


def run_of(span: ReceivedSpan, spans: list[ReceivedSpan]) -> ReceivedSpan:
    """The span without what differs from run to run; its parent is named."""
    names = {each.span_id: each.name for each in spans}
    attributes = {key: value for key, value in span.attributes.items() if key != "faas.invocation_id"}
    parent = names[span.parent_id] if span.parent_id else ""
    return replace(span, trace_id="", span_id="", parent_id=parent, start=0, end=0, attributes=attributes)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_collector_hands_on_exactly_what_was_sent(compression: str) -> None:
    with Sink() as direct, Sink() as behind, Collector(forward_to=behind.endpoint) as collector:
        for endpoint in (direct.endpoint, collector.endpoint):
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": compression}
            with Lambda("shapes.handler", FUNCTIONS, environment=variables) as function:
                assert function.invoke(EVENT).json() == {"count": MESSAGES}
        sent, handed_on = direct.wait_for(COUNT), behind.wait_for(COUNT)
    assert direct.requests[0].headers.get("content-encoding", "none") == compression
    assert [run_of(span, handed_on) for span in handed_on] == [run_of(span, sent) for span in sent]
    assert len(sent) == len({span.span_id for span in handed_on}) == COUNT
    assert len({span.trace_id for span in handed_on}) == 1
    assert all(0 < span.start <= span.end for span in handed_on)


def test_every_span_attribute_link_and_event_arrives() -> None:
    with Sink() as sink, Collector(forward_to=sink.endpoint) as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        with Emulator("shapes.handler", FUNCTIONS, environment=variables, name="shop") as emulator:
            assert emulator.invoke(EVENT).json() == {"count": MESSAGES}
        spans = sink.wait_for(COUNT)
        for span in spans:
            assert span.trace_id in collector.wait_for_log(span.span_id)
    every, fail, *records, batch, invocation = spans
    assert (every.name, every.kind, every.status) == ("every type", "PRODUCER", "OK")
    assert json.dumps(every.attributes) == json.dumps(ATTRIBUTES)  # as text: True == 1 otherwise
    assert every.links == [(f"{0xA1:032x}", f"{0xB2:016x}", ATTRIBUTES)]
    assert every.events == [("event", ATTRIBUTES), ("bare", {})]
    assert (fail.name, fail.kind, fail.status, fail.status_description) == ("fail", "CLIENT", "ERROR", "ünmöglich")
    assert fail.attributes == {"code.function.name": "shapes.fail", "order": 7, "error.type": "ValueError"}
    ((event, exception),) = fail.events
    assert (event, exception["exception.type"], exception["exception.message"]) == (
        "exception",
        "ValueError",
        "ünmöglich",
    )
    assert exception["exception.stacktrace"].endswith("ValueError: ünmöglich\n")
    assert [span.kind for span in (*records, batch, invocation)] == ["CONSUMER"] * (MESSAGES + 1) + ["SERVER"]
    assert {span.parent_id for span in (every, fail, *records)} == {batch.span_id}
    assert (batch.parent_id, invocation.parent_id) == (invocation.span_id, "")
    assert batch.attributes["messaging.batch.message_count"] == MESSAGES
    assert batch.links == [link for record in records for link in record.links] != []
    assert (invocation.name, invocation.attributes["handler"]) == ("shop", "own")
    assert {span.resource["service.name"] for span in spans} == {"shop"}
    assert {span.scope_name for span in spans} == {"lambda_otel"}
    assert {span.schema_url for span in spans} == {span.resource_schema_url for span in spans} != {""}
