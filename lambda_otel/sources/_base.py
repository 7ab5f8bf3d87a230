"""What an event source is, and what it says about an event: plain data, free of OpenTelemetry and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from .. import semconv

AttributeValue: TypeAlias = "str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]"
Attributes = Mapping[str, AttributeValue]
Carrier = Mapping[str, str]
Answer = Literal["none", "http", "http_or_200", "batch"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Message(NamedTuple):
    """One record or message of an event. A tuple, since an event can hold ten thousand.

    Attributes:
        system: `messaging.system`, None for a record of a data source (S3, DynamoDB).
        id: `messaging.message.id`, None where the source has none.
        destination: Queue, topic, stream, table or bucket; None when the record does not say.
        item: What `batchItemFailures` calls this message; None where partial failures do not exist.
        where: Attributes of the destination, shared by the messages that come from there.
        attributes: Attributes of this message alone.
        opt_in: Attributes that are recorded only when a user asks for them by name.
        carriers: Where a trace context may be, first valid one wins. Keys in lower case.
        payload: The decoded body, in which a user may name a key that holds the context.
    """

    system: str | None = None
    id: str | None = None
    destination: str | None = None
    item: str | None = None
    where: Attributes = NOTHING
    attributes: Attributes = NOTHING
    opt_in: Attributes = NOTHING
    carriers: tuple[Carrier, ...] = ()
    payload: Mapping[str, Any] | None = None


class Messages(Sequence[Message]):
    """The messages of an event that can hold ten thousand, each described only when it is asked for.

    Args:
        records: Of the event.
        describe: Makes a message of one of them.
        items: What `batchItemFailures` calls the messages, read at once: the handler may take the records apart before it names them.
    """

    def __init__(self, records: Sequence[Any], describe: Callable[[Any], Message], items: Sequence[str | None]) -> None:
        self.items = items
        self._records = tuple(records)
        self._describe = describe

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Message]:
        return map(self._describe, self._records)

    def __getitem__(self, index: Any) -> Any:
        found = self._records[index]
        return Messages(found, self._describe, self.items[index]) if isinstance(index, slice) else self._describe(found)


class Batch(NamedTuple):
    """The messages of one event, which become one CONSUMER span.

    Attributes:
        system: `messaging.system`.
        messages: In the order of the event.
        single: True when the source delivers exactly one message by contract (SNS, EventBridge): its context may be the parent.
        uniform: True when it is known without looking at each of them that all messages come from the same destination.
    """

    system: str
    messages: Sequence[Message]
    single: bool = False
    uniform: bool = False

    @property
    def items(self) -> Sequence[str | None]:
        """What `batchItemFailures` calls the messages."""
        return self.messages.items if isinstance(self.messages, Messages) else [message.item for message in self.messages]


class Trigger(NamedTuple):
    """What an event says about its invocation.

    Attributes:
        faas_trigger: `faas.trigger`: `http`, `pubsub`, `datasource`, `timer` or `other`.
        name: Span name; None for `METHOD /route` of the attributes, or else the function's name.
        attributes: Attributes of the invocation span, or what makes them, which is called only for a span that is recorded.
        opt_in: Attributes that are recorded only when a user asks for them by name.
        headers: Request headers with lower-case names, recorded only when asked for by name.
        carriers: Where the parent's context may be, first valid one wins. Keys in lower case.
        payload: In which a user may name a key that holds the context.
        batch: The messages, for messaging sources.
        answer: How the handler's result is read: `http` (a status code when it gives one), `http_or_200` (200 when it gives none),
            `batch` (partial batch failures) or `none`.
    """

    faas_trigger: str = semconv.TRIGGER_OTHER
    name: str | None = None
    attributes: Attributes | Callable[[], Attributes] = NOTHING
    opt_in: Attributes = NOTHING
    headers: Carrier = NOTHING
    carriers: tuple[Carrier, ...] = ()
    payload: Mapping[str, Any] | None = None
    batch: Batch | None = None
    answer: Answer = "none"


class EventSource:
    """One kind of event: how it is recognised and what it says.

    Attributes:
        name: Label, such as `sqs`.
        matches: True when the event is of this kind. Gets an instance of `event_type`.
        describe: The event as a `Trigger`. Called only after `matches`.
        message: One record of the event as a `Message`, None when it is not a record of this source. Only for sources with records.
        event_type: The Python type of the event: `dict` nearly always.
        key: For dicts: a key that every event of this kind has; `matches` is not asked about an event without it.
    """

    __slots__ = ("describe", "event_type", "key", "matches", "message", "name")

    def __init__(
        self,
        name: str,
        matches: Callable[[Any], bool],
        describe: Callable[[Any], Trigger],
        message: Callable[[Any], Message | None] | None = None,
        event_type: type = dict,
        key: str | None = None,
    ) -> None:
        self.name = name
        self.matches = matches
        self.describe = describe
        self.message = message
        self.event_type = event_type
        self.key = key

    def __repr__(self) -> str:
        return f"EventSource({self.name!r})"
