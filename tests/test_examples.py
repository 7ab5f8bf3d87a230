"""The examples run as their pages say, and their templates name what exists."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambda_otel.sources import UNKNOWN, recognize

EXAMPLES = Path(__file__).parents[1] / "examples"
HTTP_TO_S3 = EXAMPLES / "http_to_s3"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/app.py"))
folders = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", HTTP_TO_S3 / "demo.py"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def tree(output: str) -> list[tuple[int, str, str]]:
    """Depth, name and kind of each span of a printed trace, of which there must be one."""
    assert len(re.findall(r"^trace [0-9a-f]{32}$", output, re.MULTILINE)) == 1, output
    rows = re.findall(r"^([│├└─ ]*)(\S.*?) +(SERVER|CLIENT|INTERNAL|CONSUMER|PRODUCER) +[\d.]+ (?:µs|ms|s) ", output, re.MULTILINE)
    return [(len(branch) // 3, name, kind) for branch, name, kind in rows]


def test_the_demo_prints_one_trace_and_its_endpoint_is_part_of_it() -> None:
    done = demo()
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(done.stdout) == [
        (0, "PUT /forecasts/{city}", "SERVER"),
        (1, "fetch", "INTERNAL"),
        (2, "GET", "CLIENT"),
        (1, "save", "INTERNAL"),
        (2, "S3.PutObject", "CLIENT"),
    ]
    (trace_id,) = re.findall(r"^trace (\w+)$", done.stdout, re.MULTILINE)
    assert "S3 holds forecasts/berlin.json\n" in done.stdout
    assert re.search(rf"^The endpoint received traceparent 00-{trace_id}-\w+-\w+: the span GET of this trace\.$", done.stdout, re.MULTILINE)


def test_inject_http_alone_carries_the_context_where_the_client_is_not_instrumented() -> None:
    done = demo(OTEL_PYTHON_REQUESTS_EXCLUDED_URLS="127.0.0.1")
    assert done.returncode == 0
    assert ("GET", "CLIENT") not in [row[1:] for row in tree(done.stdout)]
    assert re.search(r"^The endpoint received traceparent \S+: the span fetch of this trace\.$", done.stdout, re.MULTILINE)


def test_the_demo_fails_when_the_endpoint_is_not_part_of_the_trace() -> None:
    done = demo(OTEL_SDK_DISABLED="true")
    assert done.returncode == 1
    assert "which is not of this trace" in done.stdout


def test_the_demo_runs_where_the_output_cannot_show_the_tree() -> None:
    done = demo(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "? GET " in done.stdout


def test_the_page_shows_the_tree_that_the_demo_prints() -> None:
    page = (HTTP_TO_S3 / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^[│├└─ ]*(\S.*?) {2,}(?:SERVER|CLIENT|INTERNAL)", page, re.MULTILINE)
    assert shown == ["PUT /forecasts/{city}", "fetch", "GET", "save", "S3.PutObject"]


class Template(yaml.SafeLoader):
    """Reads CloudFormation templates; a tagged value such as `!Ref Bucket` becomes a tuple of tag and value."""


Template.add_multi_constructor("!", lambda loader, tag, node: (tag, loader.construct_scalar(node)))


def template(folder: Path) -> Any:
    return yaml.load((folder / "template.yaml").read_text(encoding="utf-8"), Template)


def functions(folder: Path) -> list[Any]:
    found = [resource["Properties"] for resource in template(folder)["Resources"].values() if resource["Type"].endswith("::Function")]
    assert found
    return found


def syntax(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def variables_read(path: Path) -> set[str]:
    """The names in `os.environ["..."]`."""
    return {
        node.slice.value
        for node in syntax(path)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" and isinstance(node.slice, ast.Constant)
    }


@folders
def test_the_handler_of_the_template_exists(folder: Path) -> None:
    for function in functions(folder):
        module, _, name = function["Handler"].rpartition(".")
        source = folder / function["CodeUri"] / f"{module}.py"
        assert name in [node.name for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]


@folders
def test_the_template_sets_the_variables_that_the_function_reads(folder: Path) -> None:
    (function,) = functions(folder)
    assert variables_read(folder / "app.py") <= set(function["Environment"]["Variables"])


@folders
def test_the_event_is_of_a_known_source(folder: Path) -> None:
    event = json.loads((folder / "event.json").read_text(encoding="utf-8"))
    assert recognize(event)[0] is not UNKNOWN


def test_the_event_is_one_of_the_route_in_the_template() -> None:
    (function,) = functions(HTTP_TO_S3)
    (route,) = [event["Properties"] for event in function["Events"].values()]
    event = json.loads((HTTP_TO_S3 / "event.json").read_text(encoding="utf-8"))
    assert event["routeKey"] == event["requestContext"]["routeKey"] == f"{route['Method']} {route['Path']}"


def test_the_function_may_write_its_files_and_nothing_else() -> None:
    (function,) = functions(HTTP_TO_S3)
    (policy,) = function["Policies"]
    assert policy["Statement"] == [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": ("Sub", "${Forecasts.Arn}/forecasts/*")},
    ]


def test_the_demo_sets_the_values_of_the_template() -> None:
    (function,) = functions(HTTP_TO_S3)
    fixed = {name: value for name, value in function["Environment"]["Variables"].items() if isinstance(value, str)}
    pairs = {
        (key.value, value.value)
        for node in syntax(HTTP_TO_S3 / "demo.py")
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    }
    assert fixed
    assert set(fixed.items()) <= pairs


def test_the_page_names_the_variables_of_the_template() -> None:
    (function,) = functions(HTTP_TO_S3)
    page = (HTTP_TO_S3 / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(function["Environment"]["Variables"])


def test_the_requirements_are_among_those_of_the_extra_examples() -> None:
    lines = (HTTP_TO_S3 / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if not line.startswith(("#", "--"))}
    project = (EXAMPLES.parent / "pyproject.toml").read_text(encoding="utf-8")
    (extra,) = re.findall(r"^examples = \[$(.*?)^\]$", project, re.MULTILINE | re.DOTALL)
    assert wanted - {"lambda-otel"}
    assert wanted <= {"lambda-otel", *re.findall(r'"([\w-]+)', extra)}
