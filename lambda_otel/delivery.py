"""What the buffer and the ways out say to each other about a batch of spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Spans: TypeAlias = "Sequence[ReadableSpan]"


class Delivery(Enum):
    """What became of a batch."""

    DELIVERED = "delivered"
    REJECTED = "rejected"  # sending it again cannot help
    FAILED = "failed"  # may be sent again
    UNANSWERED = "unanswered"  # sent whole, the answer is still out


@dataclass(frozen=True)
class Report:
    """What became of a batch, and why.

    Attributes:
        delivery: What became of it.
        reason: A few words for the log; empty when all is well.
        lost: Spans of a delivered batch that the backend did not take.
        retry_after: Seconds that the backend asks to wait.
        ticket: With which an exporter can be asked for the answer that is out.
    """

    delivery: Delivery
    reason: str = ""
    lost: int = 0
    retry_after: float = 0.0
    ticket: Any = None


DELIVERED = Report(Delivery.DELIVERED)


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
