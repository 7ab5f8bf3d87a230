"""A durable function as its SDK runs one: invoked anew for each step, user code on a thread of its own."""

import threading

from lambda_otel import span, traced_handler


class SuspendExecution(BaseException):
    """What the SDK raises out of user code to be invoked again later."""


def durable(run):
    def handler(event, context):
        outcome = {}

        def work():
            try:
                outcome["result"] = run(event, context)
            except SuspendExecution:
                outcome["result"] = {"Status": "PENDING"}

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return outcome["result"]

    return handler


def run(event, context):
    with span("step"):
        if not event["done"]:
            raise SuspendExecution
    return {"Status": "SUCCEEDED"}


inside = durable(traced_handler(run))
outside = traced_handler(durable(run))
