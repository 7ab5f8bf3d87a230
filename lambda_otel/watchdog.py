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

    Near the deadline of an invocation it calls both functions, once.

    Args:
        keep: Notes what is open. Called only while the invocation runs, which cannot end meanwhile.
        send: Sends what was kept, within the seconds that are left.
    """

    def __init__(self, keep: Callable[[], Any], send: Callable[[float], Any]) -> None:
        self._keep = keep
        self._send = send
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # Reentrant, as garbage that is collected while a thread holds it may end an invocation.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._deadline = self._acts_at = math.inf
        self._wakes_at = 0.0

    def watch(self, remaining: float, margin: float) -> None:
        """An invocation begins that has this many seconds; the watchdog acts this many seconds before they are over."""
        with self._lock:
            self._deadline = time.monotonic() + remaining
            self._acts_at = self._deadline - margin
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lambda_otel-watchdog", daemon=True)
                self._thread.start()
            elif self._acts_at < self._wakes_at:
                self._changed.notify()

    def rest(self) -> None:
        """The invocation is over. The thread is not woken for it: it finds nothing to do."""
        with self._lock:
            self._acts_at = math.inf

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                if now < self._acts_at:
                    self._wakes_at = self._acts_at
                    self._changed.wait(None if self._acts_at == math.inf else self._acts_at - now)
                    continue
                self._acts_at = math.inf
                remaining = self._deadline - now
                _quiet(self._keep)
            _quiet(self._send, remaining)


def _quiet(act: Callable[..., Any], *args: float) -> None:
    try:
        act(*args)
    except Exception as error:
        logger.debug("the watchdog failed: %s: %s", type(error).__name__, error)
