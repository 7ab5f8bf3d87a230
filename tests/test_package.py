"""`lambda-otel check-package`, as a user types it, and the recipe that it checks."""

from __future__ import annotations

import compileall
import importlib.util
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_otel.cli import main
from lambda_otel.package import check, open_package

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "packaging.md").read_text(encoding="utf-8")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = sys.implementation.cache_tag

UNCHECKED, CHECKED, TIMESTAMP = PycInvalidationMode.UNCHECKED_HASH, PycInvalidationMode.CHECKED_HASH, PycInvalidationMode.TIMESTAMP
FOREIGN_MAGIC = b"\x01\x02\r\n"

Capture = pytest.CaptureFixture[str]


def write(root: Path, *names: str, text: str = "answer = 42\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def compile_all(folder: Path, mode: PycInvalidationMode = UNCHECKED, *, force: bool = True) -> bool:
    """Whether all could be compiled."""
    return bool(compileall.compile_dir(folder, quiet=2, force=force, invalidation_mode=mode))


def pyc(source: Path, tag: str = TAG) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"


def archive(path: Path, folder: Path, prefix: str = "") -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for source in sorted(folder.rglob("*"), key=Path.is_dir):
            file.write(source, prefix + source.relative_to(folder).as_posix())
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with three compiled modules."""
    folder = tmp_path / "package"
    write(folder, "app.py", "shop/__init__.py", "shop/orders.py")
    compile_all(folder)
    return folder


def run(capsys: Capture, *arguments: str | Path) -> tuple[int, list[str], str]:
    """Exit status, lines of standard output, and standard error."""
    status = main(["check-package", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


def test_a_package_that_is_compiled_is_good(package: Path, capsys: Capture) -> None:
    good = (0, ["modules: 3", f"valid .pyc for Python {RUNNING}: 3 (0.0 MB)"], "")
    assert run(capsys, package) == good
    assert run(capsys, archive(package.with_suffix(".zip"), package)) == good
    assert run(capsys, package, "--python", RUNNING) == good


def test_an_archive_may_spell_its_names_with_a_dot_in_front(package: Path, tmp_path: Path, capsys: Capture) -> None:
    with ZipFile(tmp_path / "dots.zip", "w") as file:
        for path in sorted(package.rglob("*.py*")):
            if path.is_file():
                file.writestr(f"./{path.relative_to(package).as_posix()}", path.read_bytes())
    assert run(capsys, tmp_path / "dots.zip")[0] == 0


@pytest.mark.parametrize("prefix", ["python/", f"python/lib/python{RUNNING}/site-packages/"])
def test_a_layer_is_checked_under_its_folder(prefix: str, package: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(capsys, archive(tmp_path / "good.zip", package, prefix))[0] == 0
    pyc(package / "app.py").unlink()
    status, lines, _ = run(capsys, archive(tmp_path / "bad.zip", package, prefix))
    assert status == 1
    assert f"  {prefix}app.py" in lines


def test_what_a_layer_has_for_another_version_is_left_out(package: Path, capsys: Capture) -> None:
    write(package, "python/lib/python3.9/site-packages/old.py")
    assert run(capsys, package)[:2] == (0, ["modules: 3", f"valid .pyc for Python {RUNNING}: 3 (0.0 MB)"])


# One module


def change(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def compile_with_optimization(source: Path) -> None:
    pyc(source).unlink()
    compileall.compile_file(source, quiet=2, optimize=1, invalidation_mode=UNCHECKED)


def rewrite(alter: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A change of what is in the `.pyc` of a source."""
    return lambda source: pyc(source).write_bytes(alter(pyc(source).read_bytes()))


CHANGES: dict[str, tuple[str | None, Callable[[Path], object]]] = {
    "none": (None, lambda source: None),
    "deleted": ("no .pyc for this Python version", lambda source: pyc(source).unlink()),
    "compiled for -O": ("no .pyc for this Python version", compile_with_optimization),
    "renamed": ("no .pyc for this Python version", lambda source: pyc(source).rename(pyc(source, "cpython-39"))),
    "beside the source": ("no .pyc for this Python version", lambda source: pyc(source).rename(source.with_suffix(".pyc"))),
    "other source": ("compiled from other source", lambda source: source.write_text("answer = 43\n")),
    "timestamp": ("timestamp-based .pyc", lambda source: compile_all(source.parent, TIMESTAMP)),
    "checked hash": ("checked-hash .pyc", lambda source: compile_all(source.parent, CHECKED)),
    "flag of a checked hash, without a hash": ("timestamp-based .pyc", rewrite(lambda data: change(data, 4, b"\x02"))),
    "unknown flag": ("damaged .pyc", rewrite(lambda data: change(data, 4, b"\x05"))),
    "three bytes": ("damaged .pyc", rewrite(lambda data: data[:3])),
    "nothing but a header": ("damaged .pyc", rewrite(lambda data: data[:16])),
    "other magic number": (".pyc of another Python version", rewrite(lambda data: change(data, 0, FOREIGN_MAGIC))),
}


class Watched(SourceFileLoader):
    """Python's own import, which says whether the source was needed, and writes nothing."""

    source_read = False

    def get_data(self, path: str) -> bytes:
        self.source_read |= path == self.path
        return super().get_data(path)

    def set_data(self, *arguments: object, **more: object) -> None:
        pass


def runs_its_pyc(source: Path) -> bool:
    """Whether an import runs the code of the source without reading it, also after the source has got another time."""
    os.utime(source, (0, 0))
    loader = Watched(source.stem, str(source))
    try:
        code = loader.get_code(source.stem)
    except EOFError:
        return False
    return not loader.source_read and code == compile(source.read_bytes(), str(source), "exec", dont_inherit=True)


@pytest.mark.parametrize("name", CHANGES)
def test_a_module_is_valid_if_an_import_needs_no_source(name: str, tmp_path: Path, capsys: Capture) -> None:
    fault, alter = CHANGES[name]
    source = tmp_path / "app.py"
    write(tmp_path, source.name)
    compile_all(tmp_path)
    alter(source)
    status, lines, _ = run(capsys, tmp_path)
    assert (status == 0) is runs_its_pyc(source) is (fault is None)
    assert lines[0] == "modules: 1"
    if fault:
        assert lines[-2].startswith(fault)
        assert lines[-2].endswith(": 1")
        assert lines[-1] == "  app.py"


@pytest.mark.parametrize(
    ("alter", "fault"),
    [
        (lambda data: data, None),
        (lambda data: change(data, 4, b"\x00"), None),
        (lambda data: change(data, 0, FOREIGN_MAGIC), ".pyc of another Python version: 1"),
        (lambda data: change(data, 4, b"\x05"), "damaged .pyc: 1"),
        (lambda data: data[:3], "damaged .pyc: 1"),
    ],
)
def test_a_pyc_may_stand_in_the_place_of_its_source(
    alter: Callable[[bytes], bytes], fault: str | None, package: Path, capsys: Capture
) -> None:
    alone = package / "app.pyc"
    alone.write_bytes(alter(pyc(package / "app.py").read_bytes()))
    (package / "app.py").unlink()
    status, lines, _ = run(capsys, package)
    try:
        imported = SourcelessFileLoader("app", str(alone)).get_code("app") is not None
    except (ImportError, EOFError):
        imported = False
    assert (status == 0) is imported is (fault is None)
    assert lines[0] == "modules: 3"
    assert lines[2:] == ([fault, "  app.pyc"] if fault else [])


def test_files_that_are_not_valid_python_are_no_fault(package: Path, capsys: Capture) -> None:
    write(package, "templates/{{name}}.py", text="import {{ name }}\n")
    write(package, "nested.py", text="(" * 1_000)
    (package / "latin.py").write_bytes(b"text = '\xe9'\n")
    (package / "null.py").write_bytes(b"\0")
    assert not compile_all(package)
    status, lines, _ = run(capsys, package)
    assert status == 0
    assert lines[0] == "modules: 7"
    assert lines[2] == "not valid Python, and no fault as nothing can import it: 4"


def test_other_files_and_folders_are_no_modules(package: Path, capsys: Capture) -> None:
    write(package, "bin/tool", "notes.txt", "data.py/notes.txt", "__pycache__/stray.py", f"__pycache__/gone.{TAG}.pyc")
    (package / ".#app.py").symlink_to("user@host:1234")  # as editors leave
    assert run(capsys, package)[:2] == (0, ["modules: 3", f"valid .pyc for Python {RUNNING}: 3 (0.0 MB)"])
    (package / ".#app.py").unlink()
    assert run(capsys, archive(package.with_suffix(".zip"), package))[:2] == run(capsys, package)[:2]


def test_source_that_python_warns_of_is_valid(package: Path, capsys: Capture) -> None:
    write(package, "old.py", text='pattern = "\\d"\n')
    status, lines, _ = run(capsys, package)
    assert (status, lines[-1]) == (1, "  old.py")


# Another version


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (FOREIGN_MAGIC + b"\x01\0\0\0" + b"12345678", 0),
        (FOREIGN_MAGIC + b"\x00\0\0\0" + b"12345678", 1),
        (FOREIGN_MAGIC + b"\x03\0\0\0" + b"12345678", 1),
        (importlib.util.MAGIC_NUMBER + b"\x01\0\0\0" + b"12345678", 1),
    ],
)
def test_of_another_version_the_name_and_the_flags_are_checked(header: bytes, status: int, tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path, "app.py", "__pycache__/keep")
    pyc(tmp_path / "app.py", "cpython-39").write_bytes(header + b"code")
    found, lines, _ = run(capsys, tmp_path, "--python", "3.9")
    assert found == status
    assert lines[1] == f"valid .pyc for Python 3.9: {1 - status} (0.0 MB)"
    assert lines[-1] == f"not checked: magic numbers and source hashes, as this is Python {RUNNING}"


