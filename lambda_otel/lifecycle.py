"""One invocation, from its event to the flush: begun before the handler runs, ended after it, never in its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast
from weakref import ref

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, get_current_span, set_span_in_context

from . import semconv
from .environment import began, ended
from .invocation import request_id
from .outcome import SUCCESS, Outcome, failed_messages, of_response
from .propagation import Extracted, propagation
from .provider import telemetry
from .recording import end, fail, start
from .sources import Attributes, Batch, EventSource, Trigger, recognize
from .sources._base import NOTHING
from .sources._fields import carrier, mapping, raw
from .span_builder import SpanPlan, batch_span, invocation_span, named_headers, parent_of
from .state import state

_KEY = create_key("lambda_otel-invocation")

# OpenTelemetry's own instrumentation of handlers, which its layers put around ours.
_LAYER = "opentelemetry.instrumentation.aws_lambda"

# Record spans stay open until the batch's result names the failed ones; beyond this many they end at once.
_MOST_OPEN_RECORDS = 2048


class Running:
    """An invocation that is running.

    Attributes:
        source: What recognised the event.
        trigger: What the event says.
        lambda_context: As Lambda gave it.
        request_id: Of the Lambda context.
        layer: The span that somebody else has made for this invocation, and will end and send: one of the next two, if any.
        span: The SERVER span; None when none is recorded.
        batch: The CONSUMER span around the messages, None without messages.
        context: To be current while the handler runs.
        records: Ended record spans that wait for the result: identifier, span, end time.
        over: True once the handler has returned.
    """

    def __init__(self, source: EventSource, trigger: Trigger, lambda_context: object, context: Context) -> None:
        self.source = source
        self.trigger = trigger
        self.lambda_context = lambda_context
        self.request_id = request_id(lambda_context)
        self.layer = _span_of_layer(self.request_id)
        self.span: Span | None = None
        self.batch: Span | None = None
        self.context = context
        self.records: list[tuple[str, Span, int]] = []
        self.over = False

    @cached_property
    def destinations(self) -> dict[str | None, str | None]:
        """Where the message with an identifier comes from, None where the event does not say."""
        found: dict[str | None, str | None] = {}
        for message in self.trigger.batch.messages if self.trigger.batch else ():
            known = found.setdefault(message.id, message.destination)
            found[message.id] = message.destination if known == message.destination else None
        return found

    def keep_record(self, item: str | None, span: Span, end_time: int) -> bool:
        """Keeps a record span open until the result is known; False when it should end at once."""
        if self.over or item is None or self.trigger.answer != "batch" or len(self.records) >= _MOST_OPEN_RECORDS:
            return False
        self.records.append((item, span, end_time))
        return True


# Weakly: an `async def` handler that is never awaited leaves one that never ends.
_unfinished: set[ref[Running]] = set()

# A context that somebody keeps keeps its invocation, but not the event.
_FORGOTTEN = Trigger()


def running() -> Running | None:
    """The invocation that this code runs in."""
    found: Any = get_value(_KEY)
    return None if found is None or found.over else found


def running_anywhere() -> Running | None:
    """The same; in a thread that carries no context the only one of the process, as Lambda runs no two at a time."""
    found = running()
    if found is None:
        unfinished = list(_unfinished)
        return unfinished[0]() if len(unfinished) == 1 else None
    return found


def begin(event: object, context: object, sources: Sequence[EventSource], name: str | None, attributes: Attributes) -> Running | None:
    """Starts the spans of an invocation, not yet current.

    Args:
        event: As the handler gets it; only read.
        context: The Lambda context, or whatever stands for it.
        sources: Event sources to try in order.
        name: Span name instead of the one that the event suggests.
        attributes: In addition to those of the event.

    Returns:
        None when an invocation is running already, or when something of ours failed: then the handler runs untraced.
    """
    try:
        if running() is not None:
            return None
        cold, state.invoked = not state.invoked, True
        settings = state.settings
        source, trigger = recognize(raw(event), sources)
        parent = parent_of(trigger, context, settings, state.propagation or propagation())
        found = Running(source, trigger, context, parent.context)
        is_recorded = found.layer is not None or not (state.telemetry or telemetry()).skips(parent.span_context)
        began(found.request_id, context, is_recorded=is_recorded)
        if is_recorded:
            cold = cold and settings.initialization == "on-demand"
            _start_spans(found, parent, name, attributes, invocation_span(trigger, context, cold, settings, parent))
        found.context = set_value(_KEY, found, found.context)
        _unfinished.add(ref(found, _unfinished.discard))
    except Exception as error:
        state.say_once(f"invocation not traced: {type(error).__name__}: {error}")
        ended(context)
        return None
    return found


def _start_spans(found: Running, parent: Extracted, name: str | None, attributes: Attributes, plan: SpanPlan) -> None:
    if found.layer is None:
        found.span = start(name or plan.name, plan.kind, {**plan.attributes, **attributes}, parent.context, plan.links, may_skip=False)
        found.context = parent.context if found.span is None else set_span_in_context(found.span, parent.context)
    else:
        found.context = _adopt(found, found.layer, {**plan.attributes, **attributes})
    if found.trigger.batch and found.batch is None and get_current_span(found.context).is_recording():
        try:
            _start_batch_span(found, found.trigger.batch)
        except Exception as error:
            state.say_once(f"messages not traced: {type(error).__name__}: {error}")


def _start_batch_span(found: Running, batch: Batch) -> None:
    plan = batch_span(batch, state.settings, propagation())
    found.batch = start(plan.name, plan.kind, plan.attributes, found.context, plan.links)
    if found.batch is not None:
        found.context = set_span_in_context(found.batch, found.context)


def _span_of_layer(request_id: str | None) -> Span | None:
    """The span that an instrumentation around this handler has started for the same invocation."""
    current = get_current_span()
    if current is INVALID_SPAN or not current.is_recording():
        return None
    if getattr(getattr(current, "instrumentation_scope", None), "name", None) == _LAYER:
        return current
    attributes = _attributes(current)
    known = (attributes.get(semconv.FAAS_INVOCATION_ID), attributes.get("faas.execution"))
    return current if request_id and request_id in known else None


def _attributes(span: Span) -> Attributes:
    return cast("Attributes", getattr(span, "attributes", None) or {})


def _adopt(found: Running, layer: Span, attributes: Attributes) -> Context:
    """Uses the layer's span instead of one of ours: that of the invocation, or one of its messages inside that."""
    if getattr(layer, "kind", None) is SpanKind.CONSUMER and semconv.FAAS_INVOCATION_ID not in _attributes(layer):
        found.batch = layer
    else:
        found.span = layer
        layer.set_attributes(attributes)
    return set_span_in_context(layer)


