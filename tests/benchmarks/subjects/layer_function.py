"""The user's function under a layer: only its inner spans are written by hand."""

import function
from opentelemetry import trace


@trace.get_tracer("benchmark").start_as_current_span("inner")
def inner():
    return function.work()


def handler(event, context):
    return function.serve(event, inner)
