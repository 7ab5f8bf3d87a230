"""A thread that acts shortly before a deadline, and only then."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from lambda_otel.watchdog import Watchdog

LATE = 5.0  # seconds after which a busy machine is no excuse


class Watched:
    """A watchdog and what it did."""

    def __init__(self) -> None:
        self.kept = 0
        self.sent: list[float] = []
        self.acted = threading.Event()
        self.watchdog = Watchdog(self.keep, self.send)

    def keep(self) -> None:
        self.kept += 1

    def send(self, remaining: float) -> None:
        self.sent.append(remaining)
        self.acted.set()

    def wait(self) -> None:
        assert self.acted.wait(LATE)
        self.acted.clear()


def watchdogs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lambda_otel-watchdog"]


def test_it_acts_once_within_the_margin() -> None:
    watched = Watched()
    begin = time.monotonic()
    watched.watchdog.watch(0.3, 0.2)
    watched.wait()
    assert time.monotonic() - begin >= 0.1
    time.sleep(0.3)
    assert (watched.kept, len(watched.sent)) == (1, 1)
    assert watched.sent[0] <= 0.2


def test_an_invocation_that_is_over_is_left_alone() -> None:
    watched = Watched()
    watched.watchdog.watch(0.1, 0.05)
    watched.watchdog.rest()
    time.sleep(0.2)
    assert (watched.kept, watched.sent) == (0, [])


def test_the_deadline_of_an_old_invocation_means_nothing_to_a_later_one() -> None:
    watched = Watched()
    watched.watchdog.watch(0.1, 0.05)
    watched.watchdog.rest()
    watched.watchdog.watch(30, 1)
    time.sleep(0.2)
    assert watched.kept == 0
    watched.watchdog.rest()


@pytest.mark.parametrize("first", [0.15, 30.0])
def test_it_serves_invocation_after_invocation_with_one_thread(first: float) -> None:
    before = set(watchdogs())
    watched = Watched()
    watched.watchdog.watch(first, 0.1)
    time.sleep(0.02)
    watched.watchdog.rest()
    for count in range(1, 4):
        watched.watchdog.watch(0.15, 0.1)
        watched.wait()
        watched.watchdog.rest()
        assert watched.kept == count
    assert len(set(watchdogs()) - before) == 1


def test_it_starts_no_thread_before_it_is_needed() -> None:
    before = watchdogs()
    Watched().watchdog.rest()
    assert watchdogs() == before


def test_a_busy_loop_does_not_hold_it_up() -> None:
    watched = Watched()
    watched.watchdog.watch(1.0, 0.9)
    end = time.monotonic() + LATE
    while not watched.sent:
        assert time.monotonic() < end
    assert watched.sent[0] > 0


def test_the_invocation_cannot_end_while_its_open_spans_are_noted() -> None:
    steps: list[str] = []
    keeping = threading.Event()

    def keep() -> None:
        keeping.set()
        time.sleep(0.1)
        steps.append("kept")

    watchdog = Watchdog(keep, lambda remaining: steps.append("sent"))
    watchdog.watch(0.1, 0.1)
    assert keeping.wait(LATE)
    watchdog.rest()
    assert steps[0] == "kept"


def test_its_own_failures_are_neither_printed_nor_the_end_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    acted = threading.Semaphore(0)

    def fail(*_: float) -> None:
        acted.release()
        raise ValueError("broken")

    watchdog = Watchdog(fail, fail)
    for _ in range(2):
        watchdog.watch(0.1, 0.1)
        assert acted.acquire(timeout=LATE) and acted.acquire(timeout=LATE)
    assert capfd.readouterr() == ("", "")


def test_a_forked_process_has_a_watchdog_of_its_own() -> None:
    script = """
        import os, threading, warnings
        from lambda_otel.watchdog import Watchdog

        warnings.simplefilter("ignore")
        acted = threading.Event()
        watchdog = Watchdog(lambda: None, lambda remaining: acted.set())
        watchdog.watch(30, 1)
        with watchdog._changed:  # as another thread may hold it
            child = os.fork()
        if child == 0:
            watchdog.rest()
            watchdog.watch(0.1, 0.1)
            os._exit(0 if acted.wait(5) else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=30)
