"""Amazon API Gateway: REST APIs, and HTTP APIs with payload format 1.0 and 2.0.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from ._base import Attributes, Carrier, EventSource, Trigger
from ._fields import Event, headers, mapping, text
from ._http import domain_of, http_trigger, query_of, request_attributes


def is_payload_1(event: Event) -> bool:
    """True for what REST APIs and payload format 1.0 have in common."""
    return isinstance(event.get("requestContext"), dict) and isinstance(event.get("httpMethod"), str) and "resource" in event


def _matches_rest(event: Event) -> bool:
    return is_payload_1(event) and event.get("version") != "1.0"


def _matches_http_v1(event: Event) -> bool:
    return is_payload_1(event) and event.get("version") == "1.0"


def _describe_v1(event: Event) -> Trigger:
    return http_trigger(event, headers(event), _attributes_v1)


def _attributes_v1(event: Event, found: Carrier) -> Attributes:
    context = mapping(event["requestContext"])
    identity = mapping(context.get("identity"))
    return request_attributes(
        found,
        method=text(event["httpMethod"]),
        path=text(event.get("path")),
        query=query_of(event),
        route=_route(event["resource"]),
        host=domain_of(context),
        client=text(identity.get("sourceIp")),
        user_agent=text(identity.get("userAgent")),
        protocol=text(context.get("protocol")),
    )


def _route(resource: object) -> str | None:
    """The route, None for the catch-all `$default` of HTTP APIs, which is no path."""
    return resource if isinstance(resource, str) and resource.startswith("/") else None


def is_payload_2(event: Event) -> bool:
    """True for payload format 2.0, which function URLs use as well."""
    return isinstance(mapping(mapping(event.get("requestContext")).get("http")).get("method"), str)


def attributes_v2(event: Event, found: Carrier, route: str | None = None) -> Attributes:
    """The attributes of a payload in format 2.0."""
    context = event["requestContext"]  # both are dicts, as `is_payload_2` has seen
    http = context["http"]
    return request_attributes(
        found,
        method=http["method"],
        path=text(event.get("rawPath")),
        query=text(event.get("rawQueryString")),
        route=route,
        host=text(context.get("domainName")),
        client=text(http.get("sourceIp")),
        user_agent=text(http.get("userAgent")),
        protocol=text(http.get("protocol")),
    )


def _describe_v2(event: Event) -> Trigger:
    return http_trigger(event, headers(event), _attributes_v2, answer="http_or_200")


def _attributes_v2(event: Event, found: Carrier) -> Attributes:
    _, _, route = (text(event.get("routeKey")) or "").partition(" ")
    return attributes_v2(event, found, _route(route))


API_GATEWAY_REST = EventSource("api_gateway_rest", _matches_rest, _describe_v1, key="requestContext")
HTTP_API_V1 = EventSource("http_api_v1", _matches_http_v1, _describe_v1, key="requestContext")
HTTP_API_V2 = EventSource("http_api_v2", is_payload_2, _describe_v2, key="requestContext")
