"""What a deployment package grows by."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from environments import Environment, cache
from report import Table, shown

NOTE = (
    "All that is installed, without scripts and `.pyc` files, unpacked and zipped, and the zipped size as a multiple of the SDK's by hand. "
    "boto3 and what it needs are in Lambda's runtime; where a system installs them again they count."
)
COLUMNS = ("system", "distributions", "files", "MB unpacked", "MB zipped", "ratio")


def measure(environments: Sequence[Environment], *, quick: bool) -> list[Table]:
    """One table of all systems."""
    systems = [environment for environment in environments if environment.system.name != "no tracing"]
    zipped = {environment.system.name: len(archive(environment.folder)) for environment in systems}
    rows = [row(environment, zipped) for environment in systems]
    wheels = [f"The wheel of lambda_otel itself has {wheel.stat().st_size / 1024:.0f} KiB." for wheel in (cache() / "wheel").glob("*.whl")]
    return [Table("Size", " ".join((NOTE, *wheels)), COLUMNS, rows)]


def row(environment: Environment, zipped: dict[str, int]) -> list[str]:
    """The row of one system."""
    found = list(files(environment.folder))
    distributions = {path.parent for path in found if path.parent.suffix == ".dist-info"}
    size, unpacked = zipped[environment.system.name], sum(path.stat().st_size for path in found)
    numbers = (unpacked / 1e6, size / 1e6, size / zipped["SDK by hand"])
    return [environment.system.name, str(len(distributions)), str(len(found)), *map(shown, numbers)]


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
