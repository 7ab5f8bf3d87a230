"""What is decorated keeps its type for those who check types."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DECORATED = Path(__file__).parent / "typing" / "decorated.py"


def test_mypy_sees_the_types_of_what_is_decorated_and_the_errors_of_wrong_use() -> None:
    pytest.importorskip("mypy", reason="mypy is installed with the extra lint")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-version=3.10", str(DECORATED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == ("Success: no issues found in 1 source file\n", 0)


def test_pyright_sees_the_same() -> None:
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    if pyright is None:
        pytest.skip("pyright is installed with the extra lint")
    command = [pyright, "--pythonpath", sys.executable, str(DECORATED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == ("0 errors, 0 warnings, 0 informations\n", 0)
