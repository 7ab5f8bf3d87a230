"""Who imports whom, and what `import lambda_otel` costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lambda_otel

PACKAGE = Path(lambda_otel.__file__).parent
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}
KNOW_THE_SDK = {"console", "export", "ids", "invoke", "otlp", "protobuf", "sdk", "unfinished"}

# What an import of the package may load of it. Whatever else is wanted is imported where it is used.
LOADED = {
    "lambda_otel",
    *(
        f"lambda_otel.{name}"
        for name in ("_version", "call", "config", "environment", "resource", "variables", "extract", "functions", "generators", "handler")
    ),
    *(
        f"lambda_otel.{name}"
        for name in ("inject", "inject_payload", "invocation", "lifecycle", "outcome", "propagation", "provider", "record", "recording")
    ),
    *(f"lambda_otel.{name}" for name in ("semconv", "sources", "span_builder", "spans", "state", "termination", "traceparent", "watchdog")),
    *(f"lambda_otel.sources.{name.removeprefix('sources.')}" for name in MODULES if name.startswith("sources.") and "__init__" not in name),
}
HEAVY = (
    *("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "opentelemetry.instrumentation", "google.protobuf"),
    *("asyncio", "boto3", "botocore", "http.client", "importlib.metadata", "requests", "ssl", "urllib3", "wrapt"),
)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes(tree: ast.AST, *, types_too: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if types_too or not is_type_checking(node):
            yield node
            yield from nodes(node, types_too=types_too)


def imports(module: str, *, types_too: bool) -> Iterator[str]:
    """Dotted names of what a module imports at any level, names imported from modules included."""
    for node in nodes(ast.parse(MODULES[module].read_text()), types_too=types_too):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def under(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_only_these_modules_know_the_sdk() -> None:
    sdk = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto")
    found = {module for module in MODULES if any(under(name, *sdk) for name in imports(module, types_too=False))}
    assert found == KNOW_THE_SDK


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("sources") or name in ("semconv", "outcome", "config")])
def test_pure_modules_import_nothing_of_opentelemetry_or_aws(module: str) -> None:
    assert not [name for name in imports(module, types_too=True) if under(name, "opentelemetry", "boto3", "botocore")]


@pytest.mark.parametrize("module", MODULES)
def test_module_uses_only_what_opentelemetry_makes_public(module: str) -> None:
    private = [
        name
        for name in imports(module, types_too=True)
        if under(name, "opentelemetry") and any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    ]
    assert private == []


@pytest.mark.parametrize("module", MODULES)
def test_module_reaches_for_private_attributes_of_nothing_but_itself(module: str) -> None:
    private = [
        ast.unparse(node)
        for node in nodes(ast.parse(MODULES[module].read_text()), types_too=True)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in ("_exit", "_replace")  # of `os` and named tuples, public in spite of their names
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    assert private == []


def in_fresh_interpreter(code: str) -> Any:
    """What a program prints, as JSON, in an interpreter that has imported nothing before."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return json.loads(done.stdout)


def loaded_by(*modules: str) -> set[str]:
    """The modules that an import of these loads."""
    return set(in_fresh_interpreter(f"import sys, json, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"))


def test_import_loads_these_modules_and_nothing_heavy() -> None:
    loaded = loaded_by("lambda_otel")
    assert {name for name in loaded if under(name, "lambda_otel")} == LOADED
    # Old releases of the API load heavy modules themselves.
    api = loaded_by("opentelemetry.trace.propagation.tracecontext", "opentelemetry.baggage.propagation")
    assert [name for name in loaded - api if under(name, *HEAVY)] == []


def test_import_reads_no_environment_starts_no_thread_and_changes_nothing() -> None:
    code = """
import json, logging, os, sys, threading
import lambda_otel  # so that what others read is read before
for name in [name for name in sys.modules if name.partition(".")[0] == "lambda_otel"]:
    del sys.modules[name]
asked = []
class Environ(dict):
    def __getitem__(self, name): asked.append(name); return super().__getitem__(name)
    def __contains__(self, name): asked.append(name); return super().__contains__(name)
    def __iter__(self): asked.append("*"); return super().__iter__()
    def get(self, name, default=None): asked.append(name); return super().get(name, default)
    def items(self): asked.append("*"); return super().items()
    def copy(self): asked.append("*"); return super().copy()
os.environ = Environ(os.environ)
os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "my-function"
started = []
threading.Thread.start = lambda thread: started.append(thread.name)
import lambda_otel
from opentelemetry import trace
assert lambda_otel.__name__ in sys.modules
print(json.dumps({
    "asked": list(asked),
    "started": started,
    "handlers": len(logging.getLogger("lambda_otel").handlers) + len(logging.getLogger().handlers),
    "provider": type(trace.get_tracer_provider()).__name__,
}))
"""
    assert in_fresh_interpreter(code) == {"asked": [], "started": [], "handlers": 0, "provider": "ProxyTracerProvider"}


def test_public_names_are_these() -> None:
    assert sorted(lambda_otel.__all__) == lambda_otel.__all__
    assert all(hasattr(lambda_otel, name) for name in lambda_otel.__all__)