def test_what_this_version_has_compiled_is_nothing_for_another(package: Path, capsys: Capture) -> None:
    status, lines, _ = run(capsys, package, "--python", "3.9")
    assert status == 1
    assert "no .pyc for this Python version: 3" in lines


# The report


def test_counts_and_first_names_are_printed_with_the_worst_first(package: Path, capsys: Capture) -> None:
    write(package, *(f"module_{number:02}.py" for number in range(12)))
    write(package, "app.py", text="answer = 43\n")
    assert run(capsys, package) == (
        1,
        [
            "modules: 15",
            f"valid .pyc for Python {RUNNING}: 2 (0.0 MB)",
            "compiled from other source, which runs in place of this one: 1",
            "  app.py",
            "no .pyc for this Python version: 12",
            *(f"  module_{number:02}.py" for number in range(5)),
            "  and 7 more",
        ],
        "",
    )


def test_what_the_pyc_add_is_printed(package: Path, capsys: Capture) -> None:
    write(package, "large.py", text=f"text = {'x' * 2_500_000!r}\n")
    compile_all(package)
    for path in (package, archive(package.with_suffix(".zip"), package)):
        assert run(capsys, path)[1][1] == f"valid .pyc for Python {RUNNING}: 4 (2.5 MB)"


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "größe.py", os.fsdecode(b"caf\xe9.py"))
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, "ascii", write_through=True))
    assert main(["check-package", str(tmp_path)]) == 1
    assert output.getvalue().decode("ascii").splitlines()[-2:] == ["  caf\\udce9.py", "  gr\\xf6\\xdfe.py"]


