"""Spans around generators and async generators: from the first step to the last, current only during a step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, set_span_in_context

from .recording import end

Start = Callable[[tuple[Any, ...], dict[str, Any]], "Span | None"]


class _Drive:
    """The span of one generator."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def step(self, advance: Callable[[Any], Any], value: Any) -> Any:
        """Takes one step of a generator with the span current."""
        if self._span is None:
            return advance(value)
        token = attach(set_span_in_context(self._span))
        try:
            return advance(value)
        finally:
            detach(token)

    async def step_async(self, advance: Callable[[Any], Awaitable[Any]], value: Any) -> Any:
        """Takes one step of an async generator with the span current."""
        if self._span is None:
            return await advance(value)
        token = attach(set_span_in_context(self._span))
        try:
            return await advance(value)
        finally:
            detach(token)

    def end(self, error: BaseException | None = None) -> None:
        """Ends the span."""
        if self._span is not None:
            end(self._span, error)


def wrap_generator(function: Callable[..., Generator[Any, Any, Any]], start: Start) -> Callable[..., Any]:
    """A generator function whose generators each have a span."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        drive = _Drive(start(args, kwargs))
        advance, value = generator.send, None
        try:
            while True:
                item = drive.step(advance, value)
                try:
                    advance, value = generator.send, (yield item)
                except GeneratorExit:
                    result = drive.step(lambda _: generator.close(), None)
                    drive.end()
                    return result
                except BaseException as thrown:
                    advance, value = generator.throw, thrown
        except StopIteration as stop:
            drive.end()
            return stop.value
        except BaseException as error:
            drive.end(error)
            raise

    return wrapper


def wrap_async_generator(function: Callable[..., AsyncGenerator[Any, Any]], start: Start) -> Callable[..., Any]:
    """An async generator function whose generators each have a span."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        drive = _Drive(start(args, kwargs))
        advance, value = generator.asend, None
        try:
            while True:
                item = await drive.step_async(advance, value)
                try:
                    advance, value = generator.asend, (yield item)
                except GeneratorExit:
                    await drive.step_async(lambda _: generator.aclose(), None)
                    drive.end()
                    raise
                except BaseException as thrown:
                    advance, value = generator.athrow, thrown
        except StopAsyncIteration:
            drive.end()
        except GeneratorExit:
            raise
        except BaseException as error:
            drive.end(error)
            raise

    return wrapper
