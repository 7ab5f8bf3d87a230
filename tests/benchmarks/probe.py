"""Runs inside the measured process: starts as Lambda does, loads the subject, and says what that or its invocations cost.

Run: python probe.py MODE [ARGUMENT ...], with the module of the subject in SUBJECT; the result is a Python literal on standard output.
Imports as little as possible, since everything that is loaded here the subject would get for nothing.
"""

import os
import sys
import time

import awslambdaric.bootstrap as bootstrap  # noqa: F401, PLR0402 (an instrumentation looks for it in `__main__`)

OUTPUT = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some subjects write their traces to standard output


def tell(result):
    """Hands the result over and ends without the hooks of an ordinary end, as Lambda does."""
    os.write(OUTPUT, repr(result).encode())
    os._exit(0)


def start():
    """The function, ready for its first event."""
    if os.environ.get("WITH_BOTO3"):
        import boto3  # noqa: F401
    return __import__(os.environ["SUBJECT"])


def cold():
    """What has been spent once the handler is ready."""
    start()
    spent, modules = time.process_time(), len(sys.modules)
    tell({"cpu": spent, "modules": modules, "peak": peak()})


def peak():
    """MiB of memory at most so far; what `getrusage` says would include the parent's at the fork."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(b"VmHWM"))


def invocations(path, count, warm_up):
    """Seconds of the first invocation, and of each after the warm-up."""
    import json

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        event = json.load(file)
    contexts = lambda_contexts(int(count) + int(warm_up))
    subject = start()
    first, *seconds = [timed(subject.handler, event, context) for context in contexts]
    tell({"first": first, "seconds": seconds[int(warm_up) - 1 :]})


def trouble(path, count, _):
    """The same for a backend in trouble: seconds of each invocation, told as soon as it has ended."""
    import json

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        event = json.load(file)
    contexts = lambda_contexts(int(count))
    subject = start()
    for context in contexts:
        os.write(OUTPUT, b"%f\n" % timed(subject.handler, event, context))
    os._exit(0)


def timed(handler, event, context):
    """Seconds of one invocation."""
    begun = time.perf_counter()
    handler(event, context)
    return time.perf_counter() - begun


def lambda_contexts(count):
    """Lambda contexts as the runtime makes them."""
    from awslambdaric.lambda_context import LambdaContext

    arn = "arn:aws:lambda:eu-west-1:123456789012:function:benchmark"
    deadline = int((time.time() + 900) * 1000)
    return [LambdaContext(f"c6af9ac6-7b61-11e6-9a41-{index:012x}", None, None, deadline, arn) for index in range(count)]


def spans(path, count, warm_up):
    """Seconds to create each inner span, and for each with all that follows; several invocations with many spans each."""
    import json

    import function

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        event = json.load(file)
    contexts = lambda_contexts(int(count) + int(warm_up))
    subject = start()
    total = [timed(subject.handler, event, context) / event["spans"] for context in contexts]
    tell({"create": function.SECONDS[int(warm_up) :], "total": total[int(warm_up) :]})


def memory(path, count, _):
    """Bytes that each inner span holds until the end of the invocation."""
    import json
    import tracemalloc

    import function

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        event = json.load(file)
    contexts = lambda_contexts(int(count))
    subject = start()
    function.BEFORE, function.AFTER = tracemalloc.get_traced_memory, tracemalloc.get_traced_memory
    subject.handler(event, contexts[0])
    tracemalloc.start()
    for context in contexts[1:]:
        subject.handler(event, context)
    tell({"held": [(after[0] - before[0]) / event["spans"] for before, after in function.MARKS[1:]]})


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
