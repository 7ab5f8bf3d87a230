"""The current trace context into what a function sends: HTTP headers and the arguments of boto3 calls.

A message never gets more attributes than AWS takes, and nothing that the user set is changed.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from .propagation import XRAY_HEADER, inject_carrier
from .state import state

_Inject: TypeAlias = "Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]"

# SQS refuses an eleventh attribute; SNS takes it and then discards the message at subscriptions with raw delivery.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
_MOST_ATTRIBUTES = 10

# Names with others are refused, and the message with them.
_ALLOWED = string.ascii_letters + string.digits + "_.-"
_LONGEST_NAME = 256


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
    if "traceparent" in replaced:
        replaced.add("tracestate")
    kept = {name: value for name, value in _own_headers(headers).items() if str(name).lower() not in replaced}
    return {**kept, **carrier}


def _own_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    try:
        return dict(headers or {})
    except Exception:
        state.say_once(f"inject_http: headers are a {type(headers).__name__}, not a mapping, and left out")
        return {}


def inject_sqs(**message: Any) -> dict[str, Any]:
    """Arguments of `send_message`, or one entry of `send_message_batch`, or all arguments of that.

    W3C context goes to `MessageAttributes` within the limit of ten, X-Ray's to the system attribute `AWSTraceHeader`.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    return _into_each(_into_sqs, "Entries", message)


def inject_sns(**message: Any) -> dict[str, Any]:
    """Arguments of `publish`, or one entry of `publish_batch`, or all arguments of that.

    W3C context goes to `MessageAttributes` within the limit of ten; X-Ray's travels in a header of the request itself.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    return _into_each(_with_attributes, "PublishBatchRequestEntries", message)


def _into_each(inject: _Inject, entries: str, message: dict[str, Any]) -> dict[str, Any]:
    """The message, or a batch with each of its entries, with the current context."""
    carrier = inject_carrier()
    if entries not in message:
        return inject(message, carrier)
    found = message[entries]
    if not isinstance(found, (list, tuple)):
        return dict(message)
    return {**message, entries: [_into_entry(inject, entry, carrier) for entry in cast("list[Any]", found)]}


def _into_entry(inject: _Inject, entry: Any, carrier: Mapping[str, str]) -> Any:
    return inject(cast("dict[str, Any]", entry), carrier) if isinstance(entry, dict) else entry


def _into_sqs(message: dict[str, Any], carrier: Mapping[str, str]) -> dict[str, Any]:
    injected = _with_attributes(message, carrier)
    system = _dict(message.get("MessageSystemAttributes", {}))
    if system is None or not isinstance(system.get("AWSTraceHeader", _Injected()), _Injected):
        return injected
    own = {name: value for name, value in system.items() if name != "AWSTraceHeader"}
    header = carrier.get(XRAY_HEADER)
    added = {"AWSTraceHeader": _string(header)} if header else {}
    return {**injected, "MessageSystemAttributes": {**own, **added}} if system or added else injected


def _string(value: str) -> _Injected:
    return _Injected(DataType="String", StringValue=value)


def _dict(value: object) -> dict[str, Any] | None:
    """The value if it is a dict; anything else is left to boto3 to refuse."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _with_attributes(message: dict[str, Any], carrier: Mapping[str, str]) -> dict[str, Any]:
    """The message with as much of the carrier as there is room for; one that carries a context of the user's own stays as it is."""
    given = _dict(message.get("MessageAttributes", {}))
    if given is None:
        return dict(message)
    own = {name: value for name, value in given.items() if not isinstance(value, _Injected)}
    taken = {str(name).lower() for name in own}
    free = {name: value for name, value in carrier.items() if name.lower() not in taken and name != XRAY_HEADER}
    has_context = any(name != "baggage" and name.lower() in taken for name in carrier)
    added = {} if has_context else _fitting(free, _MOST_ATTRIBUTES - len(own))
    return {**message, "MessageAttributes": {**own, **added}} if given or added else dict(message)


def _fitting(carrier: Mapping[str, str], room: int) -> dict[str, _Injected]:
    """What fits of a carrier: `traceparent` first, then other formats as a whole, since half of B3 says something else, baggage last."""
    others = [name for name in carrier if name not in ("traceparent", "tracestate", "baggage")]
    chosen: list[str] = []
    for names in (["traceparent"], others, ["tracestate"], ["baggage"]):
        found = [name for name in names if name in carrier and _is_valid(name)]
        if len(chosen) + len(found) <= room:
            chosen += found
    return {name: _string(carrier[name]) for name in chosen}


def _is_valid(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and not name.strip(_ALLOWED)
