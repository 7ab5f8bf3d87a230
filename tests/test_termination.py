"""SIGTERM: a flush first, then whatever would have happened without us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest

from lambda_otel import termination
from lambda_otel.termination import flush_on_sigterm

HEARD = sys.version_info >= (3, 12)
heard = pytest.mark.skipif(not HEARD, reason="the runtime hears SIGTERM from Python 3.12 on")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The handler of the tests' own process is put back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, which ends itself by SIGTERM."""
    head = "import os, signal, sys\nfrom lambda_otel.termination import flush_on_sigterm\n"
    tail = "\nos.kill(os.getpid(), signal.SIGTERM)\nprint('lives on')\n"
    command = [sys.executable, "-c", head + textwrap.dedent(script) + tail]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@heard
def test_it_flushes_and_the_process_ends_as_by_default() -> None:
    ended = run("flush_on_sigterm(lambda: print('flushed', flush=True))")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "flushed\n", "")


@heard
def test_a_handler_of_the_function_runs_after_the_flush() -> None:
    ended = run("""
        signal.signal(signal.SIGTERM, lambda number, frame: (print(number, frame.f_lineno > 0), sys.exit(5)))
        flush_on_sigterm(lambda: print('flushed'))
    """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (5, f"flushed\n{int(signal.SIGTERM)} True\n", "")


@heard
def test_an_ignored_signal_stays_ignored() -> None:
    ended = run("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        flush_on_sigterm(lambda: print('flushed'))
    """)
    assert (ended.returncode, ended.stdout) == (0, "flushed\nlives on\n")


@heard
def test_a_flush_that_fails_changes_nothing() -> None:
    ended = run("flush_on_sigterm(lambda: 1 / 0)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "", "")


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=flush_on_sigterm, args=(lambda: None,))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_where_the_runtime_does_not_hear_it_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert termination._IS_HEARD == HEARD
    monkeypatch.setattr(termination, "_IS_HEARD", False)
    before = signal.getsignal(signal.SIGTERM)
    flush_on_sigterm(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_c_code_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[object] = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda *args: installed.append(args))
    flush_on_sigterm(lambda: None)
    monkeypatch.undo()
    assert installed == []


@heard
def test_a_second_installation_keeps_the_first() -> None:
    seen: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append("own"))
    flush_on_sigterm(lambda: seen.append("one"))
    flush_on_sigterm(lambda: seen.append("two"))
    os.kill(os.getpid(), signal.SIGTERM)
    assert seen == ["two", "one", "own"]
