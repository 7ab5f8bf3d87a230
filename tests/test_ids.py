"""Ids that nothing in a function, and no copy of its process, can repeat."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap

import pytest
from opentelemetry.sdk.trace import TracerProvider

from lambda_otel.ids import OwnIdGenerator


def some(generator: OwnIdGenerator, count: int = 100) -> list[int]:
    return [found for _ in range(count) for found in (generator.generate_trace_id(), generator.generate_span_id())]


def test_seeding_the_random_of_python_does_not_repeat_ids() -> None:
    tracer = TracerProvider(id_generator=OwnIdGenerator(), shutdown_on_exit=False).get_tracer("test")
    contexts = []
    for _ in range(50):
        random.seed(0)
        contexts.append(tracer.start_span("span").get_span_context())
    assert len({context.trace_id for context in contexts}) == 50
    assert len({context.span_id for context in contexts}) == 50


def test_ids_leave_the_random_of_python_alone() -> None:
    random.seed(0)
    expected = [random.random() for _ in range(3)]
    random.seed(0)
    some(OwnIdGenerator())
    assert [random.random() for _ in range(3)] == expected


def test_generators_do_not_repeat_each_other() -> None:
    assert len(set(some(OwnIdGenerator()) + some(OwnIdGenerator()))) == 400


def test_ids_fill_their_bits() -> None:
    generator = OwnIdGenerator()
    trace_ids = [generator.generate_trace_id() for _ in range(1000)]
    span_ids = [generator.generate_span_id() for _ in range(1000)]
    assert 1 << 120 < max(trace_ids) < 1 << 128
    assert 1 << 56 < max(span_ids) < 1 << 64
    assert 0 not in trace_ids + span_ids
    assert generator.is_trace_id_random()


def test_zero_is_never_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0, 0, 7, 0, 8])

    class Unlucky(random.Random):
        def getrandbits(self, bits: int) -> int:
            return next(drawn)

    generator = OwnIdGenerator()
    monkeypatch.setattr(generator, "_random", Unlucky())
    assert (generator.generate_span_id(), generator.generate_trace_id()) == (7, 8)


def test_a_clone_repeats_its_original_only_until_it_is_reseeded() -> None:
    original, clone = OwnIdGenerator(), OwnIdGenerator()
    clone._random.setstate(original._random.getstate())
    assert some(clone, 3) == some(original, 3)
    clone.reseed()
    assert not set(some(clone)) & set(some(original))


FORKING = textwrap.dedent("""
    import os
    from lambda_otel.ids import OwnIdGenerator

    generator = OwnIdGenerator()
    generator.generate_trace_id()
    children = []
    for _ in range(8):
        child = os.fork()
        if not child:
            break
        children.append(child)
    ids = [found for _ in range(20) for found in (generator.generate_trace_id(), generator.generate_span_id())]
    os.write(1, (" ".join(map(str, ids)) + "\\n").encode())
    for child in children:
        os.waitpid(child, 0)
""")


def test_forked_processes_have_ids_of_their_own() -> None:
    run = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, env=dict(os.environ), check=True)
    lines = run.stdout.splitlines()
    assert len(lines) == 9
    ids = [found for line in lines for found in line.split()]
    assert len(set(ids)) == len(ids) == 9 * 40
