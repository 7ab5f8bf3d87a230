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


CALLS = [0]


def tell(result):
    """Hands the result over and ends without the hooks of an ordinary end, as Lambda does."""
    os.write(OUTPUT, repr({**result, "calls": CALLS[0]}).encode())
    os._exit(0)


def count_calls():
    """Counts the function calls of all threads, for machines that cannot count instructions."""
    import threading

    def note(frame, event, argument):
        if event in {"call", "c_call"}:
            CALLS[0] += 1

    threading.setprofile(note)
    sys.setprofile(note)


def start():
    """The function, ready for its first event."""
    if os.environ.get("WITH_BOTO3"):
        import boto3  # noqa: F401
    subject = __import__(os.environ["SUBJECT"])
    if os.environ.get("WITHOUT_GC"):
        import gc

        gc.disable()
    return subject


def cold():
    """What has been spent once the handler is ready."""
    start()
    spent, modules = time.process_time(), len(sys.modules)
    tell({"cpu": spent, "modules": modules, "peak": peak()})


def peak():
    """MiB of memory at most so far; what `getrusage` says would include the parent's at the fork."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(b"VmHWM"))


def loaded():
    """The modules that are loaded once the handler is ready, and the threads that run."""
    start()
    modules = sorted(sys.modules)
    tell({"modules": modules, "threads": threads()})


def threads():
    """The names of all threads but the main one."""
    threading = sys.modules.get("threading")
    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()] if threading else []


def read(path):
    """The event."""
    import json

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file)


def invocations(path, count, warm_up):
    """Seconds of the first invocation, and of each after the warm-up; the threads that run at the end."""
    event, contexts = read(path), lambda_contexts(int(count) + int(warm_up))
    subject = start()
    seconds = [timed(subject.handler, event, context) for context in contexts]
    tell({"first": seconds[0] if seconds else None, "seconds": seconds[int(warm_up) :], "threads": threads()})


def answers(path, count, warm_up):
    """Seconds of each invocation after the warm-up; each begins when Lambda would unfreeze the environment for it."""
    import socket

    event, contexts = read(path), lambda_contexts(int(count) + int(warm_up))
    subject = start()
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    with socket.create_connection((host, int(port))) as api:
        seconds = [timed(subject.handler, event, context) for context in contexts if asked_for(context, api)]
    tell({"seconds": seconds[int(warm_up) :]})


def asked_for(context, api):
    """Asks for this invocation, as the runtime does; true once the answer is there."""
    api.sendall(b"GET /invocation/next/%s HTTP/1.1\r\n\r\n" % context.aws_request_id.encode())
    return api.recv(65536)


def created(path):
    """Ends as soon as the inner spans of an invocation have ended, before anything is sent."""
    import function

    event, (context,) = read(path), lambda_contexts(1)
    function.after = lambda: tell({})
    start().handler(event, context)


def trouble(path, count, _):
    """For a backend in trouble: seconds of each invocation, told as soon as it has ended; they begin when a line is read."""
    event, contexts = read(path), lambda_contexts(int(count))
    subject = start()
    os.write(OUTPUT, b"ready\n")
    sys.stdin.readline()
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
    import function

    event, contexts = read(path), lambda_contexts(int(count) + int(warm_up))
    subject = start()
    total = [timed(subject.handler, event, context) / event["spans"] for context in contexts]
    tell({"create": function.SECONDS[int(warm_up) :], "total": total[int(warm_up) :]})


def memory(path, count, _):
    """Bytes and blocks of memory that each inner span holds until the end of the invocation."""
    import tracemalloc

    import function

    event, contexts = read(path), lambda_contexts(int(count))
    subject = start()
    function.before = function.after = lambda: (tracemalloc.get_traced_memory()[0], sys.getallocatedblocks())
    subject.handler(event, contexts[0])
    tracemalloc.start()
    for context in contexts[1:]:
        subject.handler(event, context)
    held, blocks = zip(*[((after[0] - before[0]), (after[1] - before[1])) for before, after in function.MARKS[1:]], strict=True)
    tell({"held": [found / event["spans"] for found in held], "blocks": [found / event["spans"] for found in blocks]})


if __name__ == "__main__":
    if os.environ.get("COUNT_CALLS"):
        count_calls()
    globals()[sys.argv[1]](*sys.argv[2:])
