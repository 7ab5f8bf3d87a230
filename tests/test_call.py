"""Calls in a thread, waited for as long as there is time."""

from __future__ import annotations

import threading
import time

import pytest

from lambda_otel.call import Call


def soon() -> float:
    return time.monotonic() + 20


def test_a_call_that_returns_has_a_result() -> None:
    call = Call(lambda: 42)
    assert call.wait(soon())
    assert (call.result, call.error) == (42, None)


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(3), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_a_call_that_raises_has_an_error_and_prints_nothing(error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise error

    call = Call(fail)
    assert call.wait(soon())
    assert call.result is None
    assert call.error is error
    assert capfd.readouterr() == ("", "")


def test_a_call_that_hangs_is_waited_for_until_the_deadline_and_can_be_asked_again() -> None:
    released = threading.Event()
    call = Call(lambda: released.wait(30))
    begin = time.monotonic()
    assert not call.wait(time.monotonic() + 0.1)
    assert not call.wait(time.monotonic() - 1)
    assert time.monotonic() - begin < 5
    released.set()
    assert call.wait(soon())
    assert call.result is True


def test_a_deadline_may_be_absurd() -> None:
    assert Call(lambda: None).wait(float("inf"))


def test_a_process_without_room_for_a_thread_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    call = Call(lambda: 42)
    assert call.wait(soon())
    assert call.result is None
    assert str(call.error) == "can't start new thread"


def test_a_call_does_not_keep_the_process_alive() -> None:
    released = threading.Event()
    Call(lambda: released.wait(30))
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("lambda_otel")]
    assert thread.daemon
    released.set()
    thread.join(20)
