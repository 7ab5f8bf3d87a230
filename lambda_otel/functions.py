"""What is known about a function when it is decorated: its name, and where the arguments to record are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from .sources._base import AttributeValue
from .state import logger

_LONGEST_TEXT = 256
_LONGEST_LIST = 64


def qualified_name(function: Any) -> tuple[str, str]:
    """Module and qualified name of a function, of the one inside a partial, or of the class of a callable object."""
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    named = function if hasattr(function, "__qualname__") else cast("Any", type(function))
    return getattr(named, "__module__", None) or "__main__", named.__qualname__


def calls(function: Any) -> Any:
    """What runs when a function, a partial or a callable object is called: there it shows whether it is a coroutine or generator."""
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    if inspect.isroutine(function) or not callable(function):
        return function
    return cast("Any", type(function)).__call__


def rewrap(method: Any, decorate: Callable[[Any], Any]) -> Any:
    """A static or class method whose function is decorated."""
    return type(method)(decorate(method.__func__))


class Argument(NamedTuple):
    """An argument to record."""

    name: str
    position: int
    default: Any


def arguments(function: Callable[..., Any], names: Sequence[str]) -> tuple[Argument, ...]:
    """Where the named arguments are. A name that the function does not have is left out and logged."""
    if not names:
        return ()
    parameters = parameters_of(function)
    order = list(parameters)
    unknown = [name for name in names if name not in parameters]
    if unknown:
        logger.warning("capture: %s has no argument %s", qualified_name(function)[1], ", ".join(map(repr, unknown)))
    return tuple(Argument(name, order.index(name), parameters[name].default) for name in names if name in parameters)


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function by name; none for one that cannot be inspected."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def is_method(function: Callable[..., Any]) -> bool:
    """True for a function whose first argument is `self` or `cls`."""
    return next(iter(parameters_of(function)), None) in ("self", "cls")


def captured(wanted: Sequence[Argument], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The wanted arguments of one call as attributes."""
    found: dict[str, AttributeValue] = {}
    for name, position, default in wanted:
        value = kwargs[name] if name in kwargs else args[position] if position < len(args) else default
        if value is not None and value is not inspect.Parameter.empty:
            found[name] = _attribute(value)
    return found


def _attribute(value: Any) -> AttributeValue:
    """Plain values and short lists of one plain type as they are, everything else as text of bounded length."""
    if type(value) in (bool, int, float):
        return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else str(value)
    if type(value) in (list, tuple):
        items = list(value[:_LONGEST_LIST])
        if _is_plain_list(items):
            return items
    try:
        return str(value)[:_LONGEST_TEXT]
    except Exception:
        return f"<{type(value).__name__}>"


def _is_plain_list(values: Sequence[Any]) -> bool:
    kinds = set(map(type, values))
    return len(kinds) == 1 and kinds <= {str, bool, int, float}
