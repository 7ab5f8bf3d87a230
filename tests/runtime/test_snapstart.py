"""Snapshots and their clones: nothing of the original is used twice."""

from __future__ import annotations

import time
from pathlib import Path

from runtime.lambda_service import Lambda
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"


def restored(handler: str, endpoint: str, **variables: str) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}
    return Lambda(handler, FUNCTIONS, environment=environment, initialization="snap-start")


def test_a_restored_environment_sends_on_a_connection_of_its_own() -> None:
    with Sink() as sink, restored("warm.handler", sink.endpoint) as function:
        function.init()
        assert [span.name for span in sink.spans] == ["load the model"], "what INIT did is sent before the snapshot"
        sink.drop_connections()
        function.restore()
        for _ in range(2):
            assert function.invoke({}).json() == ["before", "after"]
        assert [span.name for span in sink.spans] == ["load the model", "test-function", "test-function"]
        assert [request.connection for request in sink.requests] == [1, 2, 2]
        assert [span.attributes["faas.coldstart"] for span in sink.spans[1:]] == [False, False]
        assert all("faas.instance" not in span.resource and "aws.log.stream.names" not in span.resource for span in sink.spans)
        assert len({span.trace_id for span in sink.spans}) == 3


def test_a_backend_in_trouble_costs_neither_the_snapshot_nor_the_restore() -> None:
    with Sink("hang") as sink, restored("warm.handler", sink.endpoint) as function:
        assert function.init() < 8
        assert function.restore() < 1
        sink.mode = "ok"
        assert function.invoke({}).kind == "response"
        assert [span.name for span in sink.wait_for(1)] == ["test-function"], "each clone would send the others again"
        assert function.environments == 1


def test_spans_are_sent_after_the_answer_in_a_restored_environment_too() -> None:
    with Sink() as sink, restored("life.handler", sink.endpoint, LAMBDA_OTEL_FLUSH_MODE="async") as function:
        function.init()
        time.sleep(0.3)
        function.restore()
        sink.mode, sink.delay = "slow", 0.3
        for count in range(1, 3):
            result = function.invoke({})
            assert result.answered_after is not None and result.answered_after < 0.25
            assert len(sink.spans) == 2 * count
