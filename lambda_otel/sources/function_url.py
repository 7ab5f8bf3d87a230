"""Lambda function URLs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from ._base import EventSource, Trigger
from ._fields import Event, mapping
from ._http import domain_of
from .api_gateway import is_payload_2, trigger_v2


def _matches(event: Event) -> bool:
    return is_payload_2(event) and ".lambda-url." in (domain_of(mapping(event["requestContext"])) or "")


def _describe(event: Event) -> Trigger:
    return trigger_v2(event, route=None)


FUNCTION_URL = EventSource("function_url", _matches, _describe)
