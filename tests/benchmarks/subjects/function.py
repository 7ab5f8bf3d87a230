"""The user's function, the same for all subjects: it does nothing, or calls a traced function as often as the event says."""

import time

SECONDS = []
MARKS = []
BEFORE = AFTER = None


def serve(event, inner):
    """Handles an event; `inner` is a traced function that does nothing."""
    if "spans" in event:
        call(inner, event["spans"])
    return {"statusCode": 200}


def call(inner, times):
    """Calls the traced function, and notes how long each call took or what the calls left in memory."""
    before = BEFORE() if BEFORE else None
    begun = time.perf_counter()
    for _ in range(times):
        inner()
    SECONDS.append((time.perf_counter() - begun) / times)
    MARKS.append((before, AFTER() if AFTER else None))


def work():
    """What an inner span surrounds."""
