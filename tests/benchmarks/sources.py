"""What recognising and describing an event costs, beside `json.loads` of the same event in the same run.

Run: python tests/benchmarks/sources.py
"""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_otel.config import read
from lambda_otel.propagation import build
from lambda_otel.sources import recognize
from lambda_otel.span_builder import batch_span

EVENTS = Path(__file__).parent.parent / "events"
ROUNDS = 15


def event(name: str) -> Any:
    """A fixture."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def sqs(count: int) -> Any:
    """An SQS event of this many records, each with a trace context of its own."""
    found = event("sqs/two_traces")
    record = next(record for record in found["Records"] if "traceparent" in record["messageAttributes"])
    records = []
    for index in range(count):
        message = copy.deepcopy(record)
        message["messageId"] = f"message-{index}"
        message["messageAttributes"]["traceparent"]["stringValue"] = f"00-{index + 1:032x}-{index + 1:016x}-01"
        records.append(message)
    return {"Records": records}


def seconds(work: Callable[[], Any], reference: Callable[[], Any]) -> tuple[float, float]:
    """The medians of both over interleaved rounds, in seconds for one call."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for function, found in zip((work, reference), times, strict=True):
            calls, spent = 0, 0.0
            start = time.perf_counter()
            while spent < 0.01:
                function()
                calls += 1
                spent = time.perf_counter() - start
            found.append(spent / calls)
    return statistics.median(times[0]), statistics.median(times[1])


def describe(found: Any) -> None:
    """Recognises an event and makes everything that it says: a recorded invocation asks for all of it."""
    _, trigger = recognize(found)
    if callable(trigger.attributes):
        trigger.attributes()
    if trigger.batch:
        tuple(trigger.batch.messages)


def main() -> None:
    """Prints one line for each subject."""
    cases = {
        "HTTP API v2": event("http_api_v2/any_route_custom_domain_stage"),
        "API Gateway REST": event("api_gateway_rest/get_with_traceparent"),
        "SQS, 10 records": sqs(10),
        "EventBridge": event("eventbridge/custom_event"),
        "direct invocation": event("unknown/custom_payload"),
    }
    print(f"{'recognise and describe':<34}{'µs':>8}{'json.loads µs':>15}{'ratio':>8}")
    for name, found in cases.items():
        text = json.dumps(found)
        ours, loads = seconds(lambda found=found: describe(found), lambda text=text: json.loads(text))
        print(f"{name:<34}{ours * 1e6:>8.1f}{loads * 1e6:>15.1f}{ours / loads:>8.2f}")

    settings = read({}, {})
    propagation = build(settings)

    def attributes_and_links(found: Any) -> None:
        batch = recognize(found)[1].batch
        assert batch is not None
        batch_span(batch, settings, propagation)

    large, small = sqs(10_000), sqs(100)
    most, least = seconds(lambda: attributes_and_links(large), lambda: attributes_and_links(small))
    print(f"{'SQS, attributes and links':<34}{'10,000 records':>15}{'100 records':>15}{'ratio':>8}")
    print(f"{'':<34}{most * 1e3:>12.2f} ms{least * 1e3:>12.2f} ms{most / least:>8.2f}")


if __name__ == "__main__":
    main()
