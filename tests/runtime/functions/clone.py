"""A snapshot that is restored twice: before it is taken, the process copies itself.

The copy runs its after-restore hooks and an invocation of its own, and prints the ids of it. It is made by libc, so
that Python takes no more notice of it than of a snapshot (``os.fork`` would tell those who registered for it).
"""

import ctypes
import os
import random

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from snapshot_restore_py import get_after_restore, register_before_snapshot

from lambda_otel import traced_handler

random.seed(7)
other = None


def run_clone(writer):
    for hook, args, kwargs in reversed(get_after_restore()):
        hook(*args, **kwargs)
    os.write(writer, handler({}, None)["own"].encode())
    os._exit(0)


@register_before_snapshot
def clone():
    global other
    reader, writer = os.pipe()
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        run_clone(writer)
    os.close(writer)
    other = os.read(reader, 100).decode()
    os.close(reader)
    os.waitpid(child, 0)


@traced_handler
def handler(event, context):
    found = get_current_span().get_span_context()
    return {"own": f"{format_trace_id(found.trace_id)} {format_span_id(found.span_id)}", "other": other}
