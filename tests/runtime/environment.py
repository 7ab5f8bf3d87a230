"""The environment variables of a function, as Lambda sets them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "123456789012"
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_PACKAGE = "lambda_otel"


def function_command(handler: str) -> list[str]:
    """The command that runs a handler (``module.function``) under AWS's runtime interface client."""
    return [sys.executable, "-m", "awslambdaric", handler]


def function_environment(handler: str, folder: Path, *, name: str, memory: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that every function sees, and the test's own.

    Nothing of the test's process leaks in but what a program needs to run, so that an ``OTEL_*`` or ``AWS_*``
    variable of the machine changes no result.
    """
    return {
        **{key: os.environ[key] for key in _KEPT if key in os.environ},
        "PYTHONPATH": os.pathsep.join(str(entry) for entry in _import_path(folder)),
        "TZ": ":UTC",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": handler,
        **(extra or {}),
    }


def _import_path(folder: Path) -> list[Path]:
    """The function's folder, and where the tests themselves import the package from (the tree or an installation)."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return [folder.absolute()]
    return [folder.absolute(), Path(package.origin).parents[1]]
