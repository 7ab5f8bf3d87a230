"""The end of an environment: what was still kept is sent where the runtime hears of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from runtime.lambda_service import Lambda
from runtime.sink import Sink

FUNCTIONS = Path(__file__).parent / "functions"
ASYNC = {"LAMBDA_OTEL_FLUSH_MODE": "async"}
HEARD = sys.version_info >= (3, 12)  # before, the runtime waits for an event in C code, where no handler of Python runs


def life(endpoint: str, *, refuse_extensions: bool = False, **variables: str) -> Lambda:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **ASYNC, **variables}
    return Lambda("life.handler", FUNCTIONS, environment=environment, refuse_extensions=refuse_extensions)


def test_what_was_kept_is_sent_at_the_end() -> None:
    with Sink("503") as sink, life(sink.endpoint) as function:
        function.invoke({})
        sink.mode = "ok"
        begin = time.monotonic()
        function.shutdown()
        assert time.monotonic() - begin < 0.45, "it ends as soon as it can"
        assert len(sink.spans) == (2 if HEARD else 0)


def test_the_functions_own_handler_runs_after_it() -> None:
    with Sink("503") as sink, life(sink.endpoint, TERMINATED="goodbye") as function:
        function.invoke({})
        sink.mode = "ok"
        function.shutdown()
        assert len(sink.spans) == (2 if HEARD else 0)
        assert function.log.endswith("goodbye\n") == HEARD


@pytest.mark.skipif(not HEARD, reason="the runtime hears SIGTERM from Python 3.12 on")
def test_a_backend_that_hangs_leaves_time_for_the_functions_own_handler() -> None:
    with Sink("hang") as sink, life(sink.endpoint, TERMINATED="goodbye") as function:
        function.invoke({})
        function.shutdown()
        assert function.log.endswith("goodbye\n")


def test_an_environment_without_extensions_ends_without_a_word() -> None:
    with Sink("503") as sink, life(sink.endpoint, refuse_extensions=True, TERMINATED="goodbye") as function:
        function.invoke({})
        sink.mode = "ok"
        function.shutdown()
        assert sink.spans == []
        assert "goodbye" not in function.log


def test_an_environment_that_was_never_invoked_ends_at_once() -> None:
    with Sink() as sink, life(sink.endpoint) as function:
        function.init()
        begin = time.monotonic()
        function.shutdown()
        assert time.monotonic() - begin < 0.45
