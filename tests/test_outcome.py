"""What results and exceptions say about a span."""

from __future__ import annotations

import asyncio
from concurrent import futures
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from lambda_otel import traced_handler
from lambda_otel.outcome import SUCCESS, error_type, failed_messages, is_error, message, of_response
from lambda_otel.sources import Batch, Message
from lambda_otel.sources._base import Messages

STATUS = "http.response.status_code"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, 200),
        (404, 404),
        (100, 100),
        (599, 599),
        ("500", 500),
        ("0404", 404),
        (500.0, 500),
        (HTTPStatus.BAD_GATEWAY, 502),
        (True, None),
        (None, None),
        ("", None),
        ("OK", None),
        ("5e2", None),
        ("-200", None),
        ("\u0665\u0660\u0660", None),
        ("9" * 5000, None),
        (500.5, None),
        (float("inf"), None),
        (float("nan"), None),
        (1e300, None),
        (10**400, None),
        (99, None),
        (600, None),
        (0, None),
        (-500, None),
        ([500], None),
        ({"statusCode": 500}, None),
        (b"500", None),
    ],
)
@pytest.mark.parametrize("answer", ["http", "http_or_200"])
def test_status_code_counts_where_it_is_one(answer: Any, code: Any, status: int | None) -> None:
    outcome = of_response(answer, {"statusCode": code})
    assert outcome.attributes == ({} if status is None else {STATUS: status})
    assert type(outcome.attributes.get(STATUS, 0)) is int
    assert outcome.error_type == (str(status) if status and status >= 500 else None)


def test_error_type_is_the_code_in_digits() -> None:
    assert of_response("http", {"statusCode": HTTPStatus.SERVICE_UNAVAILABLE}).error_type == "503"


@pytest.mark.parametrize("response", [None, "hello", b"x", 7, [], {}, {"body": "x"}, [{"statusCode": 500}]])
def test_result_without_a_status_code_means_200_only_in_payload_2(response: Any) -> None:
    outcome = of_response("http_or_200", response)
    assert (outcome.attributes, outcome.error_type) == ({STATUS: 200}, None)
    assert of_response("http", response) == SUCCESS


def test_result_of_another_trigger_is_not_read() -> None:
    assert of_response("none", {"statusCode": 500, "batchItemFailures": [{"itemIdentifier": "1"}]}) == SUCCESS
    assert of_response("batch", {"statusCode": 500}) == SUCCESS
    assert of_response("http", {"batchItemFailures": [{"itemIdentifier": "1"}]}) == SUCCESS


def test_outcome_names_the_error() -> None:
    failed, unknown = of_response("http", {"statusCode": 503}), of_response("http", {"statusCode": 404})
    assert (failed.attributes, failed.error_type) == ({STATUS: 503}, "503")
    assert (unknown.attributes, unknown.error_type) == ({STATUS: 404}, None)


@pytest.mark.parametrize(
    ("status", "span_status", "error"),
    [(200, StatusCode.UNSET, None), (404, StatusCode.UNSET, None), (499, StatusCode.UNSET, None), (500, StatusCode.ERROR, "500")],
)
def test_span_of_a_server_fails_from_500_on(
    status: int, span_status: StatusCode, error: str | None, spans: Any, lambda_context: Any
) -> None:
    event = {"requestContext": {}, "httpMethod": "GET", "resource": "/pets", "path": "/pets"}
    traced_handler(lambda event, context: {"statusCode": status})(event, lambda_context)
    span = spans.one()
    assert (span.status.status_code, span.status.description) == (span_status, None)
    assert (span.attributes[STATUS], span.attributes.get("error.type")) == (status, error)


# --- Partial batch failures


