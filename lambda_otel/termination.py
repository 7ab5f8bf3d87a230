"""SIGTERM: what is still kept is sent, then the process does what it would have done without us.

Lambda sends it when an extension is registered. Python's runtime hears it while it waits for an invocation from 3.12 on.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from .state import logger

# Before, the runtime waits for events in C code, where no handler of Python runs: with ours an idle process would not end any more.
_IS_HEARD = sys.version_info >= (3, 12)


def flush_on_sigterm(flush: Callable[[], object]) -> None:
    """Puts a flush before whatever handles SIGTERM now. Only the main thread can; elsewhere nothing happens."""
    if not _IS_HEARD or threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is None:  # a handler of C code, which could not be called
        return

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
