"""`@span`: a span around a function, coroutine, generator, async generator or block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from types import TracebackType
from typing import Any, TypeAlias, TypeVar, cast, overload

from opentelemetry.context import get_current
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context

from . import semconv
from .functions import arguments, calls, captured, qualified_name, rewrap
from .generators import Start, wrap_async_generator, wrap_generator
from .recording import Attached, end, make_current, restore, start
from .sources import Attributes
from .state import logger

F = TypeVar("F", bound=Callable[..., Any])


@overload
def span(target: F, /) -> F: ...
@overload
def span(
    target: str | None = None,
    /,
    *,
    kind: SpanKind = ...,
    attributes: Attributes | None = ...,
    capture: Sequence[str] = ...,
) -> SpanScope: ...
def span(
    target: Any = None,
    /,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    capture: Sequence[str] = (),
) -> Any:
    """A span around a function or a block.

    `@span`, `@span()` and `@span("name")` decorate functions, coroutines, generators, async generators and methods; `with span("name")
    as s:` and `async with` surround a block. An exception is recorded, as an event on the innermost span and as status and `error.type`
    on each that it passes, and goes on unchanged.

    Args:
        target: The function, when used bare; otherwise the name of the span, by default the function's qualified name.
        kind: Kind of the span.
        attributes: Attributes of each span.
        capture: Names of arguments to record as attributes of the same names; none by default. Numbers are recorded as they are,
            everything else as at most 256 characters of text, a list of one of these as at most 64 items.

    Returns:
        The decorated function, or an object that decorates functions and surrounds blocks.
    """
    name = target if isinstance(target, str) else None
    scope = SpanScope(name, kind, attributes or {}, (capture,) if isinstance(capture, str) else capture)
    return scope if target is None or name is not None else scope(cast("Callable[..., Any]", target))


# A block that is open: its span, if one is recorded, and what ends its context.
_Block: TypeAlias = "tuple[Span | None, Attached]"


class SpanScope:
    """What `span("name")` returns: a decorator and a context manager that can be entered any number of times."""

    def __init__(self, name: str | None, kind: SpanKind, attributes: Attributes, capture: Sequence[str]) -> None:
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._capture = capture
        self._blocks: list[_Block] = []

    def __call__(self, function: F) -> F:
        """Decorates a function; static, class and property methods as well."""
        return cast("F", self._decorate(function))

    def __enter__(self) -> Span:
        """Starts the span and makes it current; where none is recorded, the current one stays."""
        started = start(self._name or "span", self._kind, self._attributes)
        attached = make_current(get_current() if started is None else set_span_in_context(started))
        self._blocks.append((started, attached))
        return started or get_current_span()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Ends the span; an exception is recorded and goes on."""
        started = self._leave()
        if started is not None:
            end(started, error)

    def _leave(self) -> Span | None:
        """The span of the block that ends: the last one entered in this thread or task; where none was, the last one of all."""
        blocks = self._blocks[::-1]
        block = next((block for block in blocks if restore(block[1])), blocks[0] if blocks else None)
        if block is None:
            return None
        self._blocks.remove(block)
        return block[0]

    async def __aenter__(self) -> Span:
        """As `__enter__`."""
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """As `__exit__`."""
        self.__exit__(kind, error, traceback)

    def _decorate(self, function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return rewrap(function, self._decorate)
        if isinstance(function, property):
            return property(function.fget and self._decorate(function.fget), function.fset, function.fdel, function.__doc__)
        if isinstance(function, type) or not callable(function):
            logger.warning("@span decorates functions, not %r", function)
            return function
        function = cast("Any", function)
        called, begin = calls(function), self._starter(function)
        if inspect.isasyncgenfunction(called):
            return wrap_async_generator(function, begin)
        if inspect.isgeneratorfunction(called):
            return wrap_generator(function, begin)
        return _wrap_coroutine(function, begin) if inspect.iscoroutinefunction(called) else _wrap(function, begin)

    def _starter(self, function: Callable[..., Any]) -> Start:
        """What starts a span for one call; everything that is the same for all calls is computed here."""
        module, qualified = qualified_name(function)
        name, kind = self._name or qualified, self._kind
        attributes = {semconv.CODE_FUNCTION_NAME: f"{module}.{qualified}", **self._attributes}
        wanted = arguments(function, self._capture)
        if not wanted:
            return lambda args, kwargs: start(name, kind, attributes)
        return lambda args, kwargs: start(name, kind, {**attributes, **captured(wanted, args, kwargs)})


def _wrap(function: Callable[..., Any], begin: Start) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = begin(args, kwargs)
        if started is None:
            return function(*args, **kwargs)
        attached = make_current(set_span_in_context(started))
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            restore(attached)
            end(started, error)
            raise
        restore(attached)
        end(started)
        return result

    return wrapper


def _wrap_coroutine(function: Callable[..., Any], begin: Start) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = begin(args, kwargs)
        if started is None:
            return await function(*args, **kwargs)
        attached = make_current(set_span_in_context(started))
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            restore(attached)
            end(started, error)
            raise
        restore(attached)
        end(started)
        return result

    return wrapper
