"""Every fixture in `events/` becomes the span tree that stands beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id, format_trace_id

from lambda_otel import traced_handler, traced_record
from lambda_otel.sources import SOURCES, UNKNOWN, recognize

EVENTS = Path(__file__).parent / "events"
CASES = sorted(path for path in EVENTS.glob("*/*.json") if not path.name.endswith(".expected.json"))

IDENTITY = {
    "faas.invocation_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    "faas.coldstart": True,
    "cloud.resource_id": "arn:aws:lambda:us-east-1:123456789012:function:my-function:12",
    "cloud.account.id": "123456789012",
    "aws.lambda.invoked_arn": "arn:aws:lambda:us-east-1:123456789012:function:my-function:live",
    "code.function.name": "app.handler",
}


def load(case: Path) -> tuple[Any, dict[str, Any]]:
    """The event and what is expected of it."""
    return json.loads(case.read_text()), json.loads(case.with_suffix(".expected.json").read_text())


def describe(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """A span and those under it, in the form of the expectations."""
    children = [child for child in spans if child.parent and child.parent.span_id == span.context.span_id]
    described: dict[str, Any] = {
        "name": span.name,
        "kind": span.kind.name,
        "attributes": {key: list(value) if isinstance(value, tuple) else value for key, value in span.attributes.items()},
        "links": [
            {
                "trace_id": format_trace_id(link.context.trace_id),
                "span_id": format_span_id(link.context.span_id),
                "attributes": dict(link.attributes),
            }
            for link in span.links
        ],
        "status": span.status.status_code.name,
        "children": [describe(child, spans) for child in sorted(children, key=lambda child: child.start_time)],
    }
    if span.status.description:
        described["status_description"] = span.status.description
    return described


def complete(expected: dict[str, Any]) -> dict[str, Any]:
    """An expectation with the defaults that it leaves out."""
    filled = {"attributes": {}, "links": [], "status": "UNSET", "children": [], **expected}
    filled["links"] = [{"attributes": {}, **link} for link in filled["links"]]
    filled["children"] = [complete(child) for child in filled["children"]]
    return filled


def named(function: Any, name: str) -> Any:
    """The function under a name of a user's module."""
    function.__module__, function.__qualname__ = "app", name
    return function


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_event_becomes_tree(case: Path, spans: Any, lambda_context: Any) -> None:
    event, expected = load(case)
    before = copy.deepcopy(event)
    result = expected.get("result")
    handler = traced_handler(named(lambda event, context: result, "handler"))

    assert handler(event, lambda_context) is result
    assert event == before

    ended = spans.take()
    root = ended[-1]
    tree = complete(expected["tree"])
    parent = tree.pop("parent", None)
    tree["attributes"] = {**IDENTITY, **tree["attributes"]}
    assert describe(root, ended) == tree
    found = root.parent and {"trace_id": format_trace_id(root.parent.trace_id), "span_id": format_span_id(root.parent.span_id)}
    assert found == parent


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_event_matches_exactly_its_source(case: Path) -> None:
    event, expected = load(case)
    assert case.parent.name == expected["source"]
    assert recognize(event)[0].name == expected["source"]
    assert expected["provenance"]


def records_of(event: Any) -> list[Any]:
    """The records of an event, wherever its source puts them."""
    if "rmqMessagesByQueue" in event:
        return [message for queue in event["rmqMessagesByQueue"].values() for message in queue]
    if isinstance(event.get("records"), dict):
        return [record for partition in event["records"].values() for record in partition]
    return event.get("Records") or event.get("messages") or event.get("events") or []


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "records" in load(case)[1]],
    ids=lambda case: f"{case.parent.name}-{case.stem}",
)
def test_record_becomes_span(case: Path, spans: Any, lambda_context: Any) -> None:
    event, expected = load(case)
    process = traced_record(named(lambda record: None, "process"))

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        for record in records_of(event):
            process(record)

    handler(event, lambda_context)
    ended = spans.take()
    root = ended[-1]
    above = next((span for span in ended if span.parent == root.context and span.kind.name == "CONSUMER"), root)
    described = [
        describe(span, ())
        for span in sorted(ended, key=lambda span: span.start_time)
        if span.attributes.get("code.function.name") == "app.process"
    ]
    wanted = [complete(record) for record in expected["records"]]
    for record in wanted:
        record["attributes"] = {"code.function.name": "app.process", **record["attributes"]}
    assert described == wanted
    if expected["tree"].get("children"):
        assert all(span.parent == above.context for span in ended if span.attributes.get("code.function.name") == "app.process")


def negatives() -> list[Any]:
    return [pytest.param(event, id=name) for name, event in json.loads((EVENTS / "negative.json").read_text())]


@pytest.mark.parametrize("event", negatives())
def test_other_events_match_nothing(event: Any) -> None:
    assert recognize(event)[0] is UNKNOWN


def test_every_source_has_two_fixtures() -> None:
    counts = {source.name: 0 for source in (*SOURCES, UNKNOWN)}
    for case in CASES:
        counts[case.parent.name] += 1
    assert not {name: count for name, count in counts.items() if count < 2}
    for name in ("api_gateway_rest", "http_api_v1", "http_api_v2", "sqs", "sns"):
        assert counts[name] >= 4
