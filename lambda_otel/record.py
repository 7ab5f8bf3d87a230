"""`@traced_record`: one CONSUMER span for each record or message of a batch."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, overload

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from . import semconv
from .functions import argument_names, calls, is_method, qualified_name, rewrap
from .lifecycle import Running, running_anywhere
from .propagation import propagation
from .recording import end, make_current, restore, start
from .sources import SOURCES, Attributes, Message
from .sources._fields import raw
from .span_builder import message_span
from .state import state

F = TypeVar("F", bound=Callable[..., Any])


@overload
def traced_record(process: F, /) -> F: ...
@overload
def traced_record(*, name: str | None = ..., attributes: Attributes | None = ...) -> Callable[[F], F]: ...
def traced_record(process: Any = None, /, *, name: str | None = None, attributes: Attributes | None = None) -> Any:
    """Traces the function that handles one record of a batch: a CONSUMER span `process <destination>`, linked to its sender.

    For records of SQS, SNS, Kinesis, DynamoDB, S3, Kafka, ActiveMQ, RabbitMQ and DocumentDB, as dicts or as Powertools objects. The
    record is the first argument or the keyword `record`, so that the function works as the `record_handler` of Powertools'
    `BatchProcessor`. When the handler names a record in `batchItemFailures`, its span becomes an error.

    Args:
        process: The function, when used bare; sync or `async def`.
        name: Span name instead of `process <destination>`.
        attributes: Attributes of each span, in addition to those of the record.

    Returns:
        The decorated function.
    """

    def decorate(process: Any) -> Any:
        if isinstance(process, (staticmethod, classmethod)):
            return rewrap(process, decorate)
        return _wrap(process, name, attributes or {})

    return decorate if process is None else decorate(process)


def _wrap(process: Any, name: str | None, attributes: Attributes) -> Any:
    own_attributes = {semconv.CODE_FUNCTION_NAME: ".".join(qualified_name(process)), **attributes}
    bound = 1 if is_method(process) else 0
    keyword = next(iter(argument_names(process)), "record")

    def open_record(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Record | None:
        record = kwargs["record"] if "record" in kwargs else args[bound] if len(args) > bound else kwargs.get(keyword)
        return _open(record, name, own_attributes)

    if inspect.iscoroutinefunction(calls(process)):

        @wraps(process)
        async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
            opened = open_record(args, kwargs)
            if opened is None:
                return await process(*args, **kwargs)
            try:
                result = await process(*args, **kwargs)
            except BaseException as error:
                opened.close(error)
                raise
            opened.close()
            return result

        return async_wrapper

    @wraps(process)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        opened = open_record(args, kwargs)
        if opened is None:
            return process(*args, **kwargs)
        try:
            result = process(*args, **kwargs)
        except BaseException as error:
            opened.close(error)
            raise
        opened.close()
        return result

    return wrapper


class _Record:
    """The span of one record while it is handled."""

    def __init__(self, span: Span, item: str | None, invocation: Running | None, context: Context) -> None:
        self._span = span
        self._item = item
        self._invocation = invocation
        self._attached = make_current(context)

    def close(self, error: BaseException | None = None) -> None:
        """Ends the span; if all went well, only once the handler's result has said so too."""
        restore(self._attached)
        if error is None and self._invocation and self._invocation.keep_record(self._item, self._span, time.time_ns()):
            return
        end(self._span, error)


def _open(record: object, name: str | None, attributes: Attributes) -> _Record | None:
    """Starts the span of a record; None when none is recorded or something of ours failed."""
    try:
        invocation = running_anywhere()
        message = _message(raw(record), invocation)
        plan = message_span(message, state.settings, propagation())
        parent = _parent(invocation)
        span = start(name or plan.name, plan.kind, {**plan.attributes, **attributes}, parent, plan.links)
        if span is None:
            return None
        return _Record(span, message.item, invocation, set_span_in_context(span, parent))
    except Exception as error:
        state.say_once(f"record not traced: {type(error).__name__}: {error}")
        return None


def _message(record: object, invocation: Running | None) -> Message:
    """The record as a message of the invocation's source, or else of the first source that knows it."""
    sources: Sequence[Any] = (invocation.source, *SOURCES) if invocation else SOURCES
    for source in sources:
        found = source.message(record) if source.message else None
        if found is not None:
            return _with_destination(found, invocation)
    return Message()


def _with_destination(message: Message, invocation: Running | None) -> Message:
    """A message that does not say where it comes from (RabbitMQ) comes from where the event says that it does."""
    if message.destination or invocation is None:
        return message
    return message._replace(destination=invocation.destinations.get(message.id))


def _parent(invocation: Running | None) -> Context:
    """The current context; in a thread that carries none, that of the batch."""
    current = get_current()
    span = (invocation.batch or invocation.span) if invocation else None
    if span is None or get_current_span(current).get_span_context().is_valid:
        return current
    return set_span_in_context(span, current)
