"""The current trace context into what a function sends: HTTP headers and the arguments of boto3 calls.

A message never gets more attributes than AWS takes, and nothing that the user set is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from .propagation import XRAY_HEADER, inject_carrier

# SQS refuses an eleventh attribute; SNS takes it and then discards the message at subscriptions with raw delivery.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
_MOST_ATTRIBUTES = 10

# What is left out first stands last.
_ORDER = ("traceparent", "tracestate", "baggage")


class _Injected(dict[str, Any]):
    """An attribute that came from here, not from the user: it may be written anew when the same message is sent again."""


def inject_http(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Headers for an outgoing request.

    Args:
        headers: The request's own headers; not changed.

    Returns:
        A new dict: these headers and the current context, which replaces an older one under the same names.
    """
    carrier = inject_carrier()
    replaced = {name.lower() for name in carrier}
    kept = {name: value for name, value in (headers or {}).items() if name.lower() not in replaced}
    return {**kept, **carrier}


def inject_sqs(**message: Any) -> dict[str, Any]:
    """Arguments of `send_message`, or one entry of `send_message_batch`, or all arguments of that.

    W3C context goes to `MessageAttributes` within the limit of ten, X-Ray's to the system attribute `AWSTraceHeader`.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    if isinstance(message.get("Entries"), list):
        return {**message, "Entries": [_entry(inject_sqs, entry) for entry in message["Entries"]]}
    carrier = inject_carrier()
    injected = _with_attributes(message, carrier)
    if header := carrier.get(XRAY_HEADER):
        system = _dict(message.get("MessageSystemAttributes"))
        if system is not None and isinstance(system.get("AWSTraceHeader", _Injected()), _Injected):
            injected["MessageSystemAttributes"] = {**system, "AWSTraceHeader": _string(header)}
    return injected


def inject_sns(**message: Any) -> dict[str, Any]:
    """Arguments of `publish`, or one entry of `publish_batch`, or all arguments of that.

    W3C context goes to `MessageAttributes` within the limit of ten; X-Ray's travels in a header of the request itself.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    entries = message.get("PublishBatchRequestEntries")
    if isinstance(entries, list):
        found = cast("list[Any]", entries)
        return {**message, "PublishBatchRequestEntries": [_entry(inject_sns, entry) for entry in found]}
    return _with_attributes(message, inject_carrier())


def _entry(inject: Callable[..., dict[str, Any]], entry: Any) -> Any:
    return inject(**entry) if isinstance(entry, dict) else entry


def _string(value: str) -> _Injected:
    return _Injected(DataType="String", StringValue=value)


def _dict(value: object) -> dict[str, Any] | None:
    """A dict or what stands for an empty one; None for anything else, which is left to boto3 to refuse."""
    return cast("dict[str, Any]", value or {}) if isinstance(value or {}, dict) else None


def _with_attributes(message: dict[str, Any], carrier: Mapping[str, str]) -> dict[str, Any]:
    """The message with as much of the carrier as there is room for; one that carries a context of the user's own stays as it is."""
    given = _dict(message.get("MessageAttributes"))
    if given is None:
        return dict(message)
    own = {name: value for name, value in given.items() if not isinstance(value, _Injected)}
    fields = sorted((name for name in carrier if name != XRAY_HEADER), key=_rank)
    taken = {name.lower() for name in own}
    if any(name.lower() in taken for name in fields if name.lower() != "baggage"):
        return {**message, "MessageAttributes": own} if own else dict(message)
    room = _MOST_ATTRIBUTES - len(own)
    added = {name: _string(carrier[name]) for name in fields[: max(room, 0)] if name.lower() not in taken}
    if not (own or added):
        return dict(message)
    return {**message, "MessageAttributes": {**own, **added}}


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER) - 2
