"""Datadog's Lambda library without its extension: the traces go to standard output."""

import function
from datadog_lambda.wrapper import datadog_lambda_wrapper
from ddtrace import tracer


@tracer.wrap("inner")
def inner():
    return function.work()


@datadog_lambda_wrapper
def handler(event, context):
    return function.serve(event, inner)
