"""Trace and span ids from a generator of our own, which no `random.seed()` of the function can repeat."""

from __future__ import annotations

import os
from random import Random

from opentelemetry.sdk.trace.id_generator import IdGenerator


class OwnIdGenerator(IdGenerator):
    """Random ids from private state, seeded anew in every forked process and whenever `reseed` is called.

    A clone of a snapshot has the state of the original: call `reseed` after a restore.
    """

    def __init__(self) -> None:
        self._random = Random()  # noqa: S311 (ids must be unique, not secret)
        os.register_at_fork(after_in_child=self.reseed)

    def reseed(self) -> None:
        """Starts from new randomness of the operating system."""
        self._random.seed()

    def generate_span_id(self) -> int:
        """A span id that is not zero."""
        while not (span_id := self._random.getrandbits(64)):
            pass
        return span_id

    def generate_trace_id(self) -> int:
        """A trace id that is not zero."""
        while not (trace_id := self._random.getrandbits(128)):
            pass
        return trace_id

    def is_trace_id_random(self) -> bool:
        """All bits of a trace id are random (the W3C flag `random`)."""
        return True
