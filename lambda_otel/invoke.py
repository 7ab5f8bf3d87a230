"""`lambda-otel invoke`: runs a handler on events as Lambda would, and prints its answers and the traces."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from .console import show
from .provider import configure, flush, telemetry
from .state import state
from .usage import UsageError

REGION = "us-east-1"
_ACCOUNT = "123456789012"


class LocalContext:
    """A Lambda context with realistic values.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, function_name: str, timeout: float) -> None:
        self.function_name = function_name
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{_ACCOUNT}:function:{function_name}"
        self.memory_limit_in_mb = "128"
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = time.strftime("%Y/%m/%d/[$LATEST]") + uuid.uuid4().hex
        self.identity = None
        self.client_context = None
        self.tenant_id = None
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time-out."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)


class Collector(SpanProcessor):
    """Keeps ended spans until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps the span."""
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """The spans that have ended since the last call."""
        taken, self._spans = self._spans, []
        return taken


def invoke(handler: Callable[..., Any], events: Sequence[Any], function_name: str, timeout: float = 30.0) -> int:
    """Runs a handler on one event after the other and prints each answer and its trace.

    Args:
        handler: Sync or async.
        events: One invocation each, the first one cold.
        function_name: Name of the function in the Lambda context.
        timeout: Seconds that the context says are left.

    Returns:
        0, or 1 when an invocation raised.
    """
    collector = collect_spans()
    status = 0
    for event in events:
        try:
            answer = handler(event, LocalContext(function_name, timeout))
            if inspect.isawaitable(answer):
                answer = asyncio.run(_wait_for(answer))
            print(json.dumps(answer, indent=2, default=str))
        except BaseException:  # whatever ends the handler, also `sys.exit`
            status = 1
            traceback.print_exc()
        flush()
        _print_trace(collector.take())
    return status


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def _print_trace(spans: list[ReadableSpan]) -> None:
    if spans:
        print()
        show(spans, sys.stdout)
    else:
        print("\n(no spans: is the handler decorated with @traced_handler, is tracing on, and is the trace sampled?)\n")


def collect_spans() -> Collector:
    """Sees to it that spans are recorded in this process, and collects them."""
    if "exporters" not in state.overrides and state.settings.exporters == ("none",):
        configure(exporters=())
    telemetry()
    collector = Collector()
    add_processor = getattr(trace.get_tracer_provider(), "add_span_processor", None)
    if callable(add_processor):
        add_processor(collector)
    return collector


def load_handler(path: str) -> Callable[..., Any]:
    """The handler that a path names as Lambda's own setting does: `module.handler`, with slashes or dots between packages.

    Raises:
        UsageError: It cannot be imported.
    """
    module_name, _, name = path.replace("/", ".").rpartition(".")
    if not module_name:
        raise UsageError(f"{path!r} is not of the form MODULE.HANDLER")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"cannot import {module_name!r}: {type(error).__name__}: {_first_line(error)}") from error
    handler = getattr(module, name, None)
    if not callable(handler):
        raise UsageError(f"module {module_name!r} has no function {name!r}")
    return cast("Callable[..., Any]", handler)


def load_events(path: str | None) -> list[Any]:
    """The events of a file: one JSON document, or several one after the other; an empty event without a file.

    Raises:
        UsageError: The file cannot be read or is not JSON.
    """
    if path is None:
        return [{}]
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    decoder, events = json.JSONDecoder(), list[Any]()
    position = _after_space(text, 0)
    while position < len(text):
        try:
            event, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise UsageError(f"{path} is not JSON: {error}") from error
        events.append(event)
        position = _after_space(text, position)
    return events or [{}]


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
