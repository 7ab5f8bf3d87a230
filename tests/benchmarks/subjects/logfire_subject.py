"""Logfire with its instrumentation for Lambda, sending OTLP to the backend alone."""

import function
import logfire

logfire.configure(send_to_logfire=False, console=False, service_name="benchmark", metrics=False)


@logfire.instrument("inner")
def inner():
    return function.work()


def handler(event, context):
    return function.serve(event, inner)


logfire.instrument_aws_lambda(handler)
