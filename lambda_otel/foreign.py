"""Exporters and providers that know no deadline: they are called in a thread, and waited for only as long as there is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .export import DELIVERED, Delivery, Report, Spans


class Call:
    """One call in a thread of its own. A thread that hangs is left alone; it freezes and thaws with the environment."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._result: Any = None
        self._fault = ""
        self._thread = threading.Thread(target=self._run, name="lambda_otel-export", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:
            self._fault = f"{type(error).__name__}: {error}"

    def wait(self, deadline: float) -> bool:
        """True when the call has ended by the deadline (`time.monotonic`, seconds)."""
        self._thread.join(max(deadline - time.monotonic(), 0))
        return not self._thread.is_alive()

    @property
    def result(self) -> Any:
        """What the function returned; None when it raised."""
        return self._result

    @property
    def fault(self) -> str:
        """What the function raised, empty when it returned."""
        return self._fault


class ForeignExporter:
    """An exporter with the SDK's interface, such as the official OTLP exporters or one that a user wrote."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self._last: Call | None = None
        self.name = type(exporter).__name__

    def export(self, spans: Spans, deadline: float) -> Report:
        """Hands a batch to the exporter. A second call waits for the first: exporters need not be thread-safe."""
        if self._last and not self._last.wait(deadline):
            return Report(Delivery.FAILED, "the call before has not returned")
        self._last = Call(lambda: self._exporter.export(spans))
        return self.settle(self._last, deadline)

    def settle(self, ticket: Call, deadline: float) -> Report:
        """What became of a call, as far as it has returned by the deadline."""
        if not ticket.wait(deadline):
            return Report(Delivery.UNANSWERED, "no answer in time", ticket=ticket)
        if ticket.fault:
            return Report(Delivery.FAILED, ticket.fault)
        succeeded = getattr(ticket.result, "name", None) == "SUCCESS"
        return DELIVERED if succeeded else Report(Delivery.FAILED, "the exporter reported a failure")

    def abandon(self, ticket: Call) -> None:
        """The call goes on, nobody waits for it."""


class ForeignFlush:
    """The `force_flush` of a provider that was installed by somebody else."""

    def __init__(self) -> None:
        self._last: Call | None = None

    def __call__(self, provider: object, budget: float) -> bool:
        """True only if the provider says within the budget (seconds) that everything has left."""
        force_flush = getattr(provider, "force_flush", None)
        if not callable(force_flush):
            return False
        deadline = time.monotonic() + budget
        if self._last and not self._last.wait(deadline):
            return False
        self._last = Call(lambda: force_flush(max(int(budget * 1000), 1)))
        return self._last.wait(deadline) and self._last.result is not False and not self._last.fault
