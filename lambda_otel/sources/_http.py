"""An HTTP request as span name and attributes, the same for every source that delivers one.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import quote_plus

from .. import semconv
from ._base import Answer, Attributes, AttributeValue, Carrier, Trigger
from ._fields import Event, mapping, text

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})

_SECRET_PARAMETERS = frozenset(
    {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"}
)


def http_trigger(event: Event, headers: Carrier, attributes: Callable[[Event, Carrier], Attributes], answer: Answer = "http") -> Trigger:
    """The trigger of an HTTP request; its headers are the carrier of the trace context.

    Args:
        event: Or the part of it that describes the request.
        headers: Of the request, with lower-case names.
        attributes: Makes the attributes of both, with `request_attributes`.
        answer: How the handler's result is read.
    """
    return Trigger(
        faas_trigger=semconv.TRIGGER_HTTP,
        attributes=partial(attributes, event, headers),
        headers=headers,
        carriers=(headers,) if headers else (),
        answer=answer,
    )


def request_attributes(
    headers: Carrier,
    *,
    method: str | None = None,
    path: str | None = None,
    query: str | None = None,
    route: str | None = None,
    scheme: str | None = "https",
    host: str | None = None,
    client: str | None = None,
    user_agent: str | None = None,
    protocol: str | None = None,
) -> Attributes:
    """The attributes of an HTTP request, of its headers and the other parts that an event holds."""
    server, port = split_host(_first(headers.get("x-forwarded-host")) or headers.get("host") or host)
    is_known = method in KNOWN_METHODS
    found: dict[str, AttributeValue | None] = {
        semconv.URL_PATH: path,
        semconv.URL_QUERY: redact(query) if query else None,
        semconv.URL_SCHEME: _first(headers.get("x-forwarded-proto")) or scheme,
        semconv.HTTP_ROUTE: route,
        semconv.CLIENT_ADDRESS: _address(_first(headers.get("x-forwarded-for")) or client),
        semconv.USER_AGENT_ORIGINAL: headers.get("user-agent") or headers.get("user_agent") or user_agent,
        semconv.NETWORK_PROTOCOL_VERSION: _version(protocol),
        semconv.HTTP_REQUEST_METHOD: method if is_known or not method else semconv.HTTP_METHOD_OTHER,
        semconv.HTTP_REQUEST_METHOD_ORIGINAL: None if is_known else method,
        semconv.SERVER_ADDRESS: server,
        semconv.SERVER_PORT: port,
    }
    return {key: value for key, value in found.items() if value}


def span_name(attributes: Attributes) -> str | None:
    """`GET /pets/{petId}`, None without a route. A method that is not known is called `HTTP`.

    Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
    """
    method, route = attributes.get(semconv.HTTP_REQUEST_METHOD), attributes.get(semconv.HTTP_ROUTE)
    return f"{'HTTP' if method == semconv.HTTP_METHOD_OTHER else method} {route}" if method and route else None


def _first(value: str | None) -> str | None:
    return value.partition(",")[0].strip() if value else None


def _address(value: str | None) -> str | None:
    """A client address without the port that a load balancer can be told to add."""
    if not value or ":" not in value:
        return value
    host, port = split_host(value)
    return host if port is not None else value


def _version(protocol: str | None) -> str | None:
    version = protocol.rpartition("/")[2] if protocol else ""
    return version.removesuffix(".0") if version[:1] in ("2", "3") else version or None


def split_host(host: str | None) -> tuple[str | None, int | None]:
    """`host:port` in its two parts; an IPv6 address loses its brackets."""
    if not host:
        return None, None
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host.strip("[]"), None
    if not port.isdecimal() or not port.isascii() or len(port) > 5 or (":" in name and not name.endswith("]")):
        return host, None
    return name.strip("[]"), int(port)


def redact(query: str) -> str:
    """The query with the values of signatures and credentials replaced, keys kept.

    Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/ (`url.query`)
    """
    if "=" not in query:
        return query
    parts = query.split("&")
    for index, part in enumerate(parts):
        name, equals, _ = part.partition("=")
        if equals and name in _SECRET_PARAMETERS:
            parts[index] = f"{name}=REDACTED"
    return "&".join(parts)


def query_of(event: Event, *, encoded: bool = False) -> str | None:
    """The query rebuilt from the parameters of an event.

    Args:
        event: Holds `multiValueQueryStringParameters` or `queryStringParameters`.
        encoded: True where the parameters come as the client sent them (ALB), False where they come decoded (API Gateway).
    """
    parameters = mapping(event.get("multiValueQueryStringParameters")) or mapping(event.get("queryStringParameters"))
    return query_from(parameters, encoded=encoded)


def query_from(parameters: Event, *, encoded: bool = False) -> str | None:
    """The query made of a dict of parameters, whose values are strings or lists of strings."""
    pairs: list[str] = []
    for name, value in parameters.items():
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        texts = [item for item in items if isinstance(item, str)]
        pairs += [f"{name}={text}" if encoded else f"{_quote(str(name))}={_quote(text)}" for text in texts]
    return "&".join(pairs) or None


def _quote(text: str) -> str:
    return quote_plus(text, errors="replace")


def domain_of(context: Event) -> str | None:
    """`domainName` of a request context."""
    return text(context.get("domainName"))
