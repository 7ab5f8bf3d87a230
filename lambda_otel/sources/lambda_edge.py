"""Lambda@Edge functions of CloudFront.

Source: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
"""

from __future__ import annotations

from typing import cast

from ._base import Attributes, Carrier, EventSource, Trigger
from ._fields import Event, first_record, headers, mapping, text
from ._http import http_trigger, request_attributes


def _matches(event: Event) -> bool:
    record = first_record(event)
    return not record.get("eventSource") and isinstance(mapping(record.get("cf")).get("config"), dict)


def _describe(event: Event) -> Trigger:
    request = mapping(mapping(first_record(event)["cf"]).get("request"))
    return http_trigger(request, _headers(request), _attributes)


def _attributes(request: Event, found: Carrier) -> Attributes:
    return request_attributes(
        found,
        method=text(request.get("method")),
        path=text(request.get("uri")),
        query=text(request.get("querystring")),
        client=text(request.get("clientIp")),
    )


def _headers(request: Event) -> dict[str, str]:
    """Each header comes as a list of `{"key": ..., "value": ...}`."""
    lists = {
        name: [mapping(item).get("value") for item in cast("list[object]", items)]
        for name, items in mapping(request.get("headers")).items()
        if isinstance(items, list)
    }
    return headers({"headers": lists})


LAMBDA_EDGE = EventSource("lambda_edge", _matches, _describe, key="Records")
