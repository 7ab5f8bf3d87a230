"""A handler with a span inside; it leaves as much time as the event says."""

import os
import random
import threading
import time

if "SEED" in os.environ:
    random.seed(int(os.environ["SEED"]))

from lambda_otel import configure, flush, span, traced_handler

if os.environ.get("EXPORTER") == "official":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    configure(exporters=(OTLPSpanExporter(),))
elif os.environ.get("EXPORTER") == "layer":
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


@traced_handler
def handler(event, context):
    with span("work"):
        if "sleep" in event:
            time.sleep(event["sleep"])
        if "leave" in event:
            time.sleep(max(context.get_remaining_time_in_millis() / 1000 - event["leave"], 0))
    for number in range(event.get("spans", 0)):
        with span(f"item {number}"):
            pass
    time.sleep(event.get("late", 0))
    return {
        "order": event.get("order"),
        "pid": os.getpid(),
        "threads": [thread.name for thread in threading.enumerate()],
        "flushed": flush(event["flush"]) if "flush" in event else None,
    }
