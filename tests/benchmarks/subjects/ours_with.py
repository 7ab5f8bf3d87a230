"""lambda_otel around the handler, OpenTelemetry's own context manager inside: the same spans on the same provider."""

import function
from opentelemetry import trace

from lambda_otel import traced_handler

ATTRIBUTES = {"code.function.name": "function.work"}
tracer = None


def inner():
    global tracer
    tracer = tracer or trace.get_tracer("benchmark")
    with tracer.start_as_current_span("inner", attributes=ATTRIBUTES):
        return function.work()


@traced_handler
def handler(event, context):
    return function.serve(event, inner)
