"""Spans of every shape that OTLP has: kinds, types of attributes, links, events, status."""

from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

from lambda_otel import span, traced_handler, traced_record

ATTRIBUTES = {
    "text": "naïve \U0001f600",
    "empty": "",
    "true": True,
    "false": False,
    "number": -(2**63),
    "float": 0.1,
    "texts": ["a", "ü"],
    "numbers": [1, 2**62],
    "floats": [0.5, -1e300],
    "flags": [True, False],
}


@traced_handler(attributes={"handler": "own"})
def handler(event, context):
    for record in event["Records"]:
        process(record)
    with span("every type", kind=SpanKind.PRODUCER, attributes=ATTRIBUTES) as current:
        current.add_event("event", ATTRIBUTES, timestamp=1_700_000_000_000_000_001)
        current.add_event("bare")
        linked = SpanContext(0xA1, 0xB2, True, TraceFlags(1), TraceState([("vendor", "value")]))
        current.add_link(linked, ATTRIBUTES)
        current.set_status(trace.StatusCode.OK)
    try:
        fail(7)
    except ValueError:
        pass
    return {"count": len(event["Records"])}


@traced_record
def process(record):
    pass


@span(kind=SpanKind.CLIENT, capture=("order",))
def fail(order):
    raise ValueError("ünmöglich")
