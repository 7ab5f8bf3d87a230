"""The execution environment around the invocations: when spans are sent, and what happens at a deadline, a restore and the end.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .call import Call
from .config import Settings
from .invocation import remaining_seconds
from .provider import send, send_unfinished, telemetry
from .state import logger, state
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .extension import Extension

# Lambda kills the process half a second after SIGTERM, and somebody else may want some of it.
_LAST_FLUSH = 0.3

# A watchdog acts this share of the time-out before the deadline, within these seconds.
_SHARE, _LEAST, _MOST = 0.1, 0.1, 0.5


def arrange() -> None:
    """Arranges with Lambda, while it initialises the environment, what is to happen around the invocations. Elsewhere nothing is."""
    if state.settings.runtime_api and state.environment is None:
        state.environment = Environment(state.settings)


def began(context: object) -> None:
    """An invocation with this Lambda context begins."""
    if state.environment is not None:
        try:
            state.environment.began(remaining_seconds(context))
        except Exception as error:
            state.say_once(f"the invocation is not watched: {type(error).__name__}: {error}")


def ended(request_id: str | None, context: object) -> None:
    """The spans of an invocation have ended: they are sent, now or after the answer."""
    if state.environment is not None:
        state.environment.ended(request_id, remaining_seconds(context))
    else:
        send(remaining_seconds(context))


class Environment:
    """What this process has arranged with Lambda.

    Args:
        settings: Of this process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._extension = _extension(settings)
        self._watchdog = None if settings.timeout_margin == 0 else Watchdog(send_unfinished)
        self._handles_sigterm = False
        if settings.initialization == "snap-start":
            from .snapstart import register

            register(before_snapshot=lambda: send(None), after_restore=self._restored)

    def began(self, remaining: float | None) -> None:
        """An invocation begins that has this many seconds."""
        if not self._handles_sigterm:
            self._handles_sigterm = True
            from .termination import flush_on_sigterm

            flush_on_sigterm(lambda: Call(lambda: send(_LAST_FLUSH)).wait(time.monotonic() + _LAST_FLUSH))
        telemetry().way_out.forget_open()
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
        telemetry().way_out.start_anew()


def _extension(settings: Settings) -> Extension | None:
    """The extension that sends after the answer, where that is asked for and possible."""
    if settings.flush_mode != "async":
        return None
    from .extension import Extension

    try:
        return Extension(settings.runtime_api or "", send)
    except Exception as error:
        logger.warning("LAMBDA_OTEL_FLUSH_MODE: spans are sent before the answer, no extension could be registered: %s", error)
        return None
