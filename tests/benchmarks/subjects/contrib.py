"""opentelemetry-instrumentation-aws-lambda on an SDK assembled by hand."""

import function
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)


@trace.get_tracer("benchmark").start_as_current_span("inner")
def inner():
    return function.work()


def handler(event, context):
    return function.serve(event, inner)


AwsLambdaInstrumentor().instrument()  # wraps the function that _HANDLER names
