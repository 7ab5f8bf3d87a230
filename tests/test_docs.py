"""The pages in `docs/` say what the code does: their tables are generated, their code runs."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def load(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path) -> list[str]:
    """The Python code of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_tables_of_sources_are_up_to_date() -> None:
    page = DOCS / "sources.md"
    assert load(DOCS / "generate_sources.py").generate(page.read_text()) == page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        script = tmp_path / f"block_{number}.py"
        script.write_text(block)
        subprocess.run([sys.executable, "-W", "error", script], check=True, cwd=tmp_path, timeout=30)


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "README.md", DOCS.parent / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_between_pages_hold(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_own_source_of_the_documentation_works(spans, lambda_context) -> None:
    (block,) = [block for block in blocks(DOCS / "sources.md") if "EventSource(" in block]
    assert len(block.splitlines()) <= 30
    scope: dict = {"__name__": "app"}
    exec(block, scope)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    scope["handler"]({"specversion": "1.0", "ordertype": "refund", "traceparent": traceparent}, lambda_context)
    span = spans.named("order refund")
    assert span.attributes["app.order.type"] == "refund"
    assert span.attributes["faas.trigger"] == "pubsub"
    assert span.parent.span_id == 0xB7AD6B7169203331
