"""SIGTERM: what is still kept is sent, then the process does what it would have done without us.

Lambda sends it when an extension is registered; Python gets it while idle from 3.12 on.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from .state import logger


def flush_on_sigterm(flush: Callable[[], object]) -> None:
    """Puts a flush before whatever handles SIGTERM now. Only the main thread can; elsewhere nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        try:
            flush()
        except Exception as error:
            logger.debug("flush at SIGTERM failed: %s", error)
        if callable(before):
            before(number, frame)
        elif before is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)
