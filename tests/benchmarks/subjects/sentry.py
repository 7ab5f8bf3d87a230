"""Sentry's SDK with its integration for Lambda, all traces sampled and sent before the answer."""

import function
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration, _wrap_handler

sentry_sdk.init(integrations=[AwsLambdaIntegration()], traces_sample_rate=1.0)


@sentry_sdk.trace
def inner():
    return function.work()


@_wrap_handler  # what the integration does with the handler that the runtime calls
def handler(event, context):
    response = function.serve(event, inner)
    return response


_traced = handler


def handler(event, context):  # noqa: F811
    """The runtime's part: the integration flushes where the runtime posts the answer."""
    response = _traced(event, context)
    sentry_sdk.flush(2)
    return response
