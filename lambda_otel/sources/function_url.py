"""Lambda function URLs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from ._base import EventSource, Trigger
from ._fields import Event, mapping
from ._http import domain_of, http_trigger
from .api_gateway import is_payload_2, request_v2


def _matches(event: Event) -> bool:
    return is_payload_2(event) and ".lambda-url." in (domain_of(mapping(event["requestContext"])) or "")


def _describe(event: Event) -> Trigger:
    return http_trigger(request_v2(event, route=None), answer="http_or_200")


FUNCTION_URL = EventSource("function_url", _matches, _describe)
