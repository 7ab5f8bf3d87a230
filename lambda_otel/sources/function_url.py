"""Lambda function URLs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from ._base import EventSource, Trigger
from ._fields import Event, headers, mapping
from ._http import http_trigger
from .api_gateway import attributes_v2, is_payload_2


def _matches(event: Event) -> bool:
    domain = mapping(event.get("requestContext")).get("domainName")
    return isinstance(domain, str) and ".lambda-url." in domain and is_payload_2(event)


def _describe(event: Event) -> Trigger:
    return http_trigger(event, headers(event), attributes_v2, answer="http_or_200")


FUNCTION_URL = EventSource("function_url", _matches, _describe, key="requestContext")
