"""Managed instances: forked workers, several invocations at a time, no freeze, no kill, no extensions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runtime.lambda_service import Lambda, Result
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"
WORKERS = 3


def managed(endpoint: str, timeout: float = 3.0, workers: int = WORKERS, **variables: str) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}
    return Lambda(
        "life.handler",
        FUNCTIONS,
        environment=environment,
        timeout=timeout,
        initialization="lambda-managed-instances",
        concurrency=workers,
    )


def test_extensions_are_refused_and_every_worker_sends_before_the_answer() -> None:
    with Sink() as sink, managed(sink.endpoint, LAMBDA_OTEL_FLUSH_MODE="async") as function:
        function.init()

        def invoke(_: int) -> Result:
            return function.invoke({"seconds": 0.05})

        with ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(invoke, range(30)))
        assert {result.kind for result in results} == {"response"}
        assert {tuple(result.json()["threads"]) for result in results} == {("lambda_otel-watchdog",)}
        spans = sink.spans
        assert len({span.span_id for span in spans}) == len(spans) == 60, "they arrive with the answers"
        assert {span.attributes["faas.invocation_id"] for span in spans if span.kind == "SERVER"} == {
            result.request_id for result in results
        }
        assert function.log.count("no extension could be registered") == WORKERS, "one line for each process"


def test_a_handler_that_is_too_late_is_sent_before_its_deadline_and_by_the_next_invocation_as_it_ended() -> None:
    with Sink() as sink, managed(sink.endpoint, timeout=0.6, workers=1) as function:
        function.init()
        assert function.invoke({"seconds": 0.9}).kind == "timeout"
        assert [span.attributes.get("error.type") for span in sink.spans] == ["timeout", "timeout"]
        assert function.invoke({}, timeout=3.0).kind == "response"
        late = sink.wait_for(6)[2:4]
        assert [span.status for span in late] == ["UNSET", "UNSET"]
        assert late[1].duration > 0.85
        assert function.environments == 1
