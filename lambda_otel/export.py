"""Ended spans, kept until they are sent: one flush, one budget, nothing left to a thread that must run while Lambda sleeps."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Any
from weakref import ref

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .delivery import Exporter, Report
from .state import logger
from .unfinished import snapshot

_MOST_PENDING = 4
_MOST_OPEN = 4096


class _Pending:
    """A batch that was sent whole and not answered in time."""

    def __init__(self, spans: list[ReadableSpan], ticket: Any) -> None:
        self.spans = spans
        self.ticket = ticket
        self._since = time.time()

    def time_left(self, patience: float) -> float:
        """Seconds that its answer may still stay out; none after a jump of the clock."""
        waited = time.time() - self._since
        return patience - waited if waited >= 0 else 0.0


class Breaker:
    """Stops trying a backend that is in trouble, for a time that doubles with every failure up to a limit."""

    FIRST_PAUSE, LONGEST_PAUSE, LONGEST_ASKED = 1.0, 30.0, 300.0

    def __init__(self) -> None:
        self._opened = 0.0
        self._pause = 0.0

    @property
    def is_open(self) -> bool:
        """True while nothing should be tried. A clock that jumped back closes it."""
        return 0 <= time.time() - self._opened < self._pause

    def fail(self, retry_after: float) -> bool:
        """Notes a failure and how long the backend asks to wait; True when it is the first in a row."""
        first = not self._pause
        pause = min(max(self._pause * 2, self.FIRST_PAUSE), self.LONGEST_PAUSE)
        self._pause = max(pause, min(retry_after, self.LONGEST_ASKED))
        self._opened = time.time()
        return first

    def close(self) -> None:
        """Lets the next try come at once, without ending the row of failures."""
        self._opened = 0.0

    def succeed(self) -> bool:
        """Notes a success; True when it ends a row of failures."""
        ended, self._pause = bool(self._pause), 0.0
        return ended


class Buffer(SpanProcessor):
    """Keeps ended spans, the newest when there are too many, and sends them when told to.

    Args:
        exporter: The way out.
        limit: Spans that are kept, beside the few batches whose answers are out.
        batch_size: Spans in one request.
        patience: Seconds that an answer may stay out before its spans are sent again.
        budget: Seconds for `shutdown`.
    """

    def __init__(self, exporter: Exporter, limit: int, batch_size: int, patience: float, budget: float) -> None:
        self._exporter = exporter
        self._limit = limit
        self._batch_size = batch_size
        self._patience = patience
        self._budget = budget
        self._breaker = Breaker()
        self._ended: deque[ReadableSpan] = deque()
        self._open: dict[int, ref[Span]] = {}
        self._pending: list[_Pending] = []
        self._dropped = self._dropped_before = 0
        self._complaint = ""
        self._make_locks()
        os.register_at_fork(after_in_child=self.start_anew)

    def _make_locks(self) -> None:
        # Reentrant: a signal handler, or a generator that is collected as garbage, may end a span while this thread holds it.
        self._lock = threading.RLock()
        self._flushing = threading.Lock()

    def start_anew(self) -> None:
        """In a forked process or the clone of a snapshot: the spans so far are the original's, and its threads may hold the locks."""
        self._make_locks()
        self._breaker.close()
        self._open.clear()
        for batch in self._pending:
            self._exporter.abandon(batch.ticket)
        self._pending.clear()
        self._ended.clear()
        self._exporter.start_anew()

    @property
    def dropped(self) -> int:
        """Spans that were lost so far: too many to keep, or not taken by the backend."""
        return self._dropped

    @property
    def is_idle(self) -> bool:
        """True when a flush would find nothing to do."""
        return not (self._ended or self._pending or self._flushing.locked())

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remembers a span while it is open; weakly, since some never end."""
        context = span.get_span_context()
        if len(self._open) < _MOST_OPEN:
            self._open[context.span_id] = ref(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps a sampled span."""
        context = span.get_span_context()
        if context is None:
            return
        self._open.pop(context.span_id, None)
        if context.trace_flags & 1:
            self._ended.append(span)
            if len(self._ended) > self._limit:
                with self._lock:
                    self._drop_oldest()

    def keep_unfinished(self, error_type: str) -> None:
        """Keeps the spans that are open, as they are now and marked as failed, innermost first. Those that go on end once more."""
        spans = [span for found in list(self._open.values()) if (span := found()) is not None]
        for span in sorted(spans, key=lambda span: span.start_time or 0, reverse=True):
            self.on_end(snapshot(span, error_type))

    def forget_open(self) -> None:
        """Forgets which spans are open: those that have not ended with their invocation may never end."""
        self._open.clear()

    def _drop_oldest(self) -> None:
        while len(self._ended) > self._limit:
            self._ended.popleft()
            self._dropped += 1

    def flush(self, budget: float, *, insist: bool = False) -> bool:
        """Sends what has ended.

        Args:
            budget: Seconds for all of it.
            insist: Try even if the backend was in trouble a moment ago, and wait for answers that are out.

        Returns:
            True only if everything that had ended since the flush before has been accepted by the backend.
        """
        budget = min(max(budget, 0.0), threading.TIMEOUT_MAX)
        deadline = time.monotonic() + budget
        if not self._flushing.acquire(timeout=budget):
            return False
        try:
            self._flush(deadline, insist)
            lost, self._dropped_before = self._dropped - self._dropped_before, self._dropped
            return not (self._ended or self._pending or lost)
        finally:
            self._flushing.release()

    def _flush(self, deadline: float, insist: bool) -> None:
        self._settle(time.monotonic())
        if insist or not (self._breaker.is_open or len(self._pending) >= _MOST_PENDING):
            self._send(deadline)
        if insist and self._pending and not self._ended:
            self._settle(deadline)
            self._send(deadline)

    def _send(self, deadline: float) -> None:
        while time.monotonic() < deadline and (spans := self._take()):
            try:
                report = self._exporter.export(spans, deadline)
            except BaseException:
                self._put_back(spans)
                raise
            if not self._book(spans, report):
                self._note_failure(report)
                return
            if report.delivery == "delivered":
                self._note_success()

    def _note_failure(self, report: Report) -> None:
        if self._breaker.fail(report.retry_after):
            logger.warning(
                "spans cannot be sent to %s: %s; they are kept and sent later, at most %d (LAMBDA_OTEL_FLUSH_TIMEOUT, "
                "OTEL_BSP_MAX_QUEUE_SIZE)",
                self._exporter.name,
                report.reason,
                self._limit,
            )

    def _note_success(self) -> None:
        if self._breaker.succeed():
            logger.warning("spans are being sent to %s again; %d were lost", self._exporter.name, self._dropped)

    def _take(self) -> list[ReadableSpan]:
        with self._lock:
            return [self._ended.popleft() for _ in range(min(self._batch_size, len(self._ended)))]

    def _put_back(self, spans: list[ReadableSpan]) -> None:
        with self._lock:
            self._ended.extendleft(reversed(spans))
            self._drop_oldest()

    def _settle(self, deadline: float) -> None:
        """Asks for the answers that were out; a batch whose answer has been out for longer than the patience is sent again."""
        pending, self._pending = self._pending, []
        for batch in reversed(pending):
            report = self._exporter.settle(batch.ticket, min(deadline, time.monotonic() + batch.time_left(self._patience)))
            if report.delivery == "unanswered":
                if batch.time_left(self._patience) > 0:
                    self._pending.insert(0, batch)
                else:
                    self._send_again(batch)
            elif self._book(batch.spans, report):
                self._breaker.close()
            elif report.retry_after:
                self._breaker.fail(report.retry_after)

    def _send_again(self, batch: _Pending) -> None:
        self._exporter.abandon(batch.ticket)
        self._put_back(batch.spans)

    def _book(self, spans: list[ReadableSpan], report: Report) -> bool:
        """Books what became of a batch; False when it has to be sent again, or its answer is out."""
        if report.delivery == "failed":
            self._put_back(spans)
            return False
        if report.delivery == "unanswered":
            self._pending.append(_Pending(spans, report.ticket))
            if len(self._pending) > _MOST_PENDING:
                self._send_again(self._pending.pop(0))
            return False
        lost = len(spans) if report.delivery == "rejected" else report.lost
        with self._lock:
            self._dropped += lost
        if lost and report.reason != self._complaint:
            logger.warning("%s did not take %d of %d spans: %s", self._exporter.name, lost, len(spans), report.reason)
        self._complaint = report.reason
        return True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what has ended, within the time given; see `flush`."""
        return self.flush(timeout_millis / 1000, insist=True)

    def shutdown(self) -> None:
        """Sends what has ended within the usual budget; what is left is lost."""
        deadline = time.monotonic() + self._budget
        if not self.flush(self._budget, insist=True) and (left := len(self._ended) + sum(len(batch.spans) for batch in self._pending)):
            logger.warning("%d spans were not sent to %s", left, self._exporter.name)
        self._exporter.shutdown(deadline)
