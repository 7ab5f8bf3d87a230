"""Lambda authorizers. They do not answer the request, so their span is no HTTP span; they carry its trace context.

Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
"""

from __future__ import annotations

from ._base import EventSource, Trigger
from ._fields import Event, carrier, headers, mapping


def _has_arn(event: Event) -> bool:
    return isinstance(event.get("methodArn"), str) or isinstance(event.get("routeArn"), str)


def _is_token(event: Event) -> bool:
    return event.get("type") == "TOKEN" and _has_arn(event)


def _is_request(event: Event) -> bool:
    return event.get("type") == "REQUEST" and _has_arn(event)


def _is_http_v2(event: Event) -> bool:
    return _is_request(event) and event.get("version") == "2.0"


def _is_http_v1(event: Event) -> bool:
    return _is_request(event) and event.get("version") == "1.0"


def _is_websocket(event: Event) -> bool:
    return _is_request(event) and isinstance(mapping(event.get("requestContext")).get("connectionId"), str)


def _is_appsync(event: Event) -> bool:
    context = mapping(event.get("requestContext"))
    return isinstance(event.get("authorizationToken"), str) and "apiId" in context and "queryString" in context


def _describe_token(event: Event) -> Trigger:
    return Trigger()


def _describe_request(event: Event) -> Trigger:
    return Trigger(carriers=carrier(headers(event)))


def _describe_appsync(event: Event) -> Trigger:
    return Trigger(carriers=carrier(headers({"headers": event.get("requestHeaders")})))


AUTHORIZER_REST_TOKEN = EventSource("authorizer_rest_token", _is_token, _describe_token, key="type")
AUTHORIZER_HTTP_V2 = EventSource("authorizer_http_v2", _is_http_v2, _describe_request, key="type")
AUTHORIZER_HTTP_V1 = EventSource("authorizer_http_v1", _is_http_v1, _describe_request, key="type")
AUTHORIZER_WEBSOCKET = EventSource("authorizer_websocket", _is_websocket, _describe_request, key="type")
AUTHORIZER_REST_REQUEST = EventSource("authorizer_rest_request", _is_request, _describe_request, key="type")
AUTHORIZER_APPSYNC = EventSource("authorizer_appsync", _is_appsync, _describe_appsync, key="authorizationToken")
