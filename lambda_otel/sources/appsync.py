"""AWS AppSync: resolvers, batched resolvers and Events APIs.

Sources: https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference-js.html
https://docs.aws.amazon.com/appsync/latest/eventapi/writing-event-handlers.html
"""

from __future__ import annotations

from typing import Any

from .. import semconv
from ._base import NOTHING, Attributes, EventSource, Trigger
from ._fields import Event, carrier, headers, mapping

_ROOT_TYPES = frozenset({"Query", "Mutation", "Subscription"})


def _is_field(info: Event) -> bool:
    return isinstance(info.get("fieldName"), str) and isinstance(info.get("parentTypeName"), str)


def _is_amplify(event: Event) -> bool:
    named = isinstance(event.get("typeName"), str) and isinstance(event.get("fieldName"), str)
    return named and "arguments" in event and "identity" in event


def _matches_resolver(event: Event) -> bool:
    return _is_field(mapping(event.get("info"))) or _is_amplify(event)


def _matches_batch(event: list[Any]) -> bool:
    return bool(event) and _is_field(mapping(mapping(event[0]).get("info")))


def _matches_events(event: Event) -> bool:
    info = mapping(event.get("info"))
    return info.get("operation") in ("PUBLISH", "SUBSCRIBE") and isinstance(info.get("channel"), dict)


def _describe(event: Event) -> Trigger:
    parent_type = mapping(event.get("info")).get("parentTypeName") or event.get("typeName")
    operation: Attributes = NOTHING
    if isinstance(parent_type, str) and parent_type in _ROOT_TYPES:
        operation = {semconv.GRAPHQL_OPERATION_TYPE: parent_type.lower()}
    return Trigger(attributes=operation, carriers=carrier(headers(mapping(event.get("request")))))


def _describe_batch(event: list[Any]) -> Trigger:
    return _describe(mapping(event[0]))


APPSYNC_BATCH = EventSource("appsync_batch", _matches_batch, _describe_batch, event_type=list)
APPSYNC_EVENTS = EventSource("appsync_events", _matches_events, _describe, key="info")
APPSYNC_RESOLVER = EventSource("appsync_resolver", _matches_resolver, _describe)
