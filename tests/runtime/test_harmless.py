"""Nothing of the function changes because it is traced."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context as otel_context

from lambda_otel import configure, flush, span, traced_handler
from lambda_otel.export import Breaker
from lambda_otel.state import state
from runtime.lambda_service import Lambda
from runtime.sink import Mode, Sink

FUNCTIONS = Path(__file__).parent / "functions"
EVENTS = Path(__file__).parent.parent / "events"


def function(handler: str, endpoint: str, **variables: str) -> Lambda:
    return Lambda(handler, FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables})


# Faults of the configuration

FAULTS = [
    # variable, value, whether spans are sent, a word of the line
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense", False, "must start with http"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:99999", False, "valid host and port"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "api-key", True, "key=value"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "api key=secret", True, "name of a header"),
    ("OTEL_PROPAGATORS", "tracecontext,pigeon", True, "pigeon"),
    ("OTEL_TRACES_SAMPLER", "dice", True, "dice"),
    ("OTEL_TRACES_EXPORTER", "pigeon", False, "pigeon"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "pigeon", True, "gzip"),
    ("LAMBDA_OTEL_FLUSH_TIMEOUT", "soon", True, "milliseconds"),
    ("LAMBDA_OTEL_FLUSH_MODE", "later", True, "sync, async"),
    ("LAMBDA_OTEL_TIMEOUT_MARGIN", "-1", True, "milliseconds"),
]


@pytest.mark.parametrize(("variable", "value", "sent", "word"), FAULTS, ids=lambda value: str(value)[:30])
def test_a_setting_that_cannot_be_used_is_said_in_one_line(variable: str, value: str, sent: bool, word: str) -> None:
    with (
        Sink() as sink,
        Lambda("life.handler", FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, variable: value}) as found,
    ):
        for _ in range(2):
            assert found.invoke({}).kind == "response"
        lines = [line for line in found.log.splitlines() if line]
        assert len(lines) == 1, found.log
        assert variable in lines[0] and word in lines[0] and "secret" not in lines[0]
        assert len(sink.spans) == (4 if sent else 0)


# Environments


def test_a_long_initialisation_is_part_of_no_span() -> None:
    with Sink() as sink, function("life.handler", sink.endpoint, INIT_SECONDS="1") as cold:
        for _ in range(2):
            cold.invoke({})
        found = [span for span in sink.spans if span.kind == "SERVER"]
        assert [span.attributes["faas.coldstart"] for span in found] == [True, False]
        assert max(span.duration for span in found) < 0.5


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_each_invocation_of_a_durable_function_has_a_span_and_a_suspension_is_no_error(place: str) -> None:
    with Sink() as sink, function(f"durable.{place}", sink.endpoint) as durable:
        statuses = [durable.invoke({"done": done}).json()["Status"] for done in (False, False, True)]
        assert statuses == ["PENDING", "PENDING", "SUCCEEDED"]
        invocations = [span for span in sink.spans if span.kind == "SERVER"]
        assert len({span.attributes["faas.invocation_id"] for span in invocations}) == len(invocations) == 3
        assert {span.status for span in sink.spans} == {"UNSET"}
        assert all(span.events == [] and "error.type" not in span.attributes for span in sink.spans)


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_work_in_threads_and_tasks_belongs_to_the_span_that_started_it(kind: str) -> None:
    with Sink() as sink, function(f"pooled.{kind}", sink.endpoint) as pooled:
        for _ in range(3):
            assert pooled.invoke({}).json() == (list(range(0, 16, 2)) if kind == "threads" else [0, 2, 4, 14])
        fans = {span.span_id: span.trace_id for span in sink.spans if span.name == "fan out"}
        work = [span for span in sink.spans if span.name in ("load", "fetch")]
        assert (len(fans), len(work)) == (3, 24 if kind == "threads" else 12)
        assert all(fans[span.parent_id] == span.trace_id for span in work)


def test_a_thousand_spans_of_one_invocation_arrive_whole() -> None:
    with Sink() as sink, function("orders.handler", sink.endpoint) as orders:
        for count in (1, 2):
            result = orders.invoke({"spans": 998})
            assert result.kind == "response"
            assert len({span.span_id for span in sink.spans}) == len(sink.spans) == 1000 * count
            root = next(span for span in sink.spans if span.attributes.get("faas.invocation_id") == result.request_id)
            names = [span.name for span in sink.spans if span.parent_id == root.span_id]
            assert sorted(names) == sorted(["work", *(f"item {number}" for number in range(998))])


# The function's memory


@pytest.fixture
def threads_are_not_traced() -> Iterator[None]:
    """Coverage keeps something of every thread that it has traced, and an exporter of the SDK is called in one each time."""
    trace = threading.gettrace()
    threading.settrace(None)  # type: ignore[arg-type]
    yield
    threading.settrace(trace)  # type: ignore[arg-type]


@pytest.mark.usefixtures("threads_are_not_traced")
def test_memory_does_not_grow_over_ten_thousand_invocations(lambda_context: Any) -> None:
    success = SimpleNamespace(name="SUCCESS")

    class Exporter:
        def export(self, spans: Any) -> Any:
            return success

        def shutdown(self) -> None: ...

    configure(exporters=(Exporter(),))  # type: ignore[arg-type]

    @traced_handler
    def handler(event: Any, context: Any) -> None:
        with span("work"):
            pass

    def run(times: int) -> int:
        for number in range(times):
            lambda_context.aws_request_id = str(number)
            handler({}, lambda_context)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    run(500)
    tracemalloc.start(1)
    try:
        before = run(500)
        assert run(1000) - before < 50_000
    finally:
        tracemalloc.stop()
    resident = resident_bytes()
    run(8000)
    assert resident_bytes() - resident < 4_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Whatever comes

INVOCATIONS = 500  # of each of the processes below
PROCESSES = 20


class HalfContext:
    """A test double that knows half."""

    aws_request_id = "7"
    invoked_function_arn = "arn:aws:lambda"


class HostileContext:
    """A context that is none."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Wicked:
    """An exporter that does anything but export."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def export(self, spans: Any) -> Any:
        what = self._chance.randrange(5)
        if what == 0:
            raise ValueError("broken")
        if what == 1:
            raise SystemExit(3)
        if what == 2:
            time.sleep(0.004)
        return [None, 7, "SUCCESS", type("Result", (), {"name": "FAILURE"})][self._chance.randrange(4)]

    def shutdown(self) -> None:
        raise ValueError("broken")


class Suspended(BaseException):
    """Neither an error nor a result."""


def results() -> list[Any]:
    return [
        None,
        {},
        {"statusCode": 500},
        {"statusCode": "5oo"},
        [1],
        "text",
        7,
        float("nan"),
        object(),
        {"batchItemFailures": [None]},
        {1, 2},
    ]


def errors() -> list[BaseException]:
    chained = KeyError("price")
    chained.__cause__ = ValueError("inner")
    return [
        ValueError("no stock"),
        chained,
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
        Suspended(),
        OSError(5, "x"),
    ]


def events() -> list[Any]:
    found = [json.loads(path.read_text()) for path in sorted(EVENTS.glob("*/*.json")) if not path.name.endswith(".expected.json")]
    odd = [
        None,
        [],
        "text",
        7,
        {"Records": [None]},
        {"Records": None},
        {"requestContext": ""},
        {"Records": [{"eventSource": "aws:sqs"}], "headers": 7},
    ]
    return [*found, *odd]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backend in trouble is tried again at once, and nothing is left for the exit."""
    monkeypatch.setattr(Breaker, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(Breaker, "LONGEST_PAUSE", 0.05)
    yield
    if state.telemetry and state.telemetry.provider:
        state.telemetry.provider.shutdown()


def outcome_of(handler: Callable[[Any, Any], Any], event: Any, context: Any) -> tuple[str, Any]:
    try:
        return "returned", handler(event, context)
    except BaseException as error:
        return "raised", error


@pytest.mark.parametrize("seed", range(PROCESSES))
def test_the_outcome_is_that_of_the_bare_handler_whatever_comes(seed: int, lambda_context: Any, impatient: None) -> None:
    chance = random.Random(seed)
    modes: list[Mode] = ["ok", "ok", "503", "429", "404", "redirect", "hang", "reset", "close", "slow", "drip", "partial", "forgetful"]
    with Sink(delay=0.02, drip_interval=0.001, retry_after=0) as sink:
        if seed % 4 == 3:
            configure(exporters=(Wicked(chance),), flush_timeout=0.002)  # type: ignore[arg-type]
        else:
            configure(endpoint=sink.endpoint + "/v1/traces", flush_timeout=0.003)
        cases, contexts = events(), [lambda_context, None, HalfContext(), HostileContext(), 7]
        plan: list[tuple[str, Any]] = []

        def bare(event: Any, context: Any) -> Any:
            with span("work"):
                kind, what = plan[-1]
                if kind == "raised":
                    raise what
            return what

        async def bare_async(event: Any, context: Any) -> Any:
            await asyncio.sleep(0)
            return bare(event, context)

        handlers = [
            traced_handler(bare),
            traced_handler(name="named")(bare),
            traced_handler(traced_handler(bare)),
            traced_handler(bare_async),
        ]
        for _ in range(INVOCATIONS):
            sink.mode = chance.choice(modes)
            kind = chance.choice(["returned", "raised"])
            plan.append((kind, chance.choice(results() if kind == "returned" else errors())))
            handler = chance.choice(handlers)
            if kind == "raised" and handler is handlers[3] and not isinstance(plan[-1][1], Exception):
                handler = handlers[0]  # asyncio itself treats these in its own ways
            number = chance.randrange(len(cases))
            before = copy.deepcopy(cases[number])
            found_kind, found = outcome_of(handler, cases[number], chance.choice(contexts))
            assert (found_kind, found is plan[-1][1]) == (*plan[-1][:1], True), (found_kind, found, plan[-1])
            if isinstance(found, BaseException):
                assert found.__cause__ is plan[-1][1].__cause__ and found.__context__ is None
            assert cases[number] == before
            assert otel_context.get_current() == {}
        if seed % 4 != 3 and not sink.requests:  # a busy machine does not even connect in so little time
            sink.mode = "ok"
            flush(5.0)
        assert bool(sink.requests) == (seed % 4 != 3)
