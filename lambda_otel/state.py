"""The one private state of the library; everything in it is made on first use."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from .config import Settings, read

if TYPE_CHECKING:
    from .environment import Environment
    from .propagation import Propagation
    from .provider import Telemetry

logger = logging.getLogger("lambda_otel")


class State:
    """What a process knows: settings, propagators, the tracer and whether it has served an invocation.

    Attributes:
        overrides: Arguments of `configure`.
        propagation: Made of the settings, None until used.
        telemetry: The tracer and its way out, None until used.
        prepared: The same, built ahead of its first use while Lambda initialises.
        environment: What is arranged with Lambda, None outside its runtime.
        invoked: True once this process has served an invocation.
        lock: Held while one of these is made.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forgets everything, as in a new process."""
        self.overrides: dict[str, Any] = {}
        self.propagation: Propagation | None = None
        self.telemetry: Telemetry | None = None
        self.prepared: Telemetry | None = None
        self.environment: Environment | None = None
        self.invoked = False
        self._settings: Settings | None = None
        self._said: set[str] = set()

    @property
    def settings(self) -> Settings:
        """The settings, read from the environment on first use; what is wrong with them is said once."""
        return self._settings or self._read()

    def _read(self) -> Settings:
        with self.lock:
            if self._settings is None:
                self._settings = read(os.environ, self.overrides)
                for problem in self._settings.problems:
                    self.say_once(problem)
            return self._settings

    def configure(self, overrides: dict[str, Any]) -> None:
        """Adds overrides and forgets what was made without them."""
        self.overrides = {**self.overrides, **overrides}
        self._settings = self.propagation = self.prepared = None

    def say_once(self, text: str) -> None:
        """Logs a warning the first time that it is due."""
        if text not in self._said:
            self._said.add(text)
            logger.warning("%s", text)


state = State()
