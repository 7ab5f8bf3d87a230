"""Spans around generators and async generators: from the first step to the last, current only during a step."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any, cast

from opentelemetry.trace import Span, set_span_in_context

from .recording import Attached, end, make_current, restore

Start = Callable[[tuple[Any, ...], dict[str, Any]], "Span | None"]


class _Drive:
    """The span of one generator, and its next step.

    Attributes:
        over: True once the generator has returned or raised.
    """

    def __init__(self, span: Span | None, advance: Callable[[Any], Any]) -> None:
        self._span = span
        self._next = [(advance, cast("Any", None))]
        self.over = False

    def then(self, advance: Callable[[Any], Any], value: Any) -> None:
        """Says what to call in the next step, and with what: kept no longer than that, since it may be large or refer back to here."""
        self._next.append((advance, value))

    def step(self) -> Any:
        """Takes a step of a generator with the span current."""
        advance, value = self._next.pop()
        attached = self._attach()
        try:
            item = advance(value)
        except BaseException as error:
            self._end(attached, error)
            raise
        _detach(attached)
        return item

    async def step_async(self) -> Any:
        """Takes a step of an async generator with the span current."""
        advance, value = self._next.pop()
        attached = self._attach()
        try:
            item = await advance(value)
        except BaseException as error:
            self._end(attached, error)
            raise
        _detach(attached)
        return item

    def _attach(self) -> Attached | None:
        return None if self._span is None else make_current(set_span_in_context(self._span))

    def _end(self, attached: Attached | None, error: BaseException) -> None:
        self.over = True
        _detach(attached)
        if self._span is not None:
            end(self._span, None if isinstance(error, (StopIteration, StopAsyncIteration)) else error)


def _detach(attached: Attached | None) -> None:
    if attached is not None:
        restore(attached)


def wrap_generator(function: Callable[..., Generator[Any, Any, Any]], start: Start) -> Callable[..., Any]:
    """A generator function whose generators each have a span."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        drive = _Drive(start(args, kwargs), generator.send)
        while True:
            try:
                drive.then(generator.send, (yield drive.step()))
            except BaseException as error:
                if not drive.over:
                    drive.then(generator.throw, error)
                elif isinstance(error, StopIteration):
                    return error.value
                else:
                    raise

    return wrapper


def wrap_async_generator(function: Callable[..., AsyncGenerator[Any, Any]], start: Start) -> Callable[..., Any]:
    """An async generator function whose generators each have a span."""

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        drive = _Drive(start(args, kwargs), lambda value: _asend_first(generator, value))
        while True:
            try:
                drive.then(generator.asend, (yield await drive.step_async()))
            except BaseException as error:
                if not drive.over:
                    drive.then(generator.athrow, error)
                elif isinstance(error, StopAsyncIteration):
                    return
                else:
                    raise

    return wrapper


def _asend_first(generator: AsyncGenerator[Any, Any], value: Any) -> Any:
    """The first `asend`, hidden from the event loop: at its end it would close this generator while the one around it does."""
    first_iteration = sys.get_asyncgen_hooks().firstiter
    sys.set_asyncgen_hooks(firstiter=None)
    try:
        return generator.asend(value)
    finally:
        sys.set_asyncgen_hooks(firstiter=first_iteration)
