"""`@span`: a span around a function, coroutine, generator, async generator or block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, cast, overload

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, get_current_span, set_span_in_context

from . import semconv
from .functions import arguments, calls, captured, qualified_name, rewrap
from .generators import Start, wrap_async_generator, wrap_generator
from .recording import end, start
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
        capture: Names of arguments to record as attributes of the same names; none by default. Plain values and lists are recorded as
            they are, other objects as at most 256 characters of text.

    Returns:
        The decorated function, or an object that decorates functions and surrounds blocks.
    """
    name = target if isinstance(target, str) else None
    scope = SpanScope(name, kind, attributes or {}, (capture,) if isinstance(capture, str) else capture)
    return scope if target is None or name is not None else scope(cast("Callable[..., Any]", target))


class _Entered(NamedTuple):
    span: Span | None
    token: Token[Context] | None
    outer: _Entered | None


# Blocks that are open in this thread or task, so that one object can be entered by several at a time.
_entered: ContextVar[_Entered | None] = ContextVar("lambda_otel_entered", default=None)


class SpanScope:
    """What `span("name")` returns: a decorator and a context manager that can be entered any number of times."""

    def __init__(self, name: str | None, kind: SpanKind, attributes: Attributes, capture: Sequence[str]) -> None:
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._capture = capture

    def __call__(self, function: F) -> F:
        """Decorates a function; static, class and property methods as well."""
        return cast("F", self._decorate(function))

    def __enter__(self) -> Span:
        """Starts the span and makes it current; where none is recorded, the current one stays."""
        started = start(self._name or "span", self._kind, self._attributes)
        token = None if started is None else attach(set_span_in_context(started))
        _entered.set(_Entered(started, token, _entered.get()))
        return started or get_current_span()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Ends the span; an exception is recorded and goes on."""
        entered = _entered.get()
        if entered is None:
            return
        _entered.set(entered.outer)
        if entered.span is not None and entered.token is not None:
            detach(entered.token)
            end(entered.span, error)

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
        token = attach(set_span_in_context(started))
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            end(started, error)
            raise
        detach(token)
        end(started)
        return result

    return wrapper


def _wrap_coroutine(function: Callable[..., Any], begin: Start) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        started = begin(args, kwargs)
        if started is None:
            return await function(*args, **kwargs)
        token = attach(set_span_in_context(started))
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            # A coroutine that is thrown away is closed in whatever context the garbage collector runs in.
            if not isinstance(error, GeneratorExit) or get_current_span() is started:
                detach(token)
            end(started, error)
            raise
        detach(token)
        end(started)
        return result

    return wrapper
