"""The facts of one invocation, from a Lambda context that may be real, a mock, half of one or None.

Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from . import semconv
from .sources import Attributes, Carrier
from .sources._base import AttributeValue
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
    resource_id, account = resolve_arn(arn, _text(context, "function_version"))
    found: dict[str, AttributeValue | None] = {
        semconv.FAAS_INVOCATION_ID: _text(context, "aws_request_id"),
        semconv.FAAS_COLDSTART: cold,
        semconv.CLOUD_RESOURCE_ID: resource_id,
        semconv.CLOUD_ACCOUNT_ID: account,
        semconv.AWS_LAMBDA_INVOKED_ARN: arn,
    }
    return {key: value for key, value in found.items() if value is not None}


@lru_cache(maxsize=8)
def resolve_arn(arn: str | None, version: str | None) -> tuple[str | None, str | None]:
    """The ARN with its qualifier replaced by the version that ran, and its account.

    Source: https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (`cloud.resource_id`)
    """
    parts = arn.split(":") if arn else []
    if len(parts) not in (7, 8) or parts[0] != "arn":
        return None, None
    resolved = ":".join((*parts[:7], version)) if version else None
    return arn if len(parts) == 7 else resolved, parts[4] or None


def remaining_seconds(context: Any) -> float | None:
    """Seconds until the deadline, None when the context does not say."""
    try:
        remaining = context.get_remaining_time_in_millis()
        usable = isinstance(remaining, (int, float)) and not isinstance(remaining, bool)
        return remaining / 1000 if usable else None
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
