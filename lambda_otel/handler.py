"""`@traced_handler`: one span for each invocation of a Lambda handler."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from inspect import iscoroutine
from typing import Any, TypeVar, overload

from . import semconv
from .environment import arrange
from .functions import argument_names, is_method, qualified_name, rewrap
from .lifecycle import Running, begin, finish
from .provider import prepare
from .recording import make_current, restore
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

    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 2 and not (bound or kwargs):
            event, context = args  # as Lambda calls it
        else:
            event, context = _event_and_context(names, args[bound:], kwargs)
        invocation = begin(event, context, sources, name, own_attributes)
        if invocation is None:
            response = handler(*args, **kwargs)
            return _run(response) if iscoroutine(response) else response
        attached = make_current(invocation.context)
        try:
            response = handler(*args, **kwargs)
        except BaseException as error:
            restore(attached)
            finish(invocation, error=error)
            raise
        restore(attached)
        if iscoroutine(response):
            return _run(_finished(invocation, response))
        finish(invocation, response)
        return response

    return wrapper


async def _finished(invocation: Running, handling: Coroutine[Any, Any, Any]) -> Any:
    """The rest of the invocation of an `async def` handler."""
    attached = make_current(invocation.context)
    try:
        response = await handling
    except BaseException as error:
        restore(attached)
        finish(invocation, error=error)
        raise
    restore(attached)
    finish(invocation, response)
    return response


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Awaits an `async def` handler, as Lambda does not; called where a loop runs already, it is the caller's to await."""
    from .loop import run  # asyncio is imported only for handlers that need it

    return run(coroutine)


def _prepare() -> None:
    try:
        prepare()
        arrange()
    except Exception as error:
        logger.warning("tracing is not ready: %s: %s", type(error).__name__, error)


def _parameters(handler: Any) -> tuple[tuple[str, str], int]:
    """The names of the arguments for event and context, and how many come before them: `self` or `cls` of a method."""
    names = argument_names(handler)
    event = names[0] if names else "event"
    return (event, names[1] if len(names) > 1 else "context"), 1 if is_method(handler) else 0


def _event_and_context(names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """The event and the Lambda context, wherever a call puts them."""
    event_name, context_name = names
    if args and event_name not in kwargs:
        event, rest = args[0], args[1:]
    else:
        event, rest = kwargs.get(event_name), args
    return event, rest[0] if rest else kwargs.get(context_name)
