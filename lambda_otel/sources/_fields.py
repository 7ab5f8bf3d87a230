"""Type-checked reading of fields in an event that may hold anything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from ._base import NOTHING, Carrier

# Keys are strings when the event came as JSON; a caller in Python may use others.
Event = Mapping[Any, Any]

# A header may come several times; these are lists by definition, of the others the last value counts.
_LISTS = frozenset({"x-forwarded-for", "tracestate", "baggage"})


def mapping(value: Any) -> Event:
    """The value if it is a dict, an empty mapping otherwise."""
    # Without a cast, which is a call: this runs several times for each of ten thousand records.
    return value if isinstance(value, dict) else NOTHING  # pyright: ignore[reportUnknownVariableType]


def raw(value: object) -> object:
    """The dict inside a Powertools data class, any other value as it is."""
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    inner = getattr(value, "raw_event", None)
    return cast("object", inner) if isinstance(inner, dict) else value


def text(value: object) -> str | None:
    """The value if it is a non-empty string, None otherwise."""
    return value if isinstance(value, str) and value else None


def records(event: Event) -> list[Any]:
    """The list `Records` of an event."""
    found = event.get("Records")
    return cast("list[Any]", found) if isinstance(found, list) else []


def first_record(event: Event) -> Event:
    """The first of `Records` if it is a dict, an empty mapping otherwise."""
    found = event.get("Records")
    return mapping(cast("list[Any]", found)[0]) if isinstance(found, list) and found else NOTHING


def arn_resource(arn: object) -> str | None:
    """The resource part of an ARN: what follows the fifth colon."""
    parts = arn.split(":", 5) if isinstance(arn, str) else []
    return (parts[5] or None) if len(parts) == 6 else None


def headers(event: Event) -> dict[str, str]:
    """The request headers, names in lower case, of `headers` and `multiValueHeaders`."""
    flat: dict[str, str] = {}
    single = mapping(event.get("headers"))
    if _are_plain(single):
        flat.update(single)
    else:
        for name, value in single.items():
            _add_header(flat, name, value)
    if "multiValueHeaders" in event:
        for name, value in mapping(event["multiValueHeaders"]).items():
            key = name.lower() if isinstance(name, str) else ""
            if key not in flat or key in _LISTS:
                _add_header(flat, name, value)
    return flat


def _are_plain(found: Event) -> bool:
    """True for texts under names in lower case, as HTTP APIs and function URLs deliver headers: found out without a loop in Python."""
    try:
        "".join(found.values())
        names = "".join(found)
        return names == names.lower()
    except TypeError:
        return False


def _add_header(flat: dict[str, str], name: object, value: object) -> None:
    if not isinstance(name, str):
        return
    key = name.lower()
    if isinstance(value, list):
        values = [item for item in cast("list[object]", value) if isinstance(item, str)]
        value = (",".join(values) if key in _LISTS else values[-1]) if values else None
    if isinstance(value, str):
        flat[key] = value


def carrier(source: object) -> tuple[Carrier, ...]:
    """The string items of a dict as a carrier; none at all when there are none."""
    items = {key.lower(): value for key, value in mapping(source).items() if isinstance(key, str) and isinstance(value, str)}
    return (items,) if items else ()


def decode(value: object) -> str | None:
    """A header value that came as text or as a list of signed bytes; None for anything else."""
    if not isinstance(value, list):
        return value if isinstance(value, str) else None
    try:
        return bytes(byte & 0xFF for byte in cast("list[int]", value)).decode()
    except (TypeError, ValueError):
        return None


def iso_time(seconds: object) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, without a fraction."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds)))
    except (OverflowError, OSError, ValueError):
        return None


def same_field(found: list[Any], name: str) -> bool:
    """True if all records are dicts and have the same value in this field."""
    try:
        values = [record[name] for record in found]
    except (KeyError, TypeError):
        return False
    return values.count(values[0]) == len(values) if values else False


def same(values: list[str | None]) -> str | None:
    """The value that all share, None when they differ."""
    return values[0] if values and values.count(values[0]) == len(values) else None
