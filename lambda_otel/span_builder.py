"""What a span is, from an event and a Lambda context: name, kind, attributes, parent and links.

Source: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/ and .../messaging/messaging-spans/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from . import semconv
from .config import Settings
from .invocation import Invocation
from .propagation import Propagation
from .sources import Attributes, Batch, Carrier, Message, Trigger
from .sources._base import NOTHING, AttributeValue
from .sources._fields import carrier, mapping, same
from .sources._http import span_name


class SpanPlan(NamedTuple):
    """A span that is to be started.

    Attributes:
        name: Span name.
        kind: Span kind.
        attributes: All attributes that are known at the start, so that a sampler sees them.
        context: Holds the remote parent and baggage; None for the current context.
        links: Spans of the messages that caused this one.
    """

    name: str
    kind: SpanKind
    attributes: Attributes
    context: Context | None = None
    links: tuple[Link, ...] = ()


def invocation_span(trigger: Trigger, invocation: Invocation, settings: Settings, propagation: Propagation) -> SpanPlan:
    """The SERVER span of an invocation."""
    parent = propagation.extract_invocation(_parent_carriers(trigger, invocation, settings))
    trigger = _with_known_method(trigger, settings.known_methods)
    attributes = {semconv.FAAS_TRIGGER: trigger.faas_trigger, **invocation.attributes(), **trigger.attributes}
    if settings.capture:
        attributes.update(_opted_in(trigger.opt_in, settings))
        attributes.update(named_headers(semconv.HTTP_REQUEST_HEADER, trigger.headers, settings))
    return SpanPlan(
        name=trigger.name or invocation.function or settings.function or "lambda",
        kind=SpanKind.SERVER,
        attributes=attributes,
        context=parent.context,
        links=(Link(parent.unsampled),) if parent.unsampled else (),
    )


def _parent_carriers(trigger: Trigger, invocation: Invocation, settings: Settings) -> tuple[Carrier, ...]:
    """Where the parent is looked for: in the event, in its only message, beside the event."""
    found = trigger.carriers + _named_carrier(trigger.payload, settings)
    batch = trigger.batch
    wanted = settings.message_parent == "always" or (batch and batch.single and settings.message_parent == "auto")
    if batch and wanted and len(batch.messages) == 1:
        found += message_carriers(batch.messages[0], settings)
    return found + invocation.carriers


def _named_carrier(payload: object, settings: Settings) -> tuple[Carrier, ...]:
    return carrier(mapping(payload).get(settings.context_key)) if settings.context_key and payload else ()


def message_carriers(message: Message, settings: Settings) -> tuple[Carrier, ...]:
    """Where the context of a message is looked for."""
    return message.carriers + _named_carrier(message.payload, settings) if settings.context_key else message.carriers


def _with_known_method(trigger: Trigger, known: frozenset[str] | None) -> Trigger:
    """The trigger with its request method, and the name made of it, by the user's own list of known methods, where there is one."""
    method = trigger.attributes.get(semconv.HTTP_REQUEST_METHOD)
    if known is None or not isinstance(method, str):
        return trigger
    original = trigger.attributes.get(semconv.HTTP_REQUEST_METHOD_ORIGINAL, method)
    attributes = {key: value for key, value in trigger.attributes.items() if key != semconv.HTTP_REQUEST_METHOD_ORIGINAL}
    if original in known:
        attributes[semconv.HTTP_REQUEST_METHOD] = original
    else:
        attributes[semconv.HTTP_REQUEST_METHOD] = semconv.HTTP_METHOD_OTHER
        attributes[semconv.HTTP_REQUEST_METHOD_ORIGINAL] = original
    is_derived = trigger.name == span_name(trigger.attributes)
    return trigger._replace(attributes=attributes, name=span_name(attributes) if is_derived else trigger.name)


def _opted_in(attributes: Attributes, settings: Settings) -> Attributes:
    return {key: value for key, value in attributes.items() if key in settings.capture} if settings.capture else NOTHING