@pytest.mark.parametrize(
    ("failures", "items", "all_failed"),
    [
        ([], set(), False),
        (None, set(), False),
        ("x", set(), False),
        ({"itemIdentifier": "1"}, set(), False),
        ([{"itemIdentifier": "1"}], {"1"}, False),
        ([{"itemIdentifier": "1"}, {"itemIdentifier": "1"}, {"itemIdentifier": "2"}], {"1", "2"}, False),
        ([{"itemIdentifier": {"partition": "orders-0", "offset": 15}}], {"orders-0@15"}, False),
        ([{"itemIdentifier": ""}], set(), True),
        ([{"itemIdentifier": None}], set(), True),
        ([{"itemIdentifier": 7}], set(), True),
        ([{"ItemIdentifier": "1"}], set(), True),
        ([{"itemIdentifier": "1"}, "2"], {"1"}, True),
        ([None], set(), True),
    ],
)
def test_failed_items_are_those_that_lambda_reads(failures: Any, items: set[str], all_failed: bool) -> None:
    outcome = of_response("batch", {"batchItemFailures": failures})
    assert (outcome.failed_items, outcome.all_failed) == (items, all_failed)
    assert (outcome.error_type, outcome.attributes) == (None, {})


@pytest.mark.parametrize("response", [None, "x", 7, [], {}, [{"itemIdentifier": "1"}]])
def test_result_without_failures_is_a_success(response: Any) -> None:
    assert of_response("batch", response) == SUCCESS


@pytest.mark.parametrize(
    ("failures", "count"),
    [([], 0), (["a"], 1), (["a", "b"], 2), (["elsewhere"], 0), (["a", "elsewhere"], 1), ([None], 3), (["a", None], 3)],
)
def test_failed_messages_are_counted_once_each(failures: list[Any], count: int) -> None:
    outcome = of_response("batch", {"batchItemFailures": [{"itemIdentifier": item} for item in failures]})
    assert failed_messages(outcome, Batch("aws_sqs", [Message(item=item) for item in ("a", "b", None)])) == count


def test_messages_are_not_described_again_to_count_those_that_failed() -> None:
    outcome = of_response("batch", {"batchItemFailures": [{"itemIdentifier": "a"}]})
    assert failed_messages(outcome, Batch("aws_sqs", Messages([{}, {}], pytest.fail, ["a", "b"]))) == 1


# --- Exceptions


class Custom(Exception):
    """Of this module."""

    class Inner(Exception):
        """Of this class."""


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("x"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Custom(), f"{__name__}.Custom"),
        (Custom.Inner(), f"{__name__}.Custom.Inner"),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError"),
    ],
)
def test_error_type_is_the_qualified_name(error: BaseException, name: str) -> None:
    assert error_type(error) == name


class Mute(Exception):
    """Has no text to give."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_text_of_an_exception_never_raises() -> None:
    assert message(ValueError("x")) == "x"
    assert message(ValueError()) == ""
    assert message(Mute()) == ""


class SuspendExecution(BaseException):
    """As the SDK for durable functions raises it."""


@pytest.mark.parametrize(
    "error", [ValueError(), Custom(), SystemExit(1), SystemExit(), KeyboardInterrupt(), asyncio.CancelledError(), futures.CancelledError()]
)
def test_exception_that_ends_the_work_is_an_error(error: BaseException) -> None:
    assert is_error(error)


@pytest.mark.parametrize("error", [GeneratorExit(), SuspendExecution()])
def test_exception_that_steers_control_flow_is_no_error(error: BaseException) -> None:
    assert not is_error(error)


# --- Anything

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
keys = st.sampled_from(["statusCode", "batchItemFailures", "itemIdentifier", "partition", "offset"]) | scalars
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12)


@pytest.mark.parametrize("answer", ["none", "http", "http_or_200", "batch"])
@settings(max_examples=60, deadline=None)
@given(response=anything)
def test_no_result_raises(answer: Any, response: Any) -> None:
    outcome = of_response(answer, response)
    assert outcome.attributes.keys() <= {STATUS}
    assert 100 <= outcome.attributes.get(STATUS, 100) <= 599
    assert all(isinstance(item, str) and item for item in outcome.failed_items)