def test_a_reader_that_has_seen_enough_gets_no_traceback(package: Path) -> None:
    command = [sys.executable, "-m", "lambda_otel", "check-package", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


# What cannot be checked


def test_without_modules_nothing_is_good(tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path, "notes.txt", "__pycache__/gone.cpython-39.pyc")
    assert run(capsys, tmp_path) == (1, ["modules: 0", f"valid .pyc for Python {RUNNING}: 0 (0.0 MB)"], "")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def encrypt(data: bytes) -> bytes:
    """Sets the flag of an encrypted file in the first entry of the directory."""
    return change(data, data.index(b"PK\x01\x02") + 8, b"\x01")


def spoil(data: bytes) -> bytes:
    """Changes a byte of the first file."""
    return change(data, 40, b"\xff")


@pytest.mark.parametrize("alter", [lambda data: b"", lambda data: b"not a zip archive", cut, encrypt, spoil])
def test_an_archive_that_cannot_be_read_is_one_line(alter: Callable[[bytes], bytes], package: Path, capsys: Capture) -> None:
    path = archive(package.with_suffix(".zip"), package)
    path.write_bytes(alter(path.read_bytes()))
    status, lines, errors = run(capsys, path)
    assert (status, lines) == (2, [])
    assert errors.startswith(f"lambda-otel: cannot read {path}: ")
    assert len(errors.splitlines()) == 1


def test_a_path_that_does_not_exist_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "missing"
    assert run(capsys, path) == (2, [], f"lambda-otel: cannot read {path}: No such file or directory\n")


def test_a_folder_that_cannot_be_listed_is_one_line(package: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "shop":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert run(capsys, package) == (2, [], f"lambda-otel: cannot read {package}: Permission denied\n")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=2)), min_size=1, max_size=3))
def test_no_damage_to_an_archive_shows_a_traceback(damages: list[tuple[float, bytes]]) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder, "package"), "app.py", "größe.py")
        path = archive(Path(folder, "package.zip"), Path(folder, "package"))
        data = path.read_bytes()
        for where, new in damages:
            data = change(data, int(where * len(data)), new)
        path.write_bytes(data)
        assert main(["check-package", str(path)]) in (1, 2)


