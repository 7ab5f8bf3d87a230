"""lambda-otel-lite with the OTLP exporter over HTTP."""

import function
from lambda_otel_lite import create_traced_handler, init_telemetry
from lambda_otel_lite.extractors import api_gateway_v2_extractor
from lambda_otel_lite.processor import LambdaSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

tracer, completion = init_telemetry(span_processors=[LambdaSpanProcessor(OTLPSpanExporter())])


@tracer.start_as_current_span("inner")
def inner():
    return function.work()


@create_traced_handler("benchmark", completion, attributes_extractor=api_gateway_v2_extractor)
def handler(event, context):
    return function.serve(event, inner)
