"""lambda_otel."""

import function

from lambda_otel import span, traced_handler

inner = span("inner")(function.work)


@traced_handler
def handler(event, context):
    return function.serve(event, inner)