def finish(found: Running, response: object = None, error: BaseException | None = None) -> None:
    """Ends the spans of an invocation by its outcome, and sends them within the time that is left. Never raises."""
    found.over = True
    _unfinished.discard(ref(found))
    is_recorded = found.span is not None or found.batch is not None or found.records
    if is_recorded:
        conclude = _conclusion(found, response, error)
    else:
        conclude, found.trigger = None, _FORGOTTEN
    ended(found.lambda_context, error, conclude, sends=found.layer is None)


def _conclusion(found: Running, response: object, error: BaseException | None) -> Callable[[], None]:
    """What ends the spans as of now, by an outcome that is read now: the response may change on its way to the caller."""
    end_time, outcome, headers = time.time_ns(), SUCCESS, NOTHING
    try:
        if error is None:
            outcome = of_response(found.trigger.answer, response)
            headers = _response_headers(response) if state.settings.capture else NOTHING
    except Exception as fault:
        _say_untraced(fault)

    def conclude() -> None:
        try:
            _note_outcome(found, outcome, headers)
        except Exception as fault:
            _say_untraced(fault)
        for _, span, record_end_time in found.records:
            end(span, end_time=record_end_time)
        for made in (found.batch, found.span):
            if made is not None and made is not found.layer:
                end(made, error, end_time if error is None else None)  # not before the event of its exception
        found.trigger = _FORGOTTEN

    return conclude


def _say_untraced(fault: Exception) -> None:
    state.say_once(f"invocation not fully traced: {type(fault).__name__}: {fault}")


def _note_outcome(found: Running, outcome: Outcome, headers: Attributes) -> None:
    for item, span, _ in found.records:
        if outcome.all_failed or item in outcome.failed_items:
            fail(span, semconv.ERROR_TYPE_BATCH_FAILED)
    if found.batch is not None and found.trigger.batch:
        _note_failures(found.batch, outcome, found.trigger.batch)
    if found.span is not None:
        for key, value in (*outcome.attributes.items(), *headers.items()):
            found.span.set_attribute(key, value)
        if outcome.error_type:
            fail(found.span, outcome.error_type)


def _note_failures(span: Span, outcome: Outcome, batch: Batch) -> None:
    failed = failed_messages(outcome, batch)
    if failed:
        span.set_attribute(semconv.BATCH_FAILURE_COUNT, failed)
    if failed and failed == len(batch.messages):
        fail(span, semconv.ERROR_TYPE_BATCH_FAILED)


def _response_headers(response: object) -> Attributes:
    found = carrier(mapping(response).get("headers"))
    return named_headers(semconv.HTTP_RESPONSE_HEADER, found[0], state.settings) if found else {}
