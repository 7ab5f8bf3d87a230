"""The SDK assembled by hand, as its documentation shows it, and flushed in each invocation."""

import function
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("benchmark")


@tracer.start_as_current_span("inner")
def inner():
    return function.work()


def handler(event, context):
    attributes = {
        "faas.invocation_id": context.aws_request_id,
        "cloud.resource_id": context.invoked_function_arn,
        "cloud.account.id": context.invoked_function_arn.split(":")[4],
        "faas.trigger": "http",
    }
    parent = propagate.extract(event.get("headers") or {})
    with tracer.start_as_current_span("benchmark", parent, trace.SpanKind.SERVER, attributes):
        response = function.serve(event, inner)
    provider.force_flush()
    return response
