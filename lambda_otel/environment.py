"""The execution environment around the invocations: when spans are sent, and what happens at a deadline, a restore and the end.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import semconv
from .call import Call
from .config import Settings
from .invocation import remaining_seconds
from .provider import flush, send, telemetry
from .state import logger, state
from .termination import flush_on_sigterm
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .extension import Extension

# Lambda kills the process half a second after SIGTERM, and somebody else may want some of it.
_LAST_FLUSH = 0.3

# A watchdog acts this share of the time-out before the deadline, within these seconds.
_SHARE, _LEAST, _MOST = 0.1, 0.1, 0.5

_NO_EXTENSION = "LAMBDA_OTEL_FLUSH_MODE: spans are sent before the answer, no extension could be registered: %s"


def arrange() -> None:
    """Arranges with Lambda, while it initialises the environment, what is to happen around the invocations. Elsewhere nothing is."""
    settings = state.settings
    if settings.disabled or state.environment is not None:
        return
    if settings.runtime_api:
        state.environment = Environment(settings)
    elif settings.flush_mode == "async":
        state.say_once(_NO_EXTENSION % "AWS_LAMBDA_RUNTIME_API is not set")


def began(request_id: str | None, context: object, *, is_recorded: bool) -> None:
    """An invocation with this request id and Lambda context begins. Never raises."""
    if state.environment is not None:
        try:
            state.environment.began(request_id, context, is_recorded=is_recorded)
        except Exception as error:
            state.say_once(f"the invocation is not watched: {type(error).__name__}: {error}")


def ended(context: object, error: BaseException | None = None, conclude: Callable[[], None] | None = None, *, sends: bool = True) -> None:
    """The invocation that began last is over: its spans are ended and sent, now or after the answer. Never raises.

    Args:
        context: The Lambda context.
        error: What the handler raised.
        conclude: Ends the spans, None without any; never raises.
        sends: False when somebody else sends the spans.
    """
    try:
        if state.environment is not None:
            state.environment.ended(context, error, conclude, sends=sends)
            return
        if conclude:
            conclude()
        if sends:
            _send(context)
    except Exception as fault:
        state.say_once(f"spans not sent: {type(fault).__name__}: {fault}")


def _send(context: object) -> None:
    if not telemetry().way_out.is_idle:
        send(remaining_seconds(context))


class Environment:
    """What this process has arranged with Lambda.

    Args:
        settings: Of this process.
    """

    def __init__(self, settings: Settings) -> None:
        self._margin = settings.timeout_margin
        self._extension = _extension(settings)
        self._watchdog = None if self._margin == 0 else Watchdog(_keep_unfinished, _send_last)
        self._request_id: str | None = None
        self._handles_sigterm = False
        if settings.initialization == "snap-start":
            from .snapstart import register

            register(before_snapshot=lambda: send(None), after_restore=_start_anew)

    def began(self, request_id: str | None, context: object, *, is_recorded: bool) -> None:
        """An invocation begins; see the function of this name."""
        self._request_id = request_id
        if self._extension:
            self._extension.began(request_id)
        if not is_recorded and telemetry().way_out.is_idle:
            return
        if not self._handles_sigterm:
            self._handles_sigterm = True
            flush_on_sigterm(lambda: Call(lambda: flush(_LAST_FLUSH)).wait(time.monotonic() + _LAST_FLUSH))
        telemetry().way_out.forget_open()
        if self._watchdog and (remaining := remaining_seconds(context)):
            self._watchdog.watch(remaining, margin(remaining, self._margin))

    def ended(self, context: object, error: BaseException | None, conclude: Callable[[], None] | None, *, sends: bool) -> None:
        """The invocation is over; see the function of this name. An error that ends the process leaves no time after the answer."""
        if self._watchdog:
            self._watchdog.rest()
        waits = sends and error is None  # an exception is looked at before it goes on
        if conclude and not waits:
            conclude()
        is_left = self._extension is not None and self._extension.ended(self._request_id, conclude if waits else None)
        if conclude and waits and not is_left:
            conclude()
        ends_process = error is not None and not isinstance(error, Exception)
        if sends and (ends_process or not is_left):
            _send(context)


def margin(remaining: float, chosen: float | None) -> float:
    """How many seconds before its deadline the watchdog acts in an invocation that has so many; never in its first half."""
    wanted = min(max(remaining * _SHARE, _LEAST), _MOST) if chosen is None else chosen
    return min(wanted, remaining / 2)


def _keep_unfinished() -> None:
    telemetry().way_out.keep_unfinished(semconv.ERROR_TYPE_TIMEOUT)


def _send_last(remaining: float) -> None:
    telemetry().way_out.flush(remaining, insist=True)


def _start_anew() -> None:
    found = state.telemetry or state.prepared
    if found:
        found.way_out.start_anew()


def _extension(settings: Settings) -> Extension | None:
    """The extension that sends after the answer, where that is asked for and possible."""
    if settings.flush_mode != "async":
        return None
    from .extension import Extension

    try:
        return Extension(settings.runtime_api or "", send)
    except Exception as error:
        logger.warning(_NO_EXTENSION, error)
        return None
