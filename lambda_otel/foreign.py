"""Exporters and providers that know no deadline: they are called in a thread, and waited for only as long as there is time."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.context import attach, detach, set_value

from .call import Call
from .delivery import DELIVERED, Report, Spans
from .state import state


class ForeignExporter:
    """An exporter with the SDK's interface, such as the official OTLP exporters or one that a user wrote."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self._last: Call | None = None
        self.name = type(exporter).__name__

    def export(self, spans: Spans, deadline: float) -> Report:
        """Hands a batch to the exporter. A second call waits for the first: exporters need not be thread-safe."""
        if self._last and not self._last.wait(deadline):
            return Report("failed", "the call before has not returned")
        self._last = Call(lambda: self._uninstrumented(spans))
        return self.settle(self._last, deadline)

    def _uninstrumented(self, spans: Spans) -> Any:
        """The instrumentations of HTTP clients make a span of each request, also of those that send spans, unless this key is set."""
        token = attach(set_value("suppress_instrumentation", True))
        try:
            return self._exporter.export(spans)
        finally:
            detach(token)

    def settle(self, ticket: Call, deadline: float) -> Report:
        """What became of a call, as far as it has returned by the deadline."""
        if not ticket.wait(deadline):
            return Report("unanswered", "no answer in time", ticket=ticket)
        if ticket.error:
            return Report("failed", _fault(ticket.error))
        succeeded = getattr(ticket.result, "name", None) == "SUCCESS"
        return DELIVERED if succeeded else Report("failed", "the exporter reported a failure")

    def abandon(self, ticket: Call) -> None:
        """The call goes on, nobody waits for it."""

    def start_anew(self) -> None:
        """Its connections are its own business."""

    def shutdown(self, deadline: float) -> None:
        """Shuts the exporter down."""
        Call(self._exporter.shutdown).wait(deadline)


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
        if not self._last.wait(deadline):
            return False
        if self._last.error:
            state.say_once(f"{type(provider).__name__}.force_flush raised {_fault(self._last.error)}")
        return bool(self._last.result)


def _fault(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
