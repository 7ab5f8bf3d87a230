"""The systems that are compared, each installed into a folder of its own, and the command that runs a function with one of them.

The folders lie in a cache outside the tree and are put on `PYTHONPATH` of a bare interpreter, as Lambda does with a function's folder:
a site-packages folder could run `.pth` files at the start of every process and so distort every figure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path

from systems import RUNTIME, System

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Environment:
    """Where a system is installed, and what runs a function with it.

    Attributes:
        system: What is installed.
        folder: With its packages.
        runtime: With those that Lambda itself has.
    """

    system: System
    folder: Path
    runtime: Path

    def command(self, *arguments: str) -> list[str]:
        """What runs the probe on the system's function."""
        python = str(interpreter())
        start = [python, str(self.folder / "bin" / self.system.launcher), python] if self.system.launcher else [python]
        return [*start, str(HERE / "probe.py"), *arguments]

    def serving(self, system: System) -> Environment:
        """The same packages for another function."""
        return replace(self, system=system)

    def uncompiled(self) -> Environment:
        """The same packages without a single `.pyc`; to be run without writing any."""
        return replace(self, folder=_without_pyc(self.folder))

    def launch(self) -> list[str]:
        """What only gets as far as starting the function's process, for a program that does not exist; empty without a launcher."""
        return [str(interpreter()), str(self.folder / "bin" / self.system.launcher), "no-such-program"] if self.system.launcher else []

    def variables(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of the function's process."""
        path = (HERE / "subjects", self.folder, self.runtime)
        return {
            "PATH": os.pathsep.join((str(interpreter().parent), os.environ["PATH"])),
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONHASHSEED": "0",
            "PYTHONSAFEPATH": "1",  # nothing from the folder of the probe
            "TZ": ":UTC",
            "SUBJECT": self.system.subject,
            **_LAMBDA,
            "_HANDLER": f"{self.system.subject}.handler",
            **{key: value.replace("{folder}", str(self.folder)) for key, value in self.system.environment.items()},
            **more,
        }


SEGMENT = "Root=1-5b8aa5a2-d2c872e8321cf37308d69df2;Parent=051581bf3cb55c13;Sampled=1"

# With the address of the Runtime API libraries arrange things with Lambda, though nobody has to answer there.
_LAMBDA = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "_X_AMZN_TRACE_ID": SEGMENT,
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{VERSION}",
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/benchmark",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "LAMBDA_TASK_ROOT": str(HERE / "subjects"),
}


def cache() -> Path:
    """The folder with all that the benchmarks install."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(root) / "lambda_otel-benchmarks"
    found.mkdir(parents=True, exist_ok=True)
    return found


def interpreter() -> Path:
    """A bare interpreter: a virtual environment without a single package."""
    return _virtual_environment("python", "--without-pip")


def _virtual_environment(name: str, *options: str) -> Path:
    folder = cache() / f"{name}-{VERSION}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", *options, str(folder)], check=True)
    return python


def compile_subjects() -> None:
    """Compiles the functions, or the first process to load one would pay for it."""
    subprocess.run([str(interpreter()), "-m", "compileall", "-q", str(HERE / "subjects")], check=True)


def install(system: System) -> Environment:
    """Installs a system, unless the same versions are there already."""
    if system.name == "lambda_otel":
        return Environment(system, _install_checkout(), _installed("runtime", RUNTIME))
    return Environment(system, _installed(system.subject, system.requirements), _installed("runtime", RUNTIME))


def _installed(name: str, requirements: Sequence[str]) -> Path:
    folder = cache() / f"{name}-{VERSION}-{hashlib.sha256(repr(requirements).encode()).hexdigest()[:10]}"
    if not folder.exists():
        made = folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        if requirements:
            pip("install", "--target", str(made), *requirements)
        made.rename(folder)
    return folder


@once
def _without_pyc(folder: Path) -> Path:
    copy = cache() / f"{folder.name}-uncompiled"
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__")))


def pip(*arguments: str) -> None:
    """Runs pip, from an environment that nothing is measured in."""
    python = str(_virtual_environment("tools"))
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True, stderr=subprocess.DEVNULL)


def wheel() -> Path:
    """The wheel of this checkout, built anew."""
    folder = cache() / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT))
    return next(folder.glob("*.whl"))


def _install_checkout() -> Path:
    built = wheel()
    folder = cache() / f"ours-{VERSION}"
    shutil.rmtree(folder, ignore_errors=True)
    pip("install", "--target", str(folder), str(built))
    return folder
