"""What a deployment package grows by."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from environments import Environment, cache
from report import Table, median, ratio
from rounds import Figures, interleaved
from systems import BARE, OURS

NOTE = (
    "All that is installed, without scripts and `.pyc` files, unpacked and zipped, and the zipped size as a multiple of the SDK's by hand. "
    "boto3 and what it needs are in Lambda's runtime; where a system installs them again they count. `wheel`: KiB of the package itself."
)
DISTRIBUTIONS, FILES, UNPACKED, ZIPPED, WHEEL = "size, distributions", "size, files", "size, unpacked", "size, zipped", "size, wheel"


def measure(environments: Sequence[Environment], *, quick: bool) -> Figures:
    """One round: it is always the same."""
    return interleaved([environment for environment in environments if environment.system.name != BARE.name], 1, weigh)


def tables(systems: Sequence[str], figures: Figures) -> list[Table]:
    """One table of all systems."""
    keys = (DISTRIBUTIONS, FILES, UNPACKED, ZIPPED)
    rows = [
        [name, *(median(figures, name, key) for key in keys), ratio(figures, name, ZIPPED), median(figures, name, WHEEL)]
        for name in systems
    ]
    return [Table("Size", NOTE, ("system", "distributions", "files", "MB unpacked", "MB zipped", "ratio", "wheel"), rows)]


def weigh(environment: Environment) -> dict[str, float]:
    """Numbers of distributions and files, megabytes, and of our own wheel the KiB."""
    found = list(files(environment.folder))
    sizes = {
        DISTRIBUTIONS: len({path.parent for path in found if path.parent.suffix == ".dist-info"}),
        FILES: len(found),
        UNPACKED: sum(path.stat().st_size for path in found) / 1e6,
        ZIPPED: len(archive(environment.folder)) / 1e6,
    }
    if environment.system.name == OURS.name:
        (wheel,) = (cache() / "wheel").glob("*.whl")
        sizes[WHEEL] = wheel.stat().st_size / 1024
    return sizes


def files(folder: Path) -> Iterator[Path]:
    """The files that a deployment package would hold."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(folder).parts[0] != "bin":
            yield path


def archive(folder: Path) -> bytes:
    """The folder, zipped."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in files(folder):
            zipped.write(path, path.relative_to(folder))
    return content.getvalue()
