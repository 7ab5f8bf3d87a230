"""The function without tracing."""

import function


def handler(event, context):
    return function.serve(event, function.work)
