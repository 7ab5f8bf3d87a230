"""Budgets that hold the library's cost, as counts that a busy machine does not change: modules, threads, connections, instructions.

Instructions are counted by valgrind in fresh processes that start as Lambda does, and compared with the same function on the SDK set up
by hand, in the same environment and run. Without valgrind function calls are counted instead, which says less.

Run: tests/run tests/benchmarks/budgets.py
"""

from __future__ import annotations

import ast
import compileall
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
from runtime.sink import Sink

TESTS = Path(__file__).parent.parent
PROBE = TESTS / "benchmarks" / "probe.py"
SUBJECTS = TESTS / "benchmarks" / "subjects"
HTTP = TESTS / "events" / "http_api_v2" / "any_route_custom_domain_stage.json"
IS_OLD = int(version("opentelemetry-api").split(".")[1]) < 36  # then its own imports are a larger part of everybody's cold start
VALGRIND = shutil.which("valgrind")
OFF = {"OTEL_SDK_DISABLED": "true"}

# A full collection would fall into one of two runs that are compared; time-outs are those of a machine that valgrind makes slow.
STEADY = {"WITHOUT_GC": "1", "LAMBDA_OTEL_FLUSH_TIMEOUT": "60000", "OTEL_BSP_SCHEDULE_DELAY": "600000"}

# What the set-up must not load: it would cost more than the tracing itself, or belongs to what is sent otherwise than by default.
UNWANTED = (
    *("asyncio", "boto3", "botocore", "charset_normalizer", "concurrent.futures.thread", "email", "google.protobuf", "http.client"),
    *("importlib.metadata", "opentelemetry.exporter", "opentelemetry.instrumentation", "opentelemetry.proto", "requests", "ssl"),
    *("urllib3", "wrapt"),
)

Case = tuple[str, str, tuple[object, ...], dict[str, str]]


def variables(subject: str, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a function, with nothing of the test's own in it."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SUBJECTS),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "SUBJECT": subject,
        "AWS_LAMBDA_FUNCTION_NAME": "budgets",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",  # as in Lambda, though nobody answers there
        "AWS_REGION": "eu-west-1",
        **more,
    }


