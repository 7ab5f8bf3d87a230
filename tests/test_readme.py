"""What README.md and docs/configuration.md say is so."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import lambda_otel
import lambda_otel.cli
from lambda_otel.config import read

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EVENT = ROOT / "tests" / "events" / "http_api_v2" / "any_route_custom_domain_stage.json"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}$\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def rows(heading: str, page: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    (section,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# The quick start


@contextmanager
def proxy() -> Iterator[tuple[str, list[tuple[str, Mapping[str, str]]]]]:
    """An HTTP proxy that answers every request itself: its URL, and what it was asked for."""
    received: list[tuple[str, Mapping[str, str]]] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append((self.path, self.headers))
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"Tibo")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_the_quick_start_is_one_block_of_at_most_ten_lines() -> None:
    (quick_start,) = blocks("python")
    assert len(quick_start.splitlines()) <= 10
    assert "configure(" not in quick_start


def test_the_quick_start_traces_the_handler_the_function_and_the_endpoint(tmp_path: Path) -> None:
    (quick_start,) = blocks("python")
    (tmp_path / "quick_start.py").write_text(quick_start, encoding="utf-8")
    event = json.loads(EVENT.read_text(encoding="utf-8"))
    event |= {"routeKey": "GET /pets/{id}", "rawPath": "/pets/7", "pathParameters": {"id": "7"}}
    event["requestContext"]["http"]["method"] = "GET"
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    with proxy() as (url, received):
        done = subprocess.run(
            [sys.executable, "-m", "lambda_otel", "invoke", "quick_start.handler", "event.json"],
            cwd=tmp_path,
            env={**os.environ, "http_proxy": url, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"body": "Tibo"' in done.stdout
    (trace_id,) = re.findall(r"^trace (\w+)$", done.stdout, re.MULTILINE)
    tree = re.findall(r"^(\S.*?) +(SERVER|INTERNAL) ", done.stdout, re.MULTILINE)
    assert tree == [("GET /pets/{id}", "SERVER"), ("└─ load_pet", "INTERNAL")]
    ((path, headers),) = received
    assert path == "http://pets.internal/7"
    assert headers["traceparent"].split("-")[1] == trace_id


# The commands


def test_the_commands_are_those_that_the_tests_run_and_that_the_project_has() -> None:
    demo, invoke, tests = (block.strip() for block in blocks("sh"))
    environment, install, run = demo.split(" && ")
    assert environment == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -q '.[examples]'"
    assert run == ".venv/bin/python examples/http_to_s3/demo.py"  # test_examples runs it
    assert demo in (ROOT / "examples" / "http_to_s3" / "README.md").read_text(encoding="utf-8")
    assert invoke == "lambda-otel invoke MODULE.HANDLER EVENT.json"  # as above, by way of `python -m`
    assert os.access(ROOT / tests, os.X_OK)


def test_the_command_is_installed_under_its_name() -> None:
    (command,) = entry_points(group="console_scripts", name="lambda-otel")
    assert command.load() is lambda_otel.cli.main


def test_the_tree_is_that_of_the_demo() -> None:
    (tree,) = blocks("text")
    assert tree.partition("\n")[2] in (ROOT / "examples" / "http_to_s3" / "README.md").read_text(encoding="utf-8")


def test_the_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


# The tables


def test_the_public_names_are_those_of_the_package() -> None:
    names = [name for cells in rows("Public names", README) for name in code(cells[0])]
    assert sorted(names) == sorted(set(lambda_otel.__all__) - {"__version__"})


class Recorder(dict[str, str]):
    """An environment that knows which of its variables were asked for."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def variables_read() -> set[str]:
    environment = Recorder(AWS_LAMBDA_FUNCTION_NAME="my-function")
    read(environment, {})
    return environment.asked


def test_the_variables_are_those_that_are_read() -> None:
    named = [name for cells in rows("Environment variables", CONFIGURATION) for name in code(cells[0])]
    assert len(named) == len(set(named))
    assert set(named) == variables_read()


def test_no_module_reads_a_variable_that_the_settings_do_not() -> None:
    package = Path(lambda_otel.__file__).parent
    nodes = [node for path in package.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    limits = {word for word in words if re.fullmatch("OTEL_.*_LIMIT", word)}  # the SDK reads them, we name them in faults
    assert {word for word in words if re.fullmatch("(OTEL|LAMBDA_OTEL|AWS)_[A-Z_]+", word)} - limits == variables_read() - limits


DEFAULTS = [
    (name, code(cells[1])[0])
    for cells in rows("Environment variables", CONFIGURATION)
    if cells[1].startswith("`")
    for name in code(cells[0])
]


@pytest.mark.parametrize(("name", "default"), DEFAULTS)
def test_a_variable_that_is_set_to_its_default_changes_nothing(name: str, default: str) -> None:
    inside = {"AWS_LAMBDA_FUNCTION_NAME": "my-function"}
    assert vars(read({**inside, name: default}, {})) == vars(read(inside, {}))


def test_the_service_is_named_after_the_function_unless_something_else_is_said() -> None:
    variables = {"AWS_LAMBDA_FUNCTION_NAME": "f"}
    assert read(variables, {}).resource["service.name"] == "f"
    variables["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=a"
    assert read(variables, {}).resource["service.name"] == "a"
    variables["OTEL_SERVICE_NAME"] = "s"
    assert read(variables, {}).resource["service.name"] == "s"


def test_outside_lambda_spans_are_sent_only_if_an_endpoint_or_exporter_is_configured() -> None:
    assert read({}, {}).exporters == ("none",)
    assert read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, {}).exporters == ("otlp",)
    assert read({"OTEL_TRACES_EXPORTER": "console"}, {}).exporters == ("console",)
