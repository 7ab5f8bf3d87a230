"""The user's function, the same for all subjects: it does nothing, or calls a traced function as often as the event says."""

import time

SECONDS = []
MARKS = []


def before():
    """What is noted before the calls."""


after = before


def serve(event, inner):
    """Handles an event; `inner` is a traced function that does nothing."""
    if "spans" in event:
        call(inner, event["spans"])
    return {"statusCode": 200}


def call(inner, times):
    """Calls the traced function, and notes how long each call took and what is noted before and after."""
    mark = before()
    begun = time.perf_counter()
    for _ in range(times):
        inner()
    SECONDS.append((time.perf_counter() - begun) / times)
    MARKS.append((mark, after()))


def work():
    """What an inner span surrounds."""