def probe(subject: str, mode: str, *arguments: object, **more: str) -> dict[str, Any]:
    """What the probe of the benchmarks says about a subject."""
    command = [sys.executable, str(PROBE), mode, *map(str, arguments)]
    done = subprocess.run(command, env=variables(subject, more), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return ast.literal_eval(done.stdout)


def calls(case: Case) -> int:
    """Function calls in a process."""
    subject, mode, arguments, more = case
    return int(probe(subject, mode, *arguments, COUNT_CALLS="1", **more)["calls"])


def cost(case: Case) -> int:
    """Instructions of a process, or else the function calls in it."""
    subject, mode, arguments, more = case
    if VALGRIND is None:
        return calls(case)
    options = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    command = [VALGRIND, *options, sys.executable, str(PROBE), mode, *map(str, arguments)]
    done = subprocess.run(command, env=variables(subject, more), capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert done.stdout and found, done.stderr
    return int(found[1].replace(",", ""))


def event(folder: Path, name: str, spans: int | None = None, *, sampled: bool = True) -> Path:
    """A file with an HTTP request, perhaps for a function with inner spans, perhaps of a caller that is not sampled."""
    found = json.loads(HTTP.read_text())
    if spans:
        found["spans"] = spans
    if not sampled:
        found["headers"]["traceparent"] = found["headers"]["traceparent"][:-1] + "0"
    path = folder / f"{name}.json"
    path.write_text(json.dumps(found))
    return path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[dict[str, str]]:
    """Where the spans of all functions go."""
    with Sink() as sink:
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}


@pytest.fixture(scope="module")
def costs(endpoint: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """What each thing costs, in instructions or in function calls; processes run side by side, since they are not timed."""
    compileall.compile_dir(SUBJECTS, quiet=1)  # or the first process would
    folder = tmp_path_factory.mktemp("events")
    few, many = event(folder, "few", 20), event(folder, "many", 220)
    warm = {**endpoint, **STEADY}
    cases: dict[str, Case] = {
        **{f"cold {name}": (name, "cold", (), endpoint) for name in ("bare", "base", "ours")},
        **{f"{n} {name}": (name, "invocations", (HTTP, n, 5), warm) for name in ("base", "ours") for n in (5, 25)},
        **{f"{path.stem} {name}": (name, "created", (path,), warm) for name in ("ours", "ours_with") for path in (few, many)},
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(cases, pool.map(cost, cases.values()), strict=True))
    started = {name: counts[f"cold {name}"] - counts["cold bare"] for name in ("base", "ours")}
    invoked = {name: counts[f"25 {name}"] - counts[f"5 {name}"] for name in ("base", "ours")}
    created = {name: counts[f"many {name}"] - counts[f"few {name}"] for name in ("ours_with", "ours")}
    return {
        "cold start": started["ours"] / started["base"],
        "warm invocation": invoked["ours"] / invoked["base"],
        "span": created["ours"] / created["ours_with"],
    }


# A cold start and an invocation as shares of what the SDK by hand adds; an inner span as a share of
# `with tracer.start_as_current_span(...)` with the same attributes on the same provider. Then the same in function calls.
INSTRUCTIONS = {"cold start": 0.53 if IS_OLD else 0.43, "warm invocation": 0.36, "span": 0.92}
CALLS = {"cold start": 0.45 if IS_OLD else 0.35, "warm invocation": 0.46, "span": 0.97}
BUDGETS = INSTRUCTIONS if VALGRIND else CALLS


@pytest.mark.parametrize("what", BUDGETS)
def test_cost_beside_the_sdk_by_hand(costs: dict[str, float], what: str) -> None:
    assert costs[what] <= BUDGETS[what], f"{what}: {costs[what]:.3f} of the SDK by hand"


def test_a_span_that_is_not_recorded_is_nearly_free(endpoint: dict[str, str], tmp_path: Path) -> None:
    recorded, unsampled, off = (
        calls((name, "created", (event(tmp_path, "many", 220, sampled=sampled),), more))
        - calls((name, "created", (event(tmp_path, "few", 20, sampled=sampled),), more))
        for name, sampled, more in (("ours_with", True, endpoint), ("ours", False, endpoint), ("ours", True, {**endpoint, **OFF}))
    )
    assert unsampled <= 0.13 * recorded, f"parent not sampled: {unsampled / recorded:.3f} of a recorded span"
    assert off <= 0.04 * recorded, f"disabled: {off / recorded:.3f} of a recorded span"


def test_modules_that_the_set_up_loads() -> None:
    modules, of_the_sdk = (set(probe(name, "loaded")["modules"]) for name in ("ours", "floor"))
    added = modules - of_the_sdk
    assert added.isdisjoint(UNWANTED), added.intersection(UNWANTED)
    assert len(added) <= 75, f"{len(added)} beside the {len(of_the_sdk)} of the SDK's provider: {sorted(added)}"
    assert len(modules) <= 265 or IS_OLD, len(modules)


def test_one_thread_runs_beside_the_handler_and_only_to_see_its_deadline() -> None:
    assert probe("ours", "loaded")["threads"] == []
    with Sink() as sink:
        threads, without_watchdog = (
            probe("ours", "invocations", HTTP, 3, 1, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **more)["threads"]
            for more in ({}, {"LAMBDA_OTEL_TIMEOUT_MARGIN": "0"})
        )
    assert (threads, without_watchdog) == (["lambda_otel-watchdog"], [])


def test_one_connection_serves_all_invocations() -> None:
    with Sink() as sink:
        probe("ours", "invocations", HTTP, 20, 1, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        assert (len(sink.requests), sink.connections) == (21, 1)


def test_an_unsampled_invocation_sends_nothing(tmp_path: Path) -> None:
    with Sink() as sink:
        request = event(tmp_path, "unsampled", sampled=False)
        probe("ours", "invocations", request, 5, 1, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        assert (sink.requests, sink.connections) == ([], 0)


def test_memory_that_a_span_holds_until_it_is_sent(endpoint: dict[str, str], tmp_path: Path) -> None:
    request = event(tmp_path, "spans", 400)
    ours, base = (probe(name, "memory", request, 4, 0, **endpoint) for name in ("ours_with", "base"))
    assert min(ours["blocks"]) <= 1.06 * min(base["blocks"]), (ours, base)
    assert min(ours["held"]) <= 1.06 * min(base["held"]), (ours, base)


def test_the_package_is_small_and_needs_four_others(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, TESTS.parent], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size <= 120 * 1024, wheel.stat().st_size
    needed = [re.split(r"[<>=!~ ;]", line)[0] for line in requires("lambda-otel") or () if "extra ==" not in line]
    assert sorted(needed) == [
        "opentelemetry-api",
        "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry-propagator-aws-xray",
        "opentelemetry-sdk",
    ]
