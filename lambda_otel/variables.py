"""Reading of environment variables and of the values in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

_KNOWN_NAMES = frozenset({"tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "xray-lambda", "otlp", "console", "none"})


class Reader:
    """Reads values of an environment and notes what is wrong with them.

    Args:
        environ: Such as `os.environ`.
        overrides: Arguments of `configure`, under the names of the settings.

    Attributes:
        problems: One line for each value that could not be used.
    """

    def __init__(self, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
        self.overrides = overrides
        self.problems: list[str] = []
        self._environ = environ

    def text(self, *names: str) -> str | None:
        """The first of the variables that is set; an empty one counts as unset."""
        for name in names:
            if value := self._environ.get(name, "").strip():
                return value
        return None

    def choose(self, key: str, name: str, default: _T, parse: Callable[[str], _T], *fallbacks: str) -> _T:
        """The override, else the parsed variable, else the default. An override that is text is parsed as a variable is."""
        source, value = f"configure({key}=...)", self.overrides.get(key)
        for variable in (name, *fallbacks):
            if value is None:
                source, value = variable, self.text(variable)
        if value is None:
            return default
        if not isinstance(value, str):
            return cast("_T", value)
        try:
            return parse(value)
        except (ValueError, OverflowError) as error:
            self.problems.append(f"{source}: {error}, using {default!r}")
            return default


def names(value: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def known_names(value: str) -> tuple[str, ...]:
    """Names of which those of the specification count in any case; others are names of entry points."""
    return tuple(name.lower() if name.lower() in _KNOWN_NAMES else name for name in names(value))


def boolean(value: str) -> bool:
    """`true` or `false`, in any case."""
    if value.lower() not in ("true", "false"):
        raise ValueError(f"must be true or false, not {value!r}")
    return value.lower() == "true"


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser of one of these words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return value.lower()

    return parse


def positive(value: str) -> int:
    """A whole number above 0."""
    if not value.isdecimal() or int(value) == 0:
        raise ValueError(f"must be a whole number above 0, not {value!r}")
    return int(value)


def count(value: str) -> int:
    """A whole number."""
    if not value.isdecimal():
        raise ValueError(f"must be a whole number, not {value!r}")
    return int(value)


def milliseconds(value: str) -> float:
    """Milliseconds as seconds."""
    if not value.isdecimal():
        raise ValueError(f"must be a whole number of milliseconds, not {value!r}")
    return int(value) / 1000


def seconds(value: str) -> float:
    """A number of seconds above 0."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"must be a number of seconds above 0, not {value!r}")
    return seconds
