"""One function twice: with the decorator where the variable TRACED is set, without it where it is not."""

import asyncio
import os
import sys
import time
from decimal import Decimal

RESULTS = {
    "none": None,
    "true": True,
    "number": 7,
    "float": 1e-300,
    "not a number": float("nan"),
    "decimal": Decimal("1.10"),
    "text": "plain",
    "empty text": "",
    "empty": {},
    "list": [1, "two", None, {"three": [[]]}],
    "nested": {"a": {"b": {"c": [{"d": {"e": [0, -1, 2**70]}}] * 3}}},
    "unicode": {"ключ": "naïve \u2028 \U0001f600 \x00"},
    "big": {"text": "x" * 5_000_000},
    "http": {"statusCode": 500, "headers": {"Content-Type": "text/plain"}, "body": "no"},
    "odd status": {"statusCode": "5oo", "headers": None, "body": 3},
    "bytes": b"\x00\xff",
}
NOT_JSON = {"set": {"not": {"JSON"}}, "object": object, "half a character": "\ud83d", "key": {(1, 2): 3}}


class OrderError(Exception):
    """An exception whose text is not just its argument."""

    def __str__(self):
        return f"заказ {self.args[0]} \U0001f600\nsecond line"


EXITS = {
    "sys.exit": lambda: sys.exit(3),
    "sys.exit with text": lambda: sys.exit("out of stock"),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "CancelledError": lambda: throw(asyncio.CancelledError()),
    "os._exit": lambda: os._exit(4),
}


def throw(error):
    raise error


def from_another():
    try:
        {}["price"]
    except KeyError as error:
        raise OrderError(7) from error


ERRORS = {
    "ValueError": lambda: int("seven"),
    "own class": lambda: throw(OrderError(7)),
    "chained": from_another,
    "no text": lambda: throw(RuntimeError()),
    "recursion": lambda: recurse(100_000),
}


def recurse(depth):
    return recurse(depth - 1) if depth else 0


def handler(event, context):
    """Does what the event names."""
    if "result" in event:
        return {**RESULTS, **NOT_JSON}[event["result"]]
    if "raise" in event:
        return ERRORS[event["raise"]]()
    if "exit" in event:
        return EXITS[event["exit"]]()
    if "sleep" in event:
        time.sleep(event["sleep"])
    return event


if os.environ.get("TRACED"):
    from lambda_otel import traced_handler

    handler = traced_handler(handler)
