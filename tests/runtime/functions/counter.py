"""A background thread that counts for as long as it is allowed to run."""

import threading
import time

count = 0


def _count():
    global count
    while True:
        count += 1
        time.sleep(0.005)


threading.Thread(target=_count, daemon=True).start()


def handler(event, context):
    return count
