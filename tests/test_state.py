"""What a process knows, made on first use and no sooner."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambda_otel import configure, traced_handler
from lambda_otel.propagation import propagation
from lambda_otel.state import state


def test_settings_are_read_on_first_use_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_CONTEXT_KEY", "first")
    assert state.settings.context_key == "first"
    monkeypatch.setenv("LAMBDA_OTEL_CONTEXT_KEY", "second")
    assert state.settings.context_key == "first"


def test_configure_adds_to_what_was_configured_before() -> None:
    configure(context_key="key")
    configure(message_parent="never")
    assert (state.settings.context_key, state.settings.message_parent) == ("key", "never")
    configure(context_key="other")
    assert (state.settings.context_key, state.settings.message_parent) == ("other", "never")


def test_configure_makes_settings_and_propagators_anew() -> None:
    assert propagation() is propagation()
    before, settings = propagation(), state.settings
    configure(propagators=("tracecontext",))
    assert state.settings is not settings
    assert propagation() is not before


def test_line_is_said_once(logged: Callable[[], list[str]]) -> None:
    for text in ("one", "two", "one", "100% sure", "100% sure"):
        state.say_once(text)
    assert logged() == ["one", "two", "100% sure"]


def test_reset_forgets_everything(monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]], lambda_context: Any) -> None:
    monkeypatch.setenv("LAMBDA_OTEL_MESSAGE_PARENT", "nonsense")
    configure(context_key="key")
    traced_handler(lambda event, context: None)({}, lambda_context)
    assert state.invoked
    state.reset()
    assert (state.invoked, state.overrides, state.telemetry, state.prepared, state.propagation) == (False, {}, None, None, None)
    assert state.settings.context_key is None
    assert len(logged()) == 2


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that give way to each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_share_what_the_first_has_made() -> None:
    for _ in range(50):
        state.reset()
        barrier = threading.Barrier(8)
        found: list[Any] = []

        def look(barrier: threading.Barrier = barrier, found: list[Any] = found) -> None:
            barrier.wait()
            found.append((state.settings, propagation()))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len({id(settings) for settings, _ in found}) == 1
        assert len({id(propagators) for _, propagators in found}) == 1
