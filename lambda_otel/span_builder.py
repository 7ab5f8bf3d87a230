"""What a span is, from an event and a Lambda context: name, kind, attributes, parent and links.

Source: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/ and .../messaging/messaging-spans/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.trace import Link, SpanKind

from . import semconv
from .config import Settings
from .invocation import attributes_of, carriers_of, function_name
from .propagation import Extracted, Propagation
from .sources import Attributes, Batch, Carrier, Message, Trigger
from .sources._base import NOTHING, AttributeValue
from .sources._fields import carrier, mapping, same
from .sources._http import span_name
from .state import state


class SpanPlan:
    """A span that is to be started.

    Attributes:
        name: Span name.
        kind: Span kind.
        attributes: All attributes that are known at the start, so that a sampler sees them.
        links: Spans of the messages that caused this one.
    """

    __slots__ = ("attributes", "kind", "links", "name")

    def __init__(self, name: str, kind: SpanKind, attributes: Attributes, links: Sequence[Link] = ()) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.links = links


def parent_of(trigger: Trigger, context: object, settings: Settings, propagation: Propagation) -> Extracted:
    """The parent of an invocation: looked for in its event, in the only message of that, beside the event.

    Args:
        trigger: What the event says.
        context: The Lambda context.
        settings: Of this process.
        propagation: Reads the carriers.
    """
    return propagation.extract_invocation(_parent_carriers(trigger, context, settings))


def _parent_carriers(trigger: Trigger, context: object, settings: Settings) -> Iterator[Carrier]:
    yield from trigger.carriers
    yield from _named_carrier(trigger.payload, settings)
    batch = trigger.batch
    if batch and (settings.message_parent == "always" or (batch.single and settings.message_parent == "auto")) and len(batch.messages) == 1:
        yield from message_carriers(batch.messages[0], settings)
    yield from carriers_of(context)


def invocation_span(trigger: Trigger, context: object, cold: bool, settings: Settings, parent: Extracted) -> SpanPlan:
    """The SERVER span of an invocation.

    Args:
        trigger: What the event says.
        context: The Lambda context.
        cold: True on the first invocation of a process that was started for it.
        settings: Of this process.
        parent: Of the invocation.
    """
    described = _described(trigger)
    if settings.known_methods is not None:
        described = _with_known_method(described, settings.known_methods)
    attributes = {semconv.FAAS_TRIGGER: trigger.faas_trigger, **attributes_of(context, cold=cold), **described}
    if settings.capture:
        attributes.update(_opted_in(trigger.opt_in, settings))
        attributes.update(named_headers(semconv.HTTP_REQUEST_HEADER, trigger.headers, settings))
    name = trigger.name or span_name(described) or function_name(context) or settings.function or "lambda"
    return SpanPlan(name, SpanKind.SERVER, attributes, (Link(parent.unsampled),) if parent.unsampled else ())


def _described(trigger: Trigger) -> Attributes:
    try:
        return dict(trigger.attributes()) if callable(trigger.attributes) else trigger.attributes
    except Exception as error:
        state.say_once(f"attributes of the event left out, its source failed: {type(error).__name__}: {error}")
        return NOTHING


def _named_carrier(payload: object, settings: Settings) -> tuple[Carrier, ...]:
    return carrier(mapping(payload).get(settings.context_key)) if settings.context_key and payload else ()


def message_carriers(message: Message, settings: Settings) -> tuple[Carrier, ...]:
    """Where the context of a message is looked for."""
    return message.carriers + _named_carrier(message.payload, settings) if settings.context_key else message.carriers


def _with_known_method(attributes: Attributes, known: frozenset[str]) -> Attributes:
    """The attributes with the request method by the user's own list of known methods."""
    method = attributes.get(semconv.HTTP_REQUEST_METHOD)
    if not isinstance(method, str):
        return attributes
    original = attributes.get(semconv.HTTP_REQUEST_METHOD_ORIGINAL, method)
    found = {key: value for key, value in attributes.items() if key != semconv.HTTP_REQUEST_METHOD_ORIGINAL}
    if original in known:
        found[semconv.HTTP_REQUEST_METHOD] = original
    else:
        found[semconv.HTTP_REQUEST_METHOD] = semconv.HTTP_METHOD_OTHER
        found[semconv.HTTP_REQUEST_METHOD_ORIGINAL] = original
    return found


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
    messages = batch.messages if batch.uniform else tuple(batch.messages)
    examples = (messages[0],) if batch.uniform and messages else messages
    destination = same([message.destination for message in examples])
    attributes: dict[str, AttributeValue] = {**_operation(batch.system, destination), **_shared(examples)}
    if not batch.single or len(messages) != 1:
        attributes[semconv.MESSAGING_BATCH_MESSAGE_COUNT] = len(messages)
    elif examples[0].id:
        attributes[semconv.MESSAGING_MESSAGE_ID] = examples[0].id
    links, left_out = _links(messages, destination is None, settings, propagation)
    if left_out:
        attributes[semconv.LINKS_LEFT_OUT] = left_out
    return SpanPlan(_process(destination), SpanKind.CONSUMER, attributes, links)


def message_span(message: Message, settings: Settings, propagation: Propagation) -> SpanPlan:
    """The CONSUMER span of one message or record."""
    attributes: dict[str, AttributeValue] = {**message.where, **message.attributes}
    if message.system:
        attributes.update(_operation(message.system, message.destination))
    if message.id:
        attributes[semconv.MESSAGING_MESSAGE_ID] = message.id
    attributes.update(_opted_in(message.opt_in, settings))
    links, _ = _links((message,), False, settings, propagation)
    return SpanPlan(_process(message.destination), SpanKind.CONSUMER, attributes, links)


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


def _shared(messages: Sequence[Message]) -> Attributes:
    """What the destinations of all messages have in common."""
    shared = dict(messages[0].where) if messages else {}
    for message in messages:
        if message.where is not messages[0].where:
            for key in [key for key, value in shared.items() if message.where.get(key) != value]:
                del shared[key]
    return shared


def _links(messages: Sequence[Message], varying: bool, settings: Settings, propagation: Propagation) -> tuple[tuple[Link, ...], int]:
    """One link for each message that carries a context, and the number of messages beyond the limit, which are not looked at."""
    links: dict[tuple[int, int, str | None], Link] = {}
    for index, message in enumerate(messages):
        if len(links) >= settings.max_links:
            return tuple(links.values()), len(messages) - index
        carriers = message_carriers(message, settings)
        context = propagation.sender(carriers) if carriers else None
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
