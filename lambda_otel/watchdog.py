"""Before Lambda kills an invocation at its deadline: a thread that sends what has ended, and the open spans as unfinished.

It runs beside the handler and does not interrupt it. It cannot run while C code holds the interpreter's lock, and it cannot know of a
kill for lack of memory.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .state import logger


class Watchdog:
    """One thread for all invocations of a process, asleep until a deadline is near.

    Args:
        margin: Seconds before the deadline at which it acts.
        act: Called at most once for an invocation, with the seconds that are left.
    """

    def __init__(self, margin: float, act: Callable[[float], Any]) -> None:
        self._margin = margin
        self._act = act
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._wakes_at = 0.0

    def watch(self, remaining: float) -> None:
        """An invocation with this many seconds until its deadline begins."""
        with self._changed:
            self._deadline = time.monotonic() + remaining
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lambda_otel-watchdog", daemon=True)
                self._thread.start()
            elif self._deadline - self._margin < self._wakes_at:
                self._changed.notify()

    def rest(self) -> None:
        """The invocation is over. The thread is not woken for it: it finds nothing to do."""
        with self._changed:
            self._deadline = None

    def _run(self) -> None:
        while True:
            with self._changed:
                wait = None if self._deadline is None else self._deadline - self._margin - time.monotonic()
                if wait is None or wait > 0:
                    self._wakes_at = math.inf if wait is None else time.monotonic() + wait
                    self._changed.wait(wait)
                    continue
                remaining, self._deadline = (self._deadline or 0.0) - time.monotonic(), None
            try:
                self._act(remaining)
            except Exception as error:
                logger.debug("the watchdog failed: %s", error)
