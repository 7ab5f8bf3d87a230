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

from lambda_otel.invocation import Invocation, facts, remaining_seconds, resolve_arn

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
NOTHING_KNOWN = Invocation(function=None, request_id=None, invoked_arn=None, resource_id=None, account=None, cold=True, carriers=())
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def runtime_context(client_context: dict[str, Any] | None = None) -> LambdaContext:
    """A context as AWS's own runtime makes it."""
    return LambdaContext("request", client_context, None, 4_000_000_000_000, f"{FUNCTION}:live")


def test_context_of_the_runtime_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "12")
    assert facts(runtime_context(), cold=True) == Invocation(
        function="f",
        request_id="request",
        invoked_arn=f"{FUNCTION}:live",
        resource_id=f"{FUNCTION}:12",
        account="123456789012",
        cold=True,
        carriers=(),
    )


def test_attributes_are_those_that_are_known() -> None:
    assert NOTHING_KNOWN.attributes() == {"faas.coldstart": True}
    warm = facts(SimpleNamespace(aws_request_id="request", invoked_function_arn=FUNCTION), cold=False)
    assert warm.attributes() == {
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
    assert resolve_arn(arn, version) == (resource_id, "123456789012")


@pytest.mark.parametrize("arn", [None, "", "f", "arn:aws:lambda", "a:b:c:d:e:f:g", f"{FUNCTION}:a:b", "::::::"])
def test_arn_that_is_none_says_nothing(arn: str | None) -> None:
    assert resolve_arn(arn, "12") == (None, None)


def test_arn_without_an_account_has_none() -> None:
    arn = "arn:aws:lambda:us-east-1::function:f"
    assert resolve_arn(arn, "12") == (arn, None)


class Raising:
    """Every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_context_whose_attributes_raise_gives_nothing() -> None:
    assert facts(Raising(), cold=True) == NOTHING_KNOWN
    assert remaining_seconds(Raising()) is None


@pytest.mark.parametrize(
    "context",
    [None, {}, {"aws_request_id": "x"}, 7, "x", object(), MagicMock(), Mock(), SimpleNamespace(), LambdaContext],
    ids=lambda context: type(context).__name__,
)
def test_context_that_says_nothing_gives_nothing(context: object) -> None:
    assert facts(context, cold=True) == NOTHING_KNOWN
    assert remaining_seconds(context) is None


@pytest.mark.parametrize("value", [None, 7, b"x", "", ["x"], {"x": "y"}])
def test_fields_of_other_types_are_left_out(value: Any) -> None:
    names = ("function_name", "function_version", "aws_request_id", "invoked_function_arn", "client_context", "w3c")
    assert facts(SimpleNamespace(**dict.fromkeys(names, value)), cold=True) == NOTHING_KNOWN or value == {"x": "y"}


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
    assert facts(context, cold=True).carriers == ({"traceparent": TRACEPARENT}, {"traceparent": "custom"})


def test_custom_part_of_the_client_context_is_a_carrier() -> None:
    context = runtime_context({"custom": {"TraceParent": TRACEPARENT, "other": "x"}, "env": {}, "client": None})
    assert facts(context, cold=True).carriers == ({"traceparent": TRACEPARENT, "other": "x"},)


def test_w3c_is_taken_as_a_method_and_as_a_value() -> None:
    for w3c in (lambda: {"Traceparent": TRACEPARENT}, {"traceparent": TRACEPARENT}):
        assert facts(SimpleNamespace(w3c=w3c), cold=True).carriers == ({"traceparent": TRACEPARENT},)


def raise_error() -> None:
    raise RuntimeError("no context")


@pytest.mark.parametrize(
    "w3c", [raise_error, lambda argument: {}, lambda: None, lambda: "00-1-1-01", dict, 7, {1: 2}, lambda: {"traceparent": 7}]
)
def test_w3c_of_another_kind_is_no_carrier(w3c: Any) -> None:
    assert facts(SimpleNamespace(w3c=w3c), cold=True).carriers == ()


@pytest.mark.parametrize("custom", [None, "x", [], {}, {1: "x"}, {"traceparent": None}, MagicMock()])
def test_custom_part_of_another_kind_is_no_carrier(custom: Any) -> None:
    assert facts(SimpleNamespace(client_context=SimpleNamespace(custom=custom)), cold=True).carriers == ()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=8)
fields = st.sampled_from(["function_name", "function_version", "aws_request_id", "invoked_function_arn", "client_context", "w3c"])


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(fields, anything | st.builds(lambda value: lambda: value, anything)), custom=anything)
def test_no_context_raises(values: dict[str, Any], custom: Any) -> None:
    context = SimpleNamespace(**{"client_context": SimpleNamespace(custom=custom), **values})
    found = facts(context, cold=True)
    assert all(isinstance(value, (str, bool)) and value != "" for value in found.attributes().values())
    assert all(isinstance(text, str) for carrier in found.carriers for item in carrier.items() for text in item)
