"""What is known about a function when it is decorated: its name, and where the arguments to record are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

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


class Argument:
    """An argument to record.

    Args:
        name: What it is called.
        position: Where it is among those by position; None when it has no place there.
        default: What it is when a call does not give it.
    """

    def __init__(self, name: str, position: int | slice | None, default: Any) -> None:
        self.name = name
        self._position = position
        self._default = default

    def value(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a call gives for it; `None` when that is nothing."""
        if self.name in kwargs:
            return kwargs[self.name]
        if isinstance(self._position, slice):
            return args[self._position] or None
        if self._position is not None and self._position < len(args):
            return args[self._position]
        return None if self._default is inspect.Parameter.empty else self._default


def arguments(function: Callable[..., Any], names: Sequence[str]) -> tuple[Argument, ...]:
    """Where the named arguments are. A name that the function does not take is left out and logged."""
    if not names:
        return ()
    parameters = parameters_of(function)
    known = {parameter.name: _argument(parameter, position) for position, parameter in enumerate(parameters.values())}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        known = {name: Argument(name, None, None) for name in names} | known
    unknown = [name for name in names if name not in known]
    if unknown:
        logger.warning("capture: %s has no argument %s", qualified_name(function)[1], ", ".join(map(repr, unknown)))
    return tuple(known[name] for name in names if name in known)


def _argument(parameter: inspect.Parameter, position: int) -> Argument:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return Argument(parameter.name, slice(position, None), None)
    by_position = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return Argument(parameter.name, position if by_position else None, parameter.default)


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function by name; none for one that cannot be inspected."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def is_method(function: Callable[..., Any]) -> bool:
    """True for a function whose first argument is `self` or `cls`."""
    return next(iter(parameters_of(function)), None) in ("self", "cls")


def argument_names(function: Callable[..., Any]) -> list[str]:
    """The arguments that a function names, in order, without `self` or `cls`."""
    parameters = parameters_of(function).values()
    named = [parameter.name for parameter in parameters if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)]
    return named[1:] if named[:1] in (["self"], ["cls"]) else named


def captured(wanted: Sequence[Argument], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The wanted arguments of one call as attributes."""
    values = {argument.name: argument.value(args, kwargs) for argument in wanted}
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def _attribute(value: Any) -> AttributeValue:
    """Numbers and short lists of one plain type as they are, everything else as text of bounded length."""
    if type(value) in (list, tuple):
        items = [_plain(item) for item in value[:_LONGEST_LIST]]
        if len(set(map(type, items))) == 1 and None not in items:
            return items
    plain = _plain(value)
    return _text(value) if plain is None else plain


def _plain(value: Any) -> Any:
    """A number or text that an attribute can hold; None for anything else."""
    if type(value) is str:
        return value[:_LONGEST_TEXT]
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else None
    return value if type(value) in (bool, float) else None


def _text(value: Any) -> str:
    try:
        return str(value)[:_LONGEST_TEXT]
    except Exception:
        return f"<{type(value).__name__}>"
