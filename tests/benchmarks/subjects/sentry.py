"""Sentry's SDK with its integration for Lambda, all traces sampled and sent before the answer."""

import function
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration, _wrap_handler

sentry_sdk.init(integrations=[AwsLambdaIntegration()], traces_sample_rate=1.0)


@sentry_sdk.trace
def inner():
    return function.work()


@_wrap_handler  # as the integration does with the handler that the runtime calls
def traced(event, context):
    return function.serve(event, inner)


def handler(event, context):
    response = traced(event, context)
    sentry_sdk.flush(2)  # as the integration does before the runtime posts the answer
    return response
