"""SnapStart hooks that say when they ran, and fail on request."""

import os

from snapshot_restore_py import register_after_restore, register_before_snapshot

happened = ["import"]


def _hook(name):
    happened.append(name)
    if os.environ.get("FAIL_AT") == name:
        raise OSError(name)


register_before_snapshot(_hook, "before snapshot")
register_after_restore(_hook, "after restore")


def handler(event, context):
    return happened
