"""Kinds of execution environments: managed instances, provisioned concurrency, snapshots, forks; ids stay unique."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.lambda_service import Initialization, Lambda, Result
from runtime.received import spans_of
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"


def invocations(sink: Sink) -> dict[str, bool]:
    """Whether each invocation was a cold start, by request id."""
    return {span.attributes["faas.invocation_id"]: span.attributes["faas.coldstart"] for span in sink.spans if span.kind == "SERVER"}


@pytest.mark.parametrize("concurrency", [2, 3])
def test_managed_instances_lose_nothing_and_have_no_cold_start(concurrency: int) -> None:
    with (
        Sink() as sink,
        Lambda(
            "orders.handler",
            FUNCTIONS,
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "SEED": "7"},
            initialization="lambda-managed-instances",
            concurrency=concurrency,
        ) as function,
    ):
        function.init()

        def invoke(order: int) -> Result:
            return function.invoke({"order": order, "sleep": 0.05})

        with ThreadPoolExecutor(concurrency) as pool:
            results = list(pool.map(invoke, range(24)))
        spans = sink.wait_for(48)
    assert [result.json()["order"] for result in results] == list(range(24))
    assert len({result.json()["pid"] for result in results}) == concurrency
    assert invocations(sink) == {result.request_id: False for result in results}
    assert len(spans) == len({span.span_id for span in spans}) == 48
    assert len({span.trace_id for span in spans}) == 24
    assert sink.connections == concurrency


@pytest.mark.parametrize("initialization", ["provisioned-concurrency", "snap-start"])
def test_what_was_initialised_ahead_has_no_cold_start(initialization: Initialization) -> None:
    with (
        Sink() as sink,
        Lambda(
            "orders.handler",
            FUNCTIONS,
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint},
            initialization=initialization,
        ) as function,
    ):
        function.init()
        results = [function.invoke({"order": order}) for order in range(2)]
        assert [result.kind for result in results] == ["response"] * 2
        assert invocations(sink) == {result.request_id: False for result in results}
        assert len(sink.spans) == 4
        has_log_stream = "faas.instance" in sink.spans[0].resource
        assert has_log_stream == (initialization != "snap-start"), "a snapshot knows no log stream"


def test_a_seed_in_the_functions_module_repeats_no_ids() -> None:
    with Sink() as sink:
        for _ in range(2):
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "SEED": "7"}
            with Lambda("orders.handler", FUNCTIONS, environment=variables) as function:
                for order in range(2):
                    assert function.invoke({"order": order}).kind == "response"
    assert len(sink.spans) == 8
    assert len({span.trace_id for span in sink.spans}) == 4
    assert len({span.span_id for span in sink.spans}) == 8


def test_clones_of_a_snapshot_have_ids_of_their_own() -> None:
    with (
        Sink() as sink,
        Lambda(
            "clone.handler",
            FUNCTIONS,
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint},
            initialization="snap-start",
        ) as function,
    ):
        result = function.invoke({})
        assert result.kind == "response", function.log
        one, other = result.json()["own"].split(), result.json()["other"].split()
        assert sorted((span.trace_id, span.span_id) for span in sink.spans) == sorted((tuple(one), tuple(other)))
    assert one[0] != other[0], "two clones have made the same trace id"
    assert one[1] != other[1]


@pytest.mark.parametrize("flush", [False, True])
def test_a_forked_process_takes_nothing_from_its_parent(flush: bool) -> None:
    with (
        Sink() as sink,
        Lambda("forking.handler", FUNCTIONS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}) as function,
    ):
        results = [function.invoke({"flush": flush}) for _ in range(3)]
        assert [result.kind for result in results] == ["response"] * 3, function.log
        children = [result.json()["child"].split() for result in results]
        spans = [span.span_id for span in sink.spans]
        by_connection = {span.span_id: request.connection for request in sink.requests for span in spans_of(request.export)}
    assert len(set(spans)) == len(spans), "spans of the parent have been sent by the child as well"
    assert len(spans) == 3 * (4 if flush else 3)
    assert set(invocations(sink)) == {result.request_id for result in results}
    if flush:
        assert {answer for _, answer in children} == {"True"}
        assert {span_id for span_id, _ in children} <= set(spans)
        of_parent = {by_connection[span.span_id] for span in sink.spans if span.kind == "SERVER"}
        assert of_parent.isdisjoint(by_connection[span_id] for span_id, _ in children)
    else:
        assert not {span_id for (span_id,) in children} & set(spans)
