"""The facts of one invocation, from a Lambda context that may be real, a mock, half of one or None.

Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from . import semconv
from .sources import Attributes, Carrier
from .sources._base import AttributeValue


class Invocation(NamedTuple):
    """What the Lambda context says.

    Attributes:
        function: Name of the function, None when unknown.
        request_id: `aws_request_id`.
        invoked_arn: `invoked_function_arn`, alias included.
        resource_id: The ARN with the alias replaced by the version; None for an ARN that is none.
        account: Account of the ARN.
        cold: True on the first invocation of a process that was started for it.
        carriers: Trace context that came beside the event: `w3c()`, then the `custom` part of the client context.
    """

    function: str | None
    request_id: str | None
    invoked_arn: str | None
    resource_id: str | None
    account: str | None
    cold: bool
    carriers: tuple[Carrier, ...]

    def attributes(self) -> Attributes:
        """Attributes of the invocation span, of what is known."""
        found: dict[str, AttributeValue | None] = {
            semconv.FAAS_INVOCATION_ID: self.request_id,
            semconv.FAAS_COLDSTART: self.cold,
            semconv.CLOUD_RESOURCE_ID: self.resource_id,
            semconv.CLOUD_ACCOUNT_ID: self.account,
            semconv.AWS_LAMBDA_INVOKED_ARN: self.invoked_arn,
        }
        return {key: value for key, value in found.items() if value is not None}


def facts(context: object, *, cold: bool) -> Invocation:
    """Reads a Lambda context; what is missing, raises or has the wrong type is left out."""
    arn = _text(context, "invoked_function_arn")
    resource_id, account = resolve_arn(arn, _text(context, "function_version"))
    return Invocation(
        function=_text(context, "function_name"),
        request_id=_text(context, "aws_request_id"),
        invoked_arn=arn,
        resource_id=resource_id,
        account=account,
        cold=cold,
        carriers=(*_w3c(context), *_custom(context)),
    )


def resolve_arn(arn: str | None, version: str | None) -> tuple[str | None, str | None]:
    """The ARN with its qualifier replaced by the version that ran, and its account.

    Source: https://opentelemetry.io/docs/specs/semconv/resource/cloud/ (`cloud.resource_id`)
    """
    parts = arn.split(":") if arn else []
    if len(parts) not in (7, 8) or parts[0] != "arn":
        return None, None
    resolved = ":".join((*parts[:7], version)) if version else None
    return arn if len(parts) == 7 else resolved, parts[4] or None


def remaining_seconds(context: object) -> float | None:
    """Seconds until the deadline, None when the context does not say."""
    try:
        remaining = cast("Any", context).get_remaining_time_in_millis()
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
    value = _get(context, name)
    return value if isinstance(value, str) and value else None


def _w3c(context: object) -> tuple[Carrier, ...]:
    accessor = _get(context, "w3c")
    try:
        return _carrier(accessor() if callable(accessor) else accessor)
    except Exception:
        return ()


def _custom(context: object) -> tuple[Carrier, ...]:
    return _carrier(_get(_get(context, "client_context"), "custom"))


def _carrier(value: object) -> tuple[Carrier, ...]:
    if not isinstance(value, dict):
        return ()
    items = cast("dict[object, object]", value).items()
    found = {key.lower(): text for key, text in items if isinstance(key, str) and isinstance(text, str)}
    return (found,) if found else ()
