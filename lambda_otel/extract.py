"""The trace context out of events and records, for code that starts its own spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context

from .propagation import propagation
from .sources import Carrier, recognize
from .sources._fields import mapping, raw
from .sources.sns import carriers as sns_carriers
from .sources.sqs import carriers as sqs_carriers
from .state import logger


def extract_http(event: Any) -> Context:
    """The context in the headers of an HTTP event.

    Args:
        event: From API Gateway, a function URL, a load balancer, VPC Lattice or CloudFront; a Powertools object of one as well.

    Returns:
        An OpenTelemetry context, empty when the event holds none.
    """
    return _extract(lambda: recognize(raw(event))[1].carriers)


def extract_sqs(record: Any) -> Context:
    """The context of one SQS record: of its message attributes, of an SNS envelope in its body, or of `AWSTraceHeader`.

    Args:
        record: One of the event's `Records`; a Powertools object of one as well.

    Returns:
        An OpenTelemetry context, empty when the record holds none.
    """
    return _extract(lambda: sqs_carriers(mapping(raw(record))))


def extract_sns(record: Any) -> Context:
    """The context of one SNS record: of its message attributes.

    Args:
        record: One of the event's `Records`; a Powertools object of one as well.

    Returns:
        An OpenTelemetry context, empty when the record holds none.
    """
    return _extract(lambda: sns_carriers(mapping(raw(record))))


def _extract(carriers: Callable[[], tuple[Carrier, ...]]) -> Context:
    try:
        return propagation().extract(carriers()).context
    except Exception as error:
        logger.debug("context not extracted: %s", error)
        return Context()
