"""What the buffer and the ways out say to each other about a batch of spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Spans: TypeAlias = "Sequence[ReadableSpan]"


class Report:
    """What became of a batch, and why.

    Attributes:
        delivery: What became of it: `delivered`; `rejected`, sending it again cannot help; `failed`, it may be sent again; or
            `unanswered`, it was sent whole and the answer is still out.
        reason: A few words for the log; empty when all is well.
        lost: Spans of a delivered batch that the backend did not take.
        retry_after: Seconds that the backend asks to wait.
        ticket: With which an exporter can be asked for the answer that is out.
    """

    def __init__(
        self,
        delivery: Literal["delivered", "rejected", "failed", "unanswered"],
        reason: str = "",
        lost: int = 0,
        retry_after: float = 0.0,
        ticket: Any = None,
    ) -> None:
        self.delivery = delivery
        self.reason = reason
        self.lost = lost
        self.retry_after = retry_after
        self.ticket = ticket


DELIVERED = Report("delivered")


class Exporter(Protocol):
    """A way out for batches of spans that keeps a deadline (`time.monotonic`, seconds)."""

    name: str

    def export(self, spans: Spans, deadline: float) -> Report:
        """Sends a batch; returns by the deadline and never raises."""
        ...

    def settle(self, ticket: Any, deadline: float) -> Report:
        """What became of the batch with this ticket."""
        ...

    def abandon(self, ticket: Any) -> None:
        """Stops waiting for the answer to the batch with this ticket."""
        ...

    def start_anew(self) -> None:
        """In a forked process or the clone of a snapshot: connections belong to the original."""
        ...

    def shutdown(self, deadline: float) -> None:
        """Frees what it holds; nothing more is expected to be sent."""
        ...
