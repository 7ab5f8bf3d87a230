"""The event sources: which event it is, in the order in which they are tried.

To add one, write a file like `sqs.py` here and its constant into `SOURCES`; a user's own is given as
`traced_handler(sources=(MINE, *SOURCES))`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ._base import Answer, Attributes, Batch, Carrier, EventSource, Message, Trigger
from ._fields import carrier, headers, mapping
from .alb import ALB
from .api_gateway import API_GATEWAY_REST, HTTP_API_V1, HTTP_API_V2
from .appsync import APPSYNC_BATCH, APPSYNC_EVENTS, APPSYNC_RESOLVER
from .authorizer import (
    AUTHORIZER_APPSYNC,
    AUTHORIZER_HTTP_V1,
    AUTHORIZER_HTTP_V2,
    AUTHORIZER_REST_REQUEST,
    AUTHORIZER_REST_TOKEN,
    AUTHORIZER_WEBSOCKET,
)
from .documentdb import DOCUMENTDB
from .dynamodb import DYNAMODB
from .eventbridge import EVENTBRIDGE, SCHEDULED
from .function_url import FUNCTION_URL
from .kafka import KAFKA_MSK, KAFKA_SELF_MANAGED
from .kinesis import KINESIS
from .lambda_edge import LAMBDA_EDGE
from .mq import ACTIVEMQ, RABBITMQ
from .other import (
    ALEXA_SKILL,
    ALEXA_SMART_HOME,
    AUTHORIZER_IOT,
    AUTHORIZER_TRANSFER,
    BEDROCK_AGENT,
    CLOUDFORMATION,
    CLOUDWATCH_ALARM,
    CLOUDWATCH_DASHBOARD,
    CLOUDWATCH_LOGS,
    CODECOMMIT,
    CODEDEPLOY_HOOK,
    CODEPIPELINE,
    COGNITO_SYNC,
    COGNITO_USER_POOL,
    CONFIG,
    CONNECT,
    DURABLE,
    FIREHOSE,
    KINESIS_ANALYTICS,
    LEX_V1,
    LEX_V2,
    SECRETS_MANAGER,
    SES,
    STEP_FUNCTIONS,
)
from .s3 import S3, S3_BATCH, S3_OBJECT_LAMBDA
from .sns import SNS
from .sqs import SQS
from .vpc_lattice import VPC_LATTICE_V1, VPC_LATTICE_V2
from .websocket import WEBSOCKET

__all__ = ["SOURCES", "UNKNOWN", "Answer", "Attributes", "Batch", "Carrier", "EventSource", "Message", "Trigger", "recognize"]

# The order matters where events look alike: authorizers before requests, the special before the general. Otherwise the most frequent first.
SOURCES: tuple[EventSource, ...] = (
    AUTHORIZER_REST_TOKEN,
    AUTHORIZER_HTTP_V2,
    AUTHORIZER_HTTP_V1,
    AUTHORIZER_WEBSOCKET,
    AUTHORIZER_REST_REQUEST,
    FUNCTION_URL,
    HTTP_API_V2,
    ALB,
    WEBSOCKET,
    VPC_LATTICE_V2,
    AUTHORIZER_APPSYNC,
    HTTP_API_V1,
    API_GATEWAY_REST,
    VPC_LATTICE_V1,
    APPSYNC_BATCH,
    SQS,
    SNS,
    KINESIS,
    DYNAMODB,
    S3,
    SES,
    CODECOMMIT,
    LAMBDA_EDGE,
    KAFKA_MSK,
    KAFKA_SELF_MANAGED,
    ACTIVEMQ,
    RABBITMQ,
    DOCUMENTDB,
    APPSYNC_EVENTS,
    APPSYNC_RESOLVER,
    CLOUDWATCH_DASHBOARD,
    SCHEDULED,
    EVENTBRIDGE,
    CLOUDWATCH_LOGS,
    CLOUDWATCH_ALARM,
    KINESIS_ANALYTICS,
    FIREHOSE,
    S3_BATCH,
    S3_OBJECT_LAMBDA,
    COGNITO_USER_POOL,
    COGNITO_SYNC,
    CLOUDFORMATION,
    CONFIG,
    CODEPIPELINE,
    CODEDEPLOY_HOOK,
    CONNECT,
    BEDROCK_AGENT,
    LEX_V2,
    LEX_V1,
    ALEXA_SKILL,
    ALEXA_SMART_HOME,
    SECRETS_MANAGER,
    AUTHORIZER_IOT,
    AUTHORIZER_TRANSFER,
    DURABLE,
    STEP_FUNCTIONS,
)

_logger = logging.getLogger("lambda_otel")
_reported: set[str] = set()


def _describe_unknown(event: Any) -> Trigger:
    """A direct invocation: its callers put the trace context into `headers` of the payload."""
    payload = mapping(event)
    return Trigger(carriers=carrier(headers(payload)), payload=payload or None)


def _matches_anything(event: Any) -> bool:
    return True


UNKNOWN = EventSource("unknown", _matches_anything, _describe_unknown, event_type=object)


def recognize(event: object, sources: Iterable[EventSource] = SOURCES) -> tuple[EventSource, Trigger]:
    """The source of an event and what the event says; `UNKNOWN` when no source matches.

    Args:
        event: What Lambda handed to the handler.
        sources: Tried in order. One that raises is skipped and logged once.
    """
    found: Any = event
    is_dict = isinstance(found, dict)
    for source in (*sources, UNKNOWN):
        try:
            # The key is looked at first, since most sources need not be asked more.
            is_likely = isinstance(found, source.event_type) if source.key is None else is_dict and source.key in found
            if is_likely and source.matches(found):
                return source, source.describe(found)
        except Exception as error:
            if source.name not in _reported:
                _reported.add(source.name)
                _logger.warning("event source %s skipped, it raised %s: %s", source.name, type(error).__name__, error)
    return UNKNOWN, Trigger()
