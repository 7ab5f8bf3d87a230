"""Lambda SnapStart: what must not be shared by the clones of a snapshot is made anew after each restore.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from __future__ import annotations

from collections.abc import Callable

from .state import logger


def register(before_snapshot: Callable[[], object], after_restore: Callable[[], object]) -> None:
    """Has the runtime call these around a snapshot. An exception in a hook would end the environment, so none leaves them."""
    try:
        from snapshot_restore_py import (  # type: ignore[import-untyped,import-not-found,unused-ignore]  # comes with the runtime
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:
        logger.warning("SnapStart: the runtime has no snapshot_restore_py; ids of restored environments may repeat")
        return
    register_before_snapshot(_quiet(before_snapshot))
    register_after_restore(_quiet(after_restore))


def _quiet(hook: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            hook()
        except Exception as error:
            logger.warning("SnapStart hook failed: %s: %s", type(error).__name__, error)

    return run