# Properties

PARTS = st.sampled_from(["app", "bin", "größe", "lib", "my-code", "v1.2", "__init__"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".py")
SOURCES = st.sampled_from(["", "answer = 42\n", "# coding: latin-1\ntext = 'ü'\n", "async def f():\n    yield\n"])
TREES = st.dictionaries(PATHS, SOURCES, min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(TREES, st.data())
def test_compiled_is_good_and_one_pyc_less_is_not(tree: dict[str, str], data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        for path, text in tree.items():
            write(root, path, text=text)
        compile_all(root)
        with open_package(root) as files:
            assert check(files).passed
        missing = data.draw(st.sampled_from(sorted(tree)))
        pyc(root / missing).unlink()
        with open_package(root) as files:
            report = check(files)
        assert not report.passed
        assert list(report.lines())[-2:] == ["no .pyc for this Python version: 1", f"  {missing}"]


# The recipe

APP = """
from lambda_otel import span, traced_handler

@traced_handler
def handler(event, context):
    with span("work"):
        return "done"
"""

# Runs the handler of the current folder, of which nothing may be compiled.
WITHOUT_COMPILING = """
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

here = str(Path.cwd())
sys.path.insert(0, here)

class Refused(Exception):
    pass

def refuse(loader, data, path, **more):
    if path.startswith(here):
        raise Refused(path)
    return original(loader, data, path, **more)

original, SourceFileLoader.source_to_code = SourceFileLoader.source_to_code, refuse
import app
print(app.handler({}, None))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands were run."""
    folder = tmp_path_factory.mktemp("recipe")
    write(folder, "app.py", text=APP)
    write(folder, "requirements.txt", text=f"{ROOT}\n")
    (recipe,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    done = shell(recipe, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"modules: (\d+)\nvalid \.pyc for Python 3\.\d+: \1 \(\d+\.\d MB\)$", done.stdout, re.MULTILINE)
    return folder


def shell(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}
    return subprocess.run(["sh", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def without_compiling(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", WITHOUT_COMPILING],
        cwd=folder,
        env={"OTEL_TRACES_EXPORTER": "console", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def test_nothing_of_the_archive_is_compiled_at_a_cold_start(built: Path, tmp_path: Path) -> None:
    with ZipFile(built / "function.zip") as file:
        file.extractall(tmp_path)  # loses the times, as they may get lost on the way to Lambda
    done = without_compiling(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "└─ work" in done.stdout
    assert done.stdout.endswith("done\n")
    pyc(tmp_path / "lambda_otel" / "handler.py").unlink()
    assert f"Refused: {tmp_path}/lambda_otel/handler.py" in without_compiling(tmp_path).stderr


def test_the_layer_is_as_good(built: Path, capsys: Capture) -> None:
    (command,) = re.findall(r"^- \*\*Layer\*\*.*?`(python -m zipfile [^`]*)`", PAGE, re.MULTILINE | re.DOTALL)
    assert shell(f"cp -R package python\n{command}", built).returncode == 0
    assert run(capsys, built / "layer.zip")[0] == 0
    with ZipFile(built / "layer.zip") as file:
        assert {name.partition("/")[0] for name in file.namelist()} == {"python"}


def test_compileall_keeps_what_pip_has_compiled_unless_it_is_forced(package: Path, capsys: Capture) -> None:
    compile_all(package, TIMESTAMP)
    compile_all(package, force=False)
    assert "timestamp-based .pyc" in run(capsys, package)[1][2]
    compile_all(package)
    assert run(capsys, package)[0] == 0
