"""The facts of an invocation, from whatever stands for a Lambda context."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from awslambdaric.lambda_context import LambdaContext
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_otel.invocation import attributes_of, attributes_of_arn, carriers_of, function_name, remaining_seconds, request_id

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


NOTHING_KNOWN = ({"faas.coldstart": True}, (), None, None)


def known(context: object) -> tuple[Any, ...]:
    """All that is read from a context."""
    return attributes_of(context, cold=True), carriers_of(context), function_name(context), request_id(context)


def runtime_context(client_context: dict[str, Any] | None = None) -> LambdaContext:
    """A context as AWS's own runtime makes it."""
    return LambdaContext("request", client_context, None, 4_000_000_000_000, f"{FUNCTION}:live")


def test_context_of_the_runtime_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "12")
    attributes = {
        "faas.invocation_id": "request",
        "faas.coldstart": True,
        "cloud.resource_id": f"{FUNCTION}:12",
        "cloud.account.id": "123456789012",
        "aws.lambda.invoked_arn": f"{FUNCTION}:live",
    }
    assert known(runtime_context()) == (attributes, (), "f", "request")


def test_attributes_are_those_that_are_known() -> None:
    context = SimpleNamespace(aws_request_id="request", invoked_function_arn=FUNCTION)
    assert attributes_of(context, cold=False) == {
        "faas.invocation_id": "request",
        "faas.coldstart": False,
        "cloud.resource_id": FUNCTION,
        "cloud.account.id": "123456789012",
        "aws.lambda.invoked_arn": FUNCTION,
    }


@pytest.mark.parametrize(
    ("arn", "version", "resource_id"),
    [
        (FUNCTION, "12", FUNCTION),
        (f"{FUNCTION}:PROD", "12", f"{FUNCTION}:12"),
        (f"{FUNCTION}:12", "12", f"{FUNCTION}:12"),
        (f"{FUNCTION}:PROD", "$LATEST", f"{FUNCTION}:$LATEST"),
        (f"{FUNCTION}:$LATEST", "$LATEST", f"{FUNCTION}:$LATEST"),
        (f"{FUNCTION}:PROD", None, None),
        (FUNCTION.replace("aws", "aws-cn", 1), "12", FUNCTION.replace("aws", "aws-cn", 1)),
        (FUNCTION.replace("aws", "aws-us-gov", 1) + ":a", "3", FUNCTION.replace("aws", "aws-us-gov", 1) + ":3"),
    ],
)
def test_alias_gives_way_to_the_version(arn: str, version: str | None, resource_id: str | None) -> None:
    expected = {"cloud.account.id": "123456789012", "aws.lambda.invoked_arn": arn}
    if resource_id:
        expected["cloud.resource_id"] = resource_id
    assert attributes_of_arn(arn, version) == expected


@pytest.mark.parametrize("arn", ["f", "arn:aws:lambda", "a:b:c:d:e:f:g", f"{FUNCTION}:a:b", "::::::"])
def test_arn_that_is_none_says_nothing_but_itself(arn: str) -> None:
    assert attributes_of_arn(arn, "12") == {"aws.lambda.invoked_arn": arn}


def test_arn_without_an_account_has_none() -> None:
    arn = "arn:aws:lambda:us-east-1::function:f"
    assert attributes_of_arn(arn, "12") == {"aws.lambda.invoked_arn": arn, "cloud.resource_id": arn}


class Raising:
    """Every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_context_whose_attributes_raise_gives_nothing() -> None:
    assert known(Raising()) == NOTHING_KNOWN
    assert remaining_seconds(Raising()) is None


@pytest.mark.parametrize(
    "context",
    [None, {}, {"aws_request_id": "x"}, 7, "x", object(), MagicMock(), Mock(), SimpleNamespace(), LambdaContext],
    ids=lambda context: type(context).__name__,
)
def test_context_that_says_nothing_gives_nothing(context: object) -> None:
    assert known(context) == NOTHING_KNOWN
    assert remaining_seconds(context) is None


@pytest.mark.parametrize("value", [None, 7, b"x", "", ["x"], {"x": "y"}])
def test_fields_of_other_types_are_left_out(value: Any) -> None:
    names = ("function_name", "function_version", "aws_request_id", "invoked_function_arn", "client_context", "w3c")
    assert known(SimpleNamespace(**dict.fromkeys(names, value))) == NOTHING_KNOWN or value == {"x": "y"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(3000, 3.0), (0, 0.0), (-5, -0.005), (1500.5, 1.5005), ("3000", None), (None, None), (True, None), (10**400, None), ([], None)],
)
def test_remaining_time_is_in_seconds_or_unknown(value: Any, seconds: float | None) -> None:
    assert remaining_seconds(SimpleNamespace(get_remaining_time_in_millis=lambda: value)) == seconds


def test_remaining_time_of_the_runtime_is_read() -> None:
    remaining = remaining_seconds(runtime_context())
    assert remaining is not None
    assert 0 < remaining < math.inf


def test_remaining_time_that_raises_is_unknown() -> None:
    def fail() -> int:
        raise ValueError("no clock")

    assert remaining_seconds(SimpleNamespace(get_remaining_time_in_millis=fail)) is None


# --- Carriers beside the event


def test_w3c_context_of_the_runtime_goes_before_the_client_context() -> None:
    context = runtime_context({"custom": {"TraceParent": "custom"}, "env": {}, "client": None, "w3c": {"traceparent": TRACEPARENT}})
    assert carriers_of(context) == ({"traceparent": TRACEPARENT}, {"traceparent": "custom"})


def test_custom_part_of_the_client_context_is_a_carrier() -> None:
    context = runtime_context({"custom": {"TraceParent": TRACEPARENT, "other": "x"}, "env": {}, "client": None})
    assert carriers_of(context) == ({"traceparent": TRACEPARENT, "other": "x"},)


def test_w3c_is_taken_as_a_method_and_as_a_value() -> None:
    for w3c in (lambda: {"Traceparent": TRACEPARENT}, {"traceparent": TRACEPARENT}):
        assert carriers_of(SimpleNamespace(w3c=w3c)) == ({"traceparent": TRACEPARENT},)


def raise_error() -> None:
    raise RuntimeError("no context")


@pytest.mark.parametrize(
    "w3c", [raise_error, lambda argument: {}, lambda: None, lambda: "00-1-1-01", dict, 7, {1: 2}, lambda: {"traceparent": 7}]
)
def test_w3c_of_another_kind_is_no_carrier(w3c: Any) -> None:
    assert carriers_of(SimpleNamespace(w3c=w3c)) == ()


@pytest.mark.parametrize("custom", [None, "x", [], {}, {1: "x"}, {"traceparent": None}, MagicMock()])
def test_custom_part_of_another_kind_is_no_carrier(custom: Any) -> None:
    assert carriers_of(SimpleNamespace(client_context=SimpleNamespace(custom=custom))) == ()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=8)
fields = st.sampled_from(["function_name", "function_version", "aws_request_id", "invoked_function_arn", "client_context", "w3c"])


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(fields, anything | st.builds(lambda value: lambda: value, anything)), custom=anything)
def test_no_context_raises(values: dict[str, Any], custom: Any) -> None:
    context = SimpleNamespace(**{"client_context": SimpleNamespace(custom=custom), **values})
    attributes, carriers, *names = known(context)
    assert all(isinstance(value, (str, bool)) and value != "" for value in attributes.values())
    assert all(isinstance(text, str) for carrier in carriers for item in carrier.items() for text in item)
    assert all(name is None or (isinstance(name, str) and name) for name in names)
