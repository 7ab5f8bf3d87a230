"""The current trace context into what carries no attributes: events for EventBridge and invocations of other functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from .propagation import XRAY_HEADER, inject_carrier
from .state import state

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (X-Amz-Client-Context)
_LONGEST_CLIENT_CONTEXT = 3583

# What is left out first stands last.
_FORMATS = (("traceparent", "tracestate", "baggage"), ("traceparent", "tracestate"), ("traceparent",))


class _Injected(str):
    """Text that came from here; it knows what stood there before, so that the same entry can be sent again with another context."""

    __slots__ = ("before",)
    before: str | None

    @classmethod
    def instead_of(cls, before: object, text: str) -> _Injected:
        """This text, in place of what was there."""
        injected = cls(text)
        injected.before = cast("str | None", before)
        return injected


def _without_ours(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as they were before anything came from here."""
    found: dict[str, Any] = {}
    for key, value in arguments.items():
        if not isinstance(value, _Injected):
            found[key] = value
        elif value.before is not None:
            found[key] = value.before
    return found


def inject_eventbridge(**entry: Any) -> dict[str, Any]:
    """One entry of `put_events`, or all its arguments.

    X-Ray's context goes to `TraceHeader`. W3C context goes into `Detail` only under the key that `LAMBDA_OTEL_CONTEXT_KEY` names, where
    the library finds it again; the rest of the text stays as it is.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    carrier = inject_carrier()
    if not isinstance(entry.get("Entries"), list):
        return _into_entry(entry, carrier)
    found = cast("list[Any]", entry["Entries"])
    return {**entry, "Entries": [_into_entry(cast("dict[str, Any]", item), carrier) if isinstance(item, dict) else item for item in found]}


def _into_entry(entry: dict[str, Any], carrier: Mapping[str, str]) -> dict[str, Any]:
    injected = _without_ours(entry)
    header = carrier.get(XRAY_HEADER)
    if header and "TraceHeader" not in injected:
        injected["TraceHeader"] = _Injected.instead_of(None, header)
    key = state.settings.context_key
    context = {name: value for name, value in carrier.items() if name != XRAY_HEADER}
    detail = injected.get("Detail")
    if key and context and isinstance(detail, str) and (text := _with_member(detail, key, context)):
        injected["Detail"] = _Injected.instead_of(detail, text)
    return injected


def _with_member(detail: str, key: str, context: Mapping[str, str]) -> str | None:
    """The text of a JSON object with one more member in front; None when it is none, or has such a member."""
    try:
        members = json.loads(detail)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or key in members:
        return None
    rest = detail.lstrip()[1:]
    return f"{{{json.dumps(key)}: {json.dumps(context)}{', ' if members else ''}{rest}"


def inject_invoke(**arguments: Any) -> dict[str, Any]:
    """Arguments of `invoke` of a Lambda client.

    The context goes to the `custom` part of `ClientContext`, as far as its 3,583 bytes have room for it. Lambda hands it on in
    synchronous invocations only.

    Returns:
        A new dict; the one given and what it holds are not changed.
    """
    injected = _without_ours(arguments)
    given = injected.get("ClientContext")
    client_context = _decode(given)
    carrier = inject_carrier()
    if client_context is not None and carrier and (text := _encode(client_context, carrier)):
        injected["ClientContext"] = _Injected.instead_of(given, text)
    return injected


def _decode(text: object) -> dict[str, Any] | None:
    """A client context; None for one that cannot be read, or that carries a context of the user's own."""
    if text is None:
        return {}
    from base64 import b64decode

    try:
        found = json.loads(b64decode(cast("str", text), validate=True))
    except (TypeError, ValueError, RecursionError):
        return None
    custom = cast("dict[str, Any]", found).get("custom", {}) if isinstance(found, dict) else None
    if not isinstance(custom, dict) or "traceparent" in custom:
        return None
    return cast("dict[str, Any]", found)


def _encode(client_context: dict[str, Any], carrier: Mapping[str, str]) -> str | None:
    """The client context with as much of the carrier as there is room for; None when there is none."""
    from base64 import b64encode

    formats = _FORMATS if "traceparent" in carrier else (tuple(carrier),)
    for names in formats:
        added = {name: carrier[name] for name in names if name in carrier}
        changed = {**client_context, "custom": {**client_context.get("custom", {}), **added}}
        text = b64encode(json.dumps(changed, separators=(",", ":")).encode()).decode()
        if len(text) <= _LONGEST_CLIENT_CONTEXT:
            return text
    return None
