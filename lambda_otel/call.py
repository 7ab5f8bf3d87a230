"""Calls that know no deadline: made in a thread, and waited for only as long as there is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Call:
    """One call in a thread of its own. A thread that hangs is left alone; it freezes and thaws with the environment.

    Attributes:
        result: What the function returned; None when it raised.
        error: What it raised, None when it returned.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run, name="lambda_otel-call", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # too many threads, or the interpreter is ending
            self.error = error

    def _run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:  # whoever waits has to know, and a thread has nobody else to tell
            self.error = error

    def wait(self, deadline: float) -> bool:
        """True when the call has ended by the deadline (`time.monotonic`, seconds)."""
        if self._thread.ident is not None:
            self._thread.join(min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX))
        return not self._thread.is_alive()
