"""A function that works while it is initialised, and has hooks of its own."""

from snapshot_restore_py import register_after_restore, register_before_snapshot

from lambda_otel import span, traced_handler

seen = []
register_before_snapshot(lambda: seen.append("before"))
register_after_restore(lambda: seen.append("after"))

with span("load the model"):
    pass


@traced_handler
def handler(event, context):
    return seen
