"""The events that the functions get, made of the tests' fixtures."""

from __future__ import annotations

import copy
import json
from typing import Any

from environments import HERE, SEGMENT

SAMPLED = "00-5b8aa5a2d2c872e8321cf37308d69df2-051581bf3cb55c13-01"
UNSAMPLED = {
    "traceparent": f"{SAMPLED[:-1]}0",
    "sentry-trace": "5b8aa5a2d2c872e8321cf37308d69df2-051581bf3cb55c13-0",
    "x-amzn-trace-id": f"{SEGMENT[:-1]}0",
}
UNSAMPLED_VARIABLES = {"_X_AMZN_TRACE_ID": f"{SEGMENT[:-1]}0"}


def fixture(name: str) -> Any:
    """An event of the tests."""
    return json.loads((HERE.parent / "events" / f"{name}.json").read_text())


def http(**more: Any) -> Any:
    """A request through API Gateway, HTTP API v2, with the context of its sampled caller."""
    return {**fixture("http_api_v2/any_route_custom_domain_stage"), **more}


def unsampled() -> Any:
    """The same from a caller that is not sampled."""
    event = http()
    event["headers"].update(UNSAMPLED)
    return event


def sqs(count: int) -> Any:
    """Messages of one queue, each with a trace context of its own."""
    found = fixture("sqs/two_traces")
    record = next(record for record in found["Records"] if "traceparent" in record["messageAttributes"])
    records = []
    for index in range(count):
        message = copy.deepcopy(record)
        message["messageId"] = f"message-{index}"
        message["messageAttributes"]["traceparent"]["stringValue"] = f"00-{index + 1:032x}-{index + 1:016x}-01"
        records.append(message)
    return {"Records": records}
