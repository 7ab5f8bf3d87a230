"""`lambda-otel check-package`: which modules of a deployment package Lambda would have to compile at every cold start."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from .bytecode import RUNNING, Finding, judge
from .usage import UsageError

_LIBRARY = re.compile(r"(?:^|/)lib/python(\d+\.\d+)/")  # in a layer, on the path of one version only
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Files:
    """The files of a package.

    Attributes:
        sizes: Bytes of each file, by its path in the package.
        read: The content of one of them.
    """

    sizes: Mapping[str, int]
    read: Callable[[str], bytes]


@contextmanager
def open_package(path: Path) -> Generator[Files]:
    """The files of a folder or a zip archive.

    Raises:
        UsageError: It cannot be read; also later, while its files are.
    """
    try:
        if path.is_dir():
            yield _folder(path)
        else:
            with ZipFile(path) as archive:
                sizes = {entry.filename: entry.file_size for entry in archive.infolist() if not entry.is_dir()}
                yield Files(sizes, archive.read)
    except (OSError, BadZipFile, EOFError, RuntimeError, UnicodeError, zlib.error) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _folder(root: Path) -> Files:
    files = [Path(folder, name) for folder, _, names in os.walk(root, onerror=_fail) for name in names]
    sizes = {file.relative_to(root).as_posix(): file.stat().st_size for file in files if file.is_file()}
    return Files(sizes, lambda name: (root / name).read_bytes())


def _fail(error: OSError) -> None:
    raise error


@dataclass(frozen=True)
class Report:
    """What was found in a package.

    Attributes:
        version: The function's Python.
        found: The modules, by what there is to say about them.
        size: Bytes of the valid `.pyc`.
    """

    version: str
    found: Mapping[Finding, list[str]]
    size: int

    @property
    def passed(self) -> bool:
        """Whether there are modules, and none is left to compile."""
        return bool(self.found) and self.found.keys() <= {Finding.VALID, Finding.NOT_PYTHON}

    def lines(self) -> Iterator[str]:
        """The report as text: counts, and the first names of each kind."""
        yield f"modules: {sum(map(len, self.found.values()))}"
        yield f"valid .pyc for Python {self.version}: {len(self.found.get(Finding.VALID, ()))} ({self.size / 1e6:.1f} MB)"
        for finding in Finding:
            if finding in self.found and finding is not Finding.VALID:
                names = self.found[finding]
                yield f"{finding.value}: {len(names)}"
                yield from (f"  {name}" for name in names[:_NAMES_SHOWN])
                if len(names) > _NAMES_SHOWN:
                    yield f"  and {len(names) - _NAMES_SHOWN} more"
        if self.version != RUNNING:
            yield f"not checked: magic numbers and source hashes, as this is Python {RUNNING}"


def check(files: Files, version: str = RUNNING) -> Report:
    """Looks at what an import finds beside each module.

    Args:
        files: The package.
        version: The function's Python, such as `3.13`.
    """
    found: dict[Finding, list[str]] = {}
    size = 0
    for module, pyc in _modules(files.sizes, version):
        code = files.read(pyc) if pyc in files.sizes else None
        finding = judge(code, None if module == pyc else files.read(module), version)
        found.setdefault(finding, []).append(module)
        if finding is Finding.VALID:
            size += files.sizes[pyc]
    return Report(version, found, size)


def _modules(names: Mapping[str, int], version: str) -> Iterator[tuple[str, str]]:
    """Each source and the path of its `.pyc`; a `.pyc` in the place of a source is both."""
    for name in sorted(names):
        path, library = PurePosixPath(name), _LIBRARY.search(name)
        if "__pycache__" in path.parts or (library and library[1] != version):
            continue
        if path.suffix == ".py":
            folder = name[: -len(path.name)]  # as the archive spells it, perhaps with a dot in front
            yield name, f"{folder}__pycache__/{path.stem}.cpython-{version.replace('.', '')}.pyc"
        elif path.suffix == ".pyc" and name[:-1] not in names:
            yield name, name
