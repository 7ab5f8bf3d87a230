"""Amazon VPC Lattice services, event structure versions 1 and 2.

Source: https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html
"""

from __future__ import annotations

from ._base import Attributes, Carrier, EventSource, Trigger
from ._fields import Event, headers, mapping, text
from ._http import http_trigger, query_from, request_attributes


def _matches_v2(event: Event) -> bool:
    context = mapping(event.get("requestContext"))
    return isinstance(context.get("serviceNetworkArn"), str) or isinstance(context.get("targetGroupArn"), str)


def _describe_v2(event: Event) -> Trigger:
    return _trigger(event, text(event.get("path")), mapping(event.get("queryStringParameters")))


def _matches_v1(event: Event) -> bool:
    return isinstance(event.get("raw_path"), str) and isinstance(event.get("method"), str)


def _describe_v1(event: Event) -> Trigger:
    return _trigger(event, text(event["raw_path"]), mapping(event.get("query_string_parameters")))


def _trigger(event: Event, target: str | None, parameters: Event) -> Trigger:
    return http_trigger(event, headers(event), lambda event, found: _attributes(event, found, target, parameters))


def _attributes(event: Event, found: Carrier, target: str | None, parameters: Event) -> Attributes:
    path, _, query = (target or "").partition("?")
    return request_attributes(found, method=text(event.get("method")), path=path or None, query=query or query_from(parameters))


VPC_LATTICE_V1 = EventSource("vpc_lattice_v1", _matches_v1, _describe_v1, key="raw_path")
VPC_LATTICE_V2 = EventSource("vpc_lattice_v2", _matches_v2, _describe_v2, key="requestContext")
