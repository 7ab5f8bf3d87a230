"""Ended spans, kept until they are sent: one flush, one budget, nothing left to a thread that must run while Lambda sleeps."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .state import logger

Spans = Sequence[ReadableSpan]

_MOST_PENDING = 4


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


@dataclass(frozen=True)
class _Pending:
    """A batch that was sent whole and not answered in time."""

    spans: list[ReadableSpan]
    ticket: Any
    since: float


class Breaker:
    """Stops trying a backend that is in trouble, for a time that doubles with every failure up to a limit."""

    FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

    def __init__(self) -> None:
        self._opened = 0.0
        self._pause = 0.0

    @property
    def is_open(self) -> bool:
        """True while nothing should be tried. A clock that jumped back closes it."""
        return 0 <= time.time() - self._opened < self._pause

    def fail(self, retry_after: float) -> bool:
        """Notes a failure; True when it is the first in a row."""
        first = not self._pause
        self._pause = min(max(self._pause * 2, self.FIRST_PAUSE, retry_after), self.LONGEST_PAUSE)
        self._opened = time.time()
        return first

    def succeed(self) -> bool:
        """Notes a success; True when it ends a row of failures."""
        ended, self._pause = bool(self._pause), 0.0
        return ended


class Buffer(SpanProcessor):
    """Keeps ended spans, the newest when there are too many, and sends them when told to.

    Args:
        exporter: The way out.
        limit: Spans that are kept.
        batch_size: Spans in one request.
        patience: Seconds that an answer may stay out before its spans are sent again.
        budget: Seconds for `force_flush` and `shutdown` when they are not told.
    """

    def __init__(self, exporter: Exporter, limit: int, batch_size: int, patience: float, budget: float) -> None:
        self._exporter = exporter
        self._limit = limit
        self._batch_size = batch_size
        self._patience = patience
        self._budget = budget
        self._breaker = Breaker()
        self._ended: deque[ReadableSpan] = deque()
        self._pending: list[_Pending] = []
        self._dropped = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()

    @property
    def dropped(self) -> int:
        """Spans that were lost so far: too many to keep, or rejected by the backend."""
        return self._dropped

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is done at the start."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps a sampled span."""
        context = span.get_span_context()
        if context is not None and context.trace_flags & 1:
            with self._lock:
                self._ended.append(span)
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._ended) > self._limit:
            self._ended.popleft()
            self._dropped += 1

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        """Sends what has ended.

        Args:
            budget: Seconds for all of it.
            insist: Try even if the backend was in trouble a moment ago.

        Returns:
            True only if everything that had ended has been accepted by the backend.
        """
        if not self._ended and not self._pending:
            return True
        deadline = time.monotonic() + budget
        if not self._flushing.acquire(timeout=max(budget, 0)):
            return False
        try:
            return self._flush(deadline, insist)
        finally:
            self._flushing.release()

    def _flush(self, deadline: float, insist: bool) -> bool:
        lost_before = self._dropped
        self._settle(time.monotonic())
        if insist or not (self._breaker.is_open or len(self._pending) >= _MOST_PENDING):
            self._send(deadline)
        if insist and not self._ended:
            self._settle(deadline)
        return not self._ended and not self._pending and self._dropped == lost_before

    def _send(self, deadline: float) -> None:
        while spans := self._take():
            report = self._exporter.export(spans, deadline)
            if not self._note(spans, report):
                return
            if report.delivery is Delivery.DELIVERED:
                self._resend_unanswered()
            if time.monotonic() >= deadline:
                return

    def _resend_unanswered(self) -> None:
        """The backend answers newer requests: the answers that are still out were lost with their connections."""
        pending, self._pending = self._pending, []
        for batch in pending:
            self._exporter.abandon(batch.ticket)
            self._put_back(batch.spans)

    def _take(self) -> list[ReadableSpan]:
        with self._lock:
            return [self._ended.popleft() for _ in range(min(self._batch_size, len(self._ended)))]

    def _put_back(self, spans: list[ReadableSpan]) -> None:
        with self._lock:
            self._ended.extendleft(reversed(spans))
            self._drop_oldest()

    def _settle(self, deadline: float) -> None:
        """Asks for the answers that were out; a batch whose answer has been out for too long is sent again."""
        pending, self._pending = self._pending, []
        for batch in pending:
            report = self._exporter.settle(batch.ticket, deadline)
            if report.delivery is not Delivery.UNANSWERED:
                self._note(batch.spans, report)
            elif 0 <= time.time() - batch.since < self._patience:
                self._pending.append(batch)
            else:
                self._exporter.abandon(batch.ticket)
                self._put_back(batch.spans)

    def _note(self, spans: list[ReadableSpan], report: Report) -> bool:
        """Books what became of a batch; True when the next one can go."""
        if report.delivery is Delivery.DELIVERED:
            if self._breaker.succeed():
                logger.warning("spans are being sent to %s again; %d were lost", self._exporter.name, self._dropped)
            if report.lost:
                self._dropped += report.lost
                logger.warning("%s did not take %d spans: %s", self._exporter.name, report.lost, report.reason)
            return True
        if report.delivery is Delivery.REJECTED:
            self._dropped += len(spans)
            logger.warning("%s rejected %d spans: %s", self._exporter.name, len(spans), report.reason)
            return True
        if report.delivery is Delivery.UNANSWERED:
            self._pending.append(_Pending(spans, report.ticket, time.time()))
        else:
            self._put_back(spans)
        if self._breaker.fail(report.retry_after):
            logger.warning(
                "spans cannot be sent to %s: %s; they are kept and sent later, at most %d (LAMBDA_OTEL_FLUSH_TIMEOUT, "
                "OTEL_BSP_MAX_QUEUE_SIZE)",
                self._exporter.name,
                report.reason,
                self._limit,
            )
        return False

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what has ended, within the time given; see `flush`."""
        return self.flush(timeout_millis / 1000, insist=True)

    def shutdown(self) -> None:
        """Sends what has ended within the usual budget."""
        self.flush(self._budget, insist=True)
