"""The event loop on which async handlers run. It is kept between invocations, so that clients and connections of the function live on."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_loop: asyncio.AbstractEventLoop | None = None
_in_use = threading.Lock()


def run(coroutine: Coroutine[Any, Any, T]) -> T | Coroutine[Any, Any, T]:
    """Runs a coroutine to its end; where a loop runs already, returns it for the caller to await."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass  # an exception of the coroutine must not have this one as its context
    else:
        return coroutine
    return _run(coroutine)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    if not _in_use.acquire(blocking=False):  # by another thread, as in a server for local tests
        return asyncio.run(coroutine)
    try:
        return _kept().run_until_complete(coroutine)
    finally:
        _in_use.release()


def _kept() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 (one loop per process, as Lambda serves one invocation at a time)
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
        atexit.register(_loop.close)
    return _loop
