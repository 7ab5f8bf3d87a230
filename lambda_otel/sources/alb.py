"""Application Load Balancer target groups.

Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

from ._base import Attributes, Carrier, EventSource, Trigger
from ._fields import Event, headers, mapping, text
from ._http import http_trigger, query_of, request_attributes


def _matches(event: Event) -> bool:
    return isinstance(mapping(event.get("requestContext")).get("elb"), dict)


def _describe(event: Event) -> Trigger:
    return http_trigger(event, headers(event), _attributes)


def _attributes(event: Event, found: Carrier) -> Attributes:
    return request_attributes(
        found,
        method=text(event.get("httpMethod")),
        path=text(event.get("path")),
        query=query_of(event, encoded=True),
        scheme="http",
    )


ALB = EventSource("alb", _matches, _describe, key="requestContext")
