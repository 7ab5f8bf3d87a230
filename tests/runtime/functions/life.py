"""A handler that ends in each way there is, or does not end."""

import ctypes
import hashlib
import os
import signal
import socket
import sys
import threading
import time

from lambda_otel import span, traced_handler

if "TERMINATED" in os.environ:
    signal.signal(signal.SIGTERM, lambda *_: (print(os.environ["TERMINATED"]), os._exit(0)))

if "INIT_SECONDS" in os.environ:
    time.sleep(float(os.environ["INIT_SECONDS"]))

alarms = []


def read():
    one, _other = socket.socketpair()
    one.recv(1)


def loop():
    while True:
        pass


def hash_long():
    """C code that releases the interpreter's lock."""
    hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 500_000_000)


def hold():
    """C code that holds the interpreter's lock."""
    ctypes.PyDLL(None).sleep(9)


def set_alarm():
    """The alarm signal of the function itself, set for later."""
    signal.signal(signal.SIGALRM, lambda *_: alarms.append(time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 0.3)


def alarm():
    set_alarm()
    begin = time.monotonic()
    while not alarms:
        time.sleep(0.01)
    time.sleep(max(0.55 - (time.monotonic() - begin), 0))


def throw(error):
    raise error


ACTIONS = {
    "nothing": lambda: None,
    "sleep": lambda: time.sleep(9),
    "read": read,
    "loop": loop,
    "hash": hash_long,
    "hold": hold,
    "alarm": alarm,
    "raise": lambda: throw(ValueError("no stock")),
    "exit": lambda: sys.exit(3),
    "interrupt": lambda: throw(KeyboardInterrupt()),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@traced_handler
def handler(event, context):
    with span("work"):
        if "leave" in event:
            time.sleep(max(context.get_remaining_time_in_millis() / 1000 - event["leave"], 0))
        time.sleep(event.get("seconds", 0))
        ACTIONS[event.get("do", "nothing")]()
    return {
        "alarms": len(alarms),
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("lambda_otel")),
    }


def sometimes(event, context):
    """The handler, or something that is not traced."""
    return handler(event, context) if event.get("traced") else {}