def named_headers(prefix: str, headers: Carrier, settings: Settings) -> Attributes:
    """The headers that the user names, as lists of one value.

    Args:
        prefix: `http.request.header` or `http.response.header`.
        headers: By lower-case name.
        settings: Name the attributes to record in `capture`.
    """
    names = [name[len(prefix) + 1 :] for name in settings.capture if name.startswith(prefix + ".")]
    return {f"{prefix}.{name}": (headers[name],) for name in names if name in headers}


def batch_span(batch: Batch, settings: Settings, propagation: Propagation) -> SpanPlan:
    """The CONSUMER span of the messages of one event."""
    messages = batch.messages
    destination = same([message.destination for message in messages])
    attributes: dict[str, AttributeValue] = {**_operation(batch.system, destination), **_shared(messages)}
    if not batch.single or len(messages) != 1:
        attributes[semconv.MESSAGING_BATCH_MESSAGE_COUNT] = len(messages)
    elif messages[0].id:
        attributes[semconv.MESSAGING_MESSAGE_ID] = messages[0].id
    links, left_out = _links(messages, destination is None, settings, propagation)
    if left_out:
        attributes[semconv.LINKS_LEFT_OUT] = left_out
    return SpanPlan(_process(destination), SpanKind.CONSUMER, attributes, links=links)


def message_span(message: Message, settings: Settings, propagation: Propagation) -> SpanPlan:
    """The CONSUMER span of one message or record."""
    attributes: dict[str, AttributeValue] = {**message.where, **message.attributes}
    if message.system:
        attributes.update(_operation(message.system, message.destination))
    if message.id:
        attributes[semconv.MESSAGING_MESSAGE_ID] = message.id
    attributes.update(_opted_in(message.opt_in, settings))
    links, _ = _links((message,), False, settings, propagation)
    return SpanPlan(_process(message.destination), SpanKind.CONSUMER, attributes, links=links)


def _process(destination: str | None) -> str:
    return f"{semconv.MESSAGING_OPERATION_PROCESS} {destination}" if destination else semconv.MESSAGING_OPERATION_PROCESS


def _operation(system: str, destination: str | None) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        semconv.MESSAGING_SYSTEM: system,
        semconv.MESSAGING_OPERATION_NAME: semconv.MESSAGING_OPERATION_PROCESS,
        semconv.MESSAGING_OPERATION_TYPE: semconv.MESSAGING_OPERATION_PROCESS,
    }
    if destination:
        found[semconv.MESSAGING_DESTINATION_NAME] = destination
    return found


def _shared(messages: tuple[Message, ...]) -> Attributes:
    """What the destinations of all messages have in common."""
    shared = dict(messages[0].where) if messages else {}
    for message in messages:
        if message.where is not messages[0].where:
            for key in [key for key, value in shared.items() if message.where.get(key) != value]:
                del shared[key]
    return shared


def _links(messages: Sequence[Message], varying: bool, settings: Settings, propagation: Propagation) -> tuple[tuple[Link, ...], int]:
    """One link for each message that carries a context, and the number of those beyond the limit, whose contexts are not read."""
    links: dict[tuple[int, int, str | None], Link] = {}
    for index, message in enumerate(messages):
        carriers = message_carriers(message, settings)
        if not carriers:
            continue
        if len(links) >= settings.max_links:
            rest = [message_carriers(left_out, settings) for left_out in messages[index:]]
            return tuple(links.values()), sum(map(propagation.reads, rest))
        context = propagation.extract(carriers).span_context
        if context is not None:
            links[context.trace_id, context.span_id, message.id] = Link(context, _link_attributes(message, varying))
    return tuple(links.values()), 0


def _link_attributes(message: Message, varying: bool) -> Attributes:
    found: dict[str, AttributeValue] = {}
    if message.id:
        found[semconv.MESSAGING_MESSAGE_ID] = message.id
    if varying and message.destination:
        found[semconv.MESSAGING_DESTINATION_NAME] = message.destination
    return found
