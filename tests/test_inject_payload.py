"""Trace context in EventBridge entries and in the client context of invocations."""

from __future__ import annotations

import base64
import copy
import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

from lambda_otel import configure, inject_eventbridge, inject_invoke, span, traced_handler
from lambda_otel.invoke import collect_spans

DETAIL = '{"total": 1.10, "items": [1,2]}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


def shape(service: str, operation: str) -> Any:
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    return client.meta.service_model.operation_model(operation).input_shape


def client_context(arguments: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(arguments["ClientContext"]))


def entry(**changes: Any) -> dict[str, Any]:
    return {"Source": "shop", "DetailType": "Ordered", "Detail": DETAIL, **changes}


def test_eventbridge_gets_the_xray_header_and_an_untouched_detail(spans: Any) -> None:
    with span("send") as current:
        injected = inject_eventbridge(**entry())
    assert injected["Detail"] == DETAIL
    assert f"{current.get_span_context().span_id:016x}" in injected["TraceHeader"]
    validate_parameters({"Entries": [injected]}, shape("events", "PutEvents"))


@pytest.fixture
def keyed() -> None:
    """Tracing, with a key for contexts in payloads."""
    configure(context_key="_context")
    collect_spans()


@pytest.mark.usefixtures("keyed")
def test_eventbridge_detail_holds_the_context_under_the_named_key_only() -> None:
    with span("send") as current:
        injected = inject_eventbridge(**entry())
    assert injected["Detail"].endswith(DETAIL[1:])
    detail = json.loads(injected["Detail"])
    assert f"{current.get_span_context().span_id:016x}" in detail.pop("_context")["traceparent"]
    assert detail == json.loads(DETAIL)


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize("detail", ["{}", " { } ", '{"a": {}}'])
def test_eventbridge_detail_stays_json(detail: str) -> None:
    with span("send"):
        found = json.loads(inject_eventbridge(Detail=detail)["Detail"])
    assert list(found.pop("_context")) == ["traceparent"]
    assert found == json.loads(detail)


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize("detail", ["", "x", "[1]", "null", '{"_context": 1}', 7, None])
def test_a_detail_that_cannot_take_it_stays(detail: Any) -> None:
    given = entry(Detail=detail)
    with span("send"):
        injected = inject_eventbridge(**given)
    injected.pop("TraceHeader")
    assert injected == given


@pytest.mark.usefixtures("keyed")
def test_eventbridge_whole_call_and_refresh() -> None:
    call = {"Entries": [entry(), entry(TraceHeader="mine"), "odd"]}
    before = copy.deepcopy(call)
    with span("first"):
        first = inject_eventbridge(**call)
    with span("second") as second_span:
        second = inject_eventbridge(**first)
    assert call == before
    assert [item["TraceHeader"] for item in second["Entries"][1:2]] == ["mine"]
    assert second["Entries"][2] == "odd"
    identifier = f"{second_span.get_span_context().span_id:016x}"
    assert identifier in second["Entries"][0]["TraceHeader"]
    assert second["Entries"][0]["Detail"].count("traceparent") == 1
    assert identifier in second["Entries"][0]["Detail"]


def test_without_a_context_nothing_is_added_and_an_old_one_goes(spans: Any) -> None:
    with span("send"):
        injected, invoked = inject_eventbridge(**entry()), inject_invoke(FunctionName="f")
    assert inject_eventbridge(**injected) == entry()
    assert inject_invoke(**invoked) == {"FunctionName": "f"}


def test_invoke_reaches_the_other_function(spans: Any, lambda_context: Any) -> None:
    with span("call") as current:
        arguments = inject_invoke(FunctionName="other", Payload=b"{}")
    validate_parameters(arguments, shape("lambda", "Invoke"))
    spans.take()
    lambda_context.client_context = SimpleNamespace(custom=client_context(arguments)["custom"])
    traced_handler(lambda event, context: None)({}, lambda_context)
    assert spans.one().parent.span_id == current.get_span_context().span_id


def test_invoke_keeps_the_users_client_context(spans: Any) -> None:
    own = {"client": {"app_title": "shop"}, "custom": {"tenant": "a"}}
    text = base64.b64encode(json.dumps(own).encode()).decode()
    with span("call"):
        found = client_context(inject_invoke(ClientContext=text))
    assert found["client"] == own["client"]
    assert found["custom"].keys() == {"tenant", "traceparent"}


@pytest.mark.parametrize("size", [0, 2400, 2500, 2600, 2650, 4000])
def test_invoke_never_exceeds_the_limit(size: int, spans: Any) -> None:
    text = base64.b64encode(json.dumps({"custom": {"own": "x" * size}}).encode()).decode()
    with span("call"):
        injected = inject_invoke(ClientContext=text)
    assert len(injected["ClientContext"]) <= max(3583, len(text))
    assert client_context(injected)["custom"]["own"] == "x" * size
    assert ("traceparent" in client_context(injected)["custom"]) == (size <= 2500)


@pytest.mark.parametrize("text", ["", "%", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"custom": 1}').decode(), 7, b"e30="])
def test_a_client_context_that_cannot_be_read_stays(text: Any, spans: Any) -> None:
    with span("call"):
        injected = inject_invoke(ClientContext=text)
    assert injected["ClientContext"] == text or client_context(injected)["custom"]


def test_a_context_of_the_users_own_stays(spans: Any) -> None:
    text = base64.b64encode(json.dumps({"custom": {"traceparent": "mine"}}).encode()).decode()
    with span("call"):
        assert inject_invoke(ClientContext=text) == {"ClientContext": text}


@given(st.dictionaries(st.sampled_from(["Detail", "TraceHeader", "Entries", "ClientContext", "Source"]), JSON))
def test_any_arguments_are_taken_and_not_changed(arguments: dict[str, Any]) -> None:
    before = copy.deepcopy(arguments)
    inject_eventbridge(**arguments)
    inject_invoke(**arguments)
    assert arguments == before
