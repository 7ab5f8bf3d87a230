"""The execution environment around the invocations: when spans are sent, and what happens at a deadline, a restore and the end.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import os
import time

from .call import Call
from .config import Settings
from .extension import Extension
from .provider import prepare, send, send_unfinished, start_anew
from .snapstart import register
from .state import logger, state
from .termination import flush_on_sigterm
from .watchdog import Watchdog

# Lambda kills the process half a second after SIGTERM, and somebody else may want some of it.
_LAST_FLUSH = 0.3

# A watchdog acts this share of the time-out before the deadline, within these seconds.
_SHARE, _LEAST, _MOST = 0.1, 0.1, 0.5


class Environment:
    """What this process has arranged with Lambda.

    Args:
        settings: Of this process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._extension = _extension(settings)
        self._watchdog = Watchdog(send_unfinished) if settings.timeout_margin else None
        self._handles_sigterm = False
        if settings.initialization == "snap-start":
            register(before_snapshot=lambda: send(None), after_restore=self._restored)

    def began(self, remaining: float | None) -> None:
        """An invocation begins that has this many seconds."""
        if not self._handles_sigterm:
            self._handles_sigterm = True
            flush_on_sigterm(lambda: Call(lambda: send(_LAST_FLUSH)).wait(time.monotonic() + _LAST_FLUSH))
        if self._watchdog and remaining:
            margin = self._settings.timeout_margin
            self._watchdog.watch(remaining, min(max(remaining * _SHARE, _LEAST), _MOST) if margin is None else margin)

    def ended(self, request_id: str | None, remaining: float | None) -> None:
        """The invocation is over and its spans have ended: they are sent, now or after the answer."""
        if self._watchdog:
            self._watchdog.rest()
        if self._extension and self._extension.is_alive:
            self._extension.invocation_ended(request_id)
        else:
            send(remaining)

    def _restored(self) -> None:
        state.invoked = False
        start_anew()


def _extension(settings: Settings) -> Extension | None:
    """The extension that sends after the answer, where that is asked for and possible."""
    if settings.flush_mode != "async":
        return None
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    try:
        if not address:
            raise OSError("AWS_LAMBDA_RUNTIME_API is not set")
        return Extension(address, send)
    except Exception as error:
        logger.warning("LAMBDA_OTEL_FLUSH_MODE: spans are sent before the answer, no extension could be registered: %s", error)
        return None
