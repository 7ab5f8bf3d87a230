"""AWS's distribution as a Lambda layer: what its wrapper does once its start script has started the process."""

import os

from opentelemetry.context import Context
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
from opentelemetry.propagate import extract
from opentelemetry.trace import get_current_span


def context_of(event):
    """The parent: of the function's own X-Ray segment, else of the request's headers."""
    found = event.get("headers") if isinstance(event, dict) else None
    headers = dict(found) if isinstance(found, dict) else {}
    segment = os.environ.get("_X_AMZN_TRACE_ID")
    if segment:
        headers = {name: value for name, value in headers.items() if name.lower() != "x-amzn-trace-id"}
        headers["X-Amzn-Trace-Id"] = segment
    context = extract(headers)
    return context if get_current_span(context).get_span_context() else Context()


AwsLambdaInstrumentor().instrument(event_context_extractor=context_of)

from layer_function import handler  # noqa: E402, F401
