"""The facts of one invocation, from a Lambda context that may be real, a mock, half of one or None.

Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from . import semconv
from .sources import Attributes, Carrier
from .sources._base import NOTHING, AttributeValue
from .sources._fields import carrier


def function_name(context: object) -> str | None:
    """Name of the function, None when unknown."""
    return _text(context, "function_name")


def request_id(context: object) -> str | None:
    """`aws_request_id`, None when unknown."""
    return _text(context, "aws_request_id")


def carriers_of(context: object) -> tuple[Carrier, ...]:
    """Trace context that came beside the event: `w3c()`, then the `custom` part of the client context."""
    return _w3c(context) + _custom(context)


def attributes_of(context: object, *, cold: bool) -> Attributes:
    """Attributes of the invocation span; what is missing, raises or has the wrong type is left out.

    Args:
        context: The Lambda context.
        cold: True on the first invocation of a process that was started for it.
    """
    arn = _text(context, "invoked_function_arn")
    of_function = attributes_of_arn(arn, _text(context, "function_version")) if arn else NOTHING
    found: dict[str, AttributeValue] = {**of_function, semconv.FAAS_COLDSTART: cold}
    if invocation := request_id(context):
        found[semconv.FAAS_INVOCATION_ID] = invocation
    return found


@lru_cache(maxsize=8)
def attributes_of_arn(arn: str, version: str | None) -> Attributes:
    """What an invoked ARN says: itself, the same with its qualifier replaced by the version that ran, and its account.

    Source: https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (`cloud.resource_id`)
    """
    found = {semconv.AWS_LAMBDA_INVOKED_ARN: arn}
    parts = arn.split(":")
    if len(parts) in (7, 8) and parts[0] == "arn":
        if len(parts) == 7:
            found[semconv.CLOUD_RESOURCE_ID] = arn
        elif version:
            found[semconv.CLOUD_RESOURCE_ID] = ":".join((*parts[:7], version))
        if parts[4]:
            found[semconv.CLOUD_ACCOUNT_ID] = parts[4]
    return found


def remaining_seconds(context: Any) -> float | None:
    """Seconds until the deadline, None when the context does not say."""
    try:
        remaining = context.get_remaining_time_in_millis()
        return remaining / 1000 if type(remaining) in (int, float) else None
    except Exception:
        return None


def _get(context: object, name: str) -> Any:
    try:
        return getattr(context, name, None)
    except Exception:
        return None


def _text(context: object, name: str) -> str | None:
    try:
        value = getattr(context, name, None)
    except Exception:
        return None
    return value if isinstance(value, str) and value else None


def _w3c(context: object) -> tuple[Carrier, ...]:
    accessor = _get(context, "w3c")
    try:
        return _carrier(accessor() if callable(accessor) else accessor)
    except Exception:
        return ()


def _custom(context: object) -> tuple[Carrier, ...]:
    client_context = _get(context, "client_context")
    return () if client_context is None else _carrier(_get(client_context, "custom"))


def _carrier(value: Any) -> tuple[Carrier, ...]:
    return carrier(value) if value else ()
