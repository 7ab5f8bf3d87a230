"""Hooks around a snapshot, as the runtime calls them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
import snapshot_restore_py as runtime

from lambda_otel import snapstart


@pytest.fixture(autouse=True)
def no_hooks() -> Iterator[None]:
    """The runtime keeps hooks in lists that last as long as the process."""
    lists = (runtime.get_before_snapshot(), runtime.get_after_restore())
    before = [list(hooks) for hooks in lists]
    for hooks in lists:
        hooks.clear()
    yield
    for hooks, were in zip(lists, before, strict=True):
        hooks[:] = were


def run(hooks: list[tuple[Callable[..., object], tuple[object, ...], dict[str, object]]]) -> None:
    for hook, args, kwargs in hooks:
        hook(*args, **kwargs)


def test_each_hook_runs_at_its_time() -> None:
    seen: list[str] = []
    snapstart.register(before_snapshot=lambda: seen.append("before"), after_restore=lambda: seen.append("after"))
    assert seen == []
    run(runtime.get_before_snapshot())
    assert seen == ["before"]
    run(runtime.get_after_restore())
    run(runtime.get_after_restore())
    assert seen == ["before", "after", "after"]


def test_no_exception_leaves_a_hook(logged: Callable[[], list[str]]) -> None:
    def fail() -> None:
        raise ValueError("broken")

    snapstart.register(before_snapshot=fail, after_restore=fail)
    run(runtime.get_before_snapshot())
    run(runtime.get_after_restore())
    assert logged() == ["SnapStart hook failed: ValueError: broken"] * 2


def test_a_runtime_without_hooks_is_said(monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    snapstart.register(before_snapshot=lambda: None, after_restore=lambda: None)
    assert logged() == ["SnapStart: the runtime has no snapshot_restore_py; ids of restored environments may repeat"]
