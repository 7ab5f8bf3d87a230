"""`@traced_handler`: one span for each invocation of a Lambda handler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, overload

from . import semconv
from .functions import calls, is_method, parameters_of, qualified_name, rewrap
from .lifecycle import begin, finish, leave
from .provider import prepare
from .sources import SOURCES, Attributes, EventSource
from .state import logger

F = TypeVar("F", bound=Callable[..., Any])


@overload
def traced_handler(handler: F, /) -> F: ...
@overload
def traced_handler(
    *, name: str | None = ..., attributes: Attributes | None = ..., sources: Sequence[EventSource] = ...
) -> Callable[[F], F]: ...
def traced_handler(
    handler: Any = None,
    /,
    *,
    name: str | None = None,
    attributes: Attributes | None = None,
    sources: Sequence[EventSource] = SOURCES,
) -> Any:
    """Traces a Lambda handler: a SERVER span for each invocation, sent before the answer within the time that is left.

    Works bare and with arguments, on sync and `async def` handlers; an async one is awaited here, as Lambda itself does not. The
    handler's result and exceptions pass through as the same objects, whatever happens to the telemetry.

    Args:
        handler: The handler, when used bare.
        name: Span name; by default `METHOD /route` for HTTP events with a route, otherwise the function's name.
        attributes: Attributes of each invocation span, in addition to those of the event.
        sources: Event sources to recognise, tried in order. `sources=(MINE, *SOURCES)` adds one.

    Returns:
        The decorated handler.
    """

    def decorate(handler: Any) -> Any:
        if isinstance(handler, (staticmethod, classmethod)):
            return rewrap(handler, decorate)
        return _wrap(handler, name, attributes or {}, sources)

    return decorate if handler is None else decorate(handler)


def _wrap(handler: Any, name: str | None, attributes: Attributes, sources: Sequence[EventSource]) -> Any:
    own_attributes = {semconv.CODE_FUNCTION_NAME: ".".join(qualified_name(handler)), **attributes}
    names, bound = _parameters(handler)
    _prepare()

    def start(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        event, context = _event_and_context(names, args[bound:], kwargs)
        return begin(event, context, sources, name, own_attributes)

    if inspect.iscoroutinefunction(calls(handler)):
        return _wrap_async(handler, start)

    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        invocation = start(args, kwargs)
        if invocation is None:
            return handler(*args, **kwargs)
        try:
            response = handler(*args, **kwargs)
        except BaseException as error:
            leave(invocation)
            finish(invocation, error=error)
            raise
        leave(invocation)
        finish(invocation, response)
        return response

    return wrapper


def _wrap_async(handler: Callable[..., Coroutine[Any, Any, Any]], start: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that can be called as Lambda does; called where a loop runs already, it returns a coroutine to await."""

    async def invoke(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        invocation = start(args, kwargs)
        if invocation is None:
            return await handler(*args, **kwargs)
        try:
            response = await handler(*args, **kwargs)
        except BaseException as error:
            leave(invocation)
            finish(invocation, error=error)
            raise
        leave(invocation)
        finish(invocation, response)
        return response

    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        from .loop import run  # asyncio is imported only for handlers that need it

        return run(invoke(args, kwargs))

    return wrapper


def _prepare() -> None:
    try:
        prepare()
    except Exception as error:
        logger.warning("tracing is not ready: %s: %s", type(error).__name__, error)


def _parameters(handler: Any) -> tuple[tuple[str, str], int]:
    """The names of the parameters for event and context, and how many come before them: `self` or `cls` of a method."""
    names = list(parameters_of(handler))
    bound = 1 if is_method(handler) else 0
    event, context, *_ = *names[bound : bound + 2], "event", "context"
    return (event, context if len(names) > bound + 1 else "context"), bound


def _event_and_context(names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """The event and the Lambda context, wherever a call puts them."""
    event_name, context_name = names
    if args and event_name not in kwargs:
        event, rest = args[0], args[1:]
    else:
        event, rest = kwargs.get(event_name), args
    return event, rest[0] if rest else kwargs.get(context_name)
