"""Handlers without any instrumentation, to test the harness itself."""

import os
import sys
import time

invocations = 0


def handler(event, context):
    """Does what the event says."""
    global invocations
    invocations += 1
    print(f"invocation {invocations}")
    action = (event or {}).get("do", "answer")
    if action == "raise":
        raise ValueError("as asked")
    if action == "exit":
        sys.exit(3)
    if action == "die":
        os._exit(4)
    if action == "sleep":
        time.sleep(event["seconds"])
    return {
        "pid": os.getpid(),
        "invocation": invocations,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "client": context.client_context and context.client_context.custom,
        "variables": dict(os.environ),
    }
