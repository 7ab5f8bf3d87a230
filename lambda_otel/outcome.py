"""What a result or an exception says about the span: status and attributes, read without touching either.

Source: https://opentelemetry.io/docs/specs/semconv/general/recording-errors/
"""

from __future__ import annotations

from typing import cast

from . import semconv
from .sources import Answer, Attributes, Batch
from .sources._base import NOTHING

_ERRORS = (Exception, SystemExit, KeyboardInterrupt)


class Outcome:
    """What a result says.

    Attributes:
        error_type: `error.type`; None unless it failed.
        attributes: Attributes of the response.
        failed_items: What `batchItemFailures` names; empty without failures.
        all_failed: True when `batchItemFailures` fails the whole batch.
    """

    __slots__ = ("all_failed", "attributes", "error_type", "failed_items")

    def __init__(
        self,
        error_type: str | None = None,
        attributes: Attributes = NOTHING,
        failed_items: frozenset[str] = frozenset(),
        all_failed: bool = False,
    ) -> None:
        self.error_type = error_type
        self.attributes = attributes
        self.failed_items = failed_items
        self.all_failed = all_failed


SUCCESS = Outcome()


def is_error(error: BaseException) -> bool:
    """True unless the exception only steers control flow, as `GeneratorExit` and a durable function's suspension do."""
    return isinstance(error, _ERRORS) or type(error).__name__ == "CancelledError"


def error_type(error: BaseException) -> str:
    """The class name of an exception, with its module unless it is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """The text of an exception, empty when it has none or its `__str__` raises."""
    try:
        return str(error)
    except Exception:
        return ""


def of_response(answer: Answer, response: object) -> Outcome:
    """The outcome of a handler that returned.

    Args:
        answer: How the event's source reads a result.
        response: Any object.
    """
    if answer == "batch":
        return _of_batch(response)
    if answer == "none":
        return SUCCESS
    status = _status_code(response, missing=200 if answer == "http_or_200" else None)
    if status is None:
        return SUCCESS
    failed = str(status) if status >= 500 else None
    return Outcome(error_type=failed, attributes={semconv.HTTP_RESPONSE_STATUS_CODE: status})


def _status_code(response: object, missing: int | None) -> int | None:
    """The status code that the caller will see, None when the result has none that counts."""
    if not isinstance(response, dict):
        return missing
    code = cast("dict[object, object]", response).get("statusCode", _ABSENT)
    if code is _ABSENT:
        return missing
    if isinstance(code, str) and code.isascii() and code.isdecimal():
        code = int(code[:4])  # longer digits are no status code, and int() of thousands of them raises
    elif isinstance(code, float) and code.is_integer():
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    return int(code) if 100 <= code <= 599 else None


_ABSENT = object()


def _of_batch(response: object) -> Outcome:
    """Partial batch failures.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    failures = cast("dict[object, object]", response).get("batchItemFailures") if isinstance(response, dict) else None
    if not isinstance(failures, list):
        return SUCCESS
    items = [_item(failure) for failure in cast("list[object]", failures)]
    return Outcome(failed_items=frozenset(item for item in items if item), all_failed=None in items)


def _item(failure: object) -> str | None:
    """The identifier of a failed item; None for one that Lambda cannot read, which fails the whole batch."""
    identifier = cast("dict[object, object]", failure).get("itemIdentifier") if isinstance(failure, dict) else None
    if isinstance(identifier, dict):
        kafka = cast("dict[object, object]", identifier)
        return f"{kafka.get('partition')}@{kafka.get('offset')}"
    return identifier if isinstance(identifier, str) and identifier else None


def failed_messages(outcome: Outcome, batch: Batch) -> int:
    """How many messages of a batch failed."""
    if outcome.all_failed:
        return len(batch.messages)
    return sum(item in outcome.failed_items for item in batch.items) if outcome.failed_items else 0
