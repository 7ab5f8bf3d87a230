"""API Gateway WebSocket APIs. Only CONNECT is an HTTP request; it alone has headers.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

from __future__ import annotations

from ._base import Attributes, Carrier, EventSource, Trigger
from ._fields import Event, headers, mapping, text
from ._http import domain_of, http_trigger, request_attributes


def _matches(event: Event) -> bool:
    context = mapping(event.get("requestContext"))
    return isinstance(context.get("connectionId"), str) and isinstance(context.get("eventType"), str)


def _describe(event: Event) -> Trigger:
    context = mapping(event["requestContext"])
    if context["eventType"] != "CONNECT":
        return Trigger()
    return http_trigger(context, headers(event), _attributes)


def _attributes(context: Event, found: Carrier) -> Attributes:
    identity = mapping(context.get("identity"))
    return request_attributes(
        found,
        scheme=None,
        host=domain_of(context),
        client=text(identity.get("sourceIp")),
        user_agent=text(identity.get("userAgent")),
    )


WEBSOCKET = EventSource("websocket", _matches, _describe, key="requestContext")
