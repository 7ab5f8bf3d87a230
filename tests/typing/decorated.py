"""Only type-checked: what is decorated keeps its type, wrong use is an error. Each expected error is an ignore that must be needed."""

from __future__ import annotations

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any, overload

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from typing_extensions import assert_type

from lambda_otel import (
    configure,
    extract_http,
    extract_sns,
    extract_sqs,
    flush,
    inject_http,
    inject_sns,
    inject_sqs,
    span,
    traced_handler,
    traced_record,
)
from lambda_otel.sources import SOURCES, EventSource, Trigger

# span on functions


@span
def bare(order_id: int, *, dry: bool = False) -> str:
    return f"{order_id}{dry}"


@span()
def called(order_id: int) -> str:
    return str(order_id)


@span("named", kind=SpanKind.CLIENT, attributes={"peer": "db", "ids": [1, 2]}, capture=("order_id",))
def named(order_id: int) -> str:
    return str(order_id)


@span
async def asynchronous(order_id: int) -> str:
    return str(order_id)


@span("numbers")
def generator(count: int) -> Generator[int, str, bool]:
    sent = yield count
    return bool(sent)


@span
def iterator() -> Iterator[int]:
    yield 1


@span
async def async_generator(count: int) -> AsyncGenerator[int, str]:
    yield count


@span()
async def async_iterator() -> AsyncIterator[int]:
    yield 1


assert_type(bare(1, dry=True), str)
assert_type(called(1), str)
assert_type(named(order_id=1), str)
assert_type(generator(1), Generator[int, str, bool])
assert_type(iterator(), Iterator[int])
assert_type(async_generator(1), AsyncGenerator[int, str])
assert_type(async_iterator(), AsyncIterator[int])
bare("1")  # type: ignore[arg-type]
bare(1, True)  # type: ignore[call-arg]
bare(1, wet=True)  # type: ignore[call-arg]
called()  # type: ignore[call-arg]
named(1, 2)  # type: ignore[call-arg]


async def awaited() -> None:
    assert_type(await asynchronous(1), str)
    await asynchronous("1")  # type: ignore[arg-type]
    async for number in async_iterator():
        assert_type(number, int)


@overload
def overloaded(value: int) -> int: ...
@overload
def overloaded(value: str) -> str: ...
@span
def overloaded(value: int | str) -> int | str:
    return value


assert_type(overloaded(1), int)
assert_type(overloaded("1"), str)
overloaded(1.5)  # type: ignore[call-overload]

partial = span(functools.partial(bare, 1))
assert_type(partial(dry=True), str)


class Shop:
    """Methods of every kind."""

    @span
    def method(self, item: str) -> int:
        return len(item)

    @span("named")
    async def async_method(self, item: str) -> int:
        return len(item)

    @classmethod
    @span
    def of_class(cls, item: str) -> Shop:
        return cls()

    @staticmethod
    @span
    def static(item: str) -> int:
        return len(item)

    @property
    @span
    def is_open(self) -> bool:
        return True

    @traced_handler
    def handler(self, event: dict[str, Any], context: object) -> int:
        return len(event)

    @traced_record
    def record(self, record: dict[str, Any]) -> int:
        return len(record)


shop = Shop()
assert_type(shop.method("a"), int)
assert_type(Shop.method(shop, "a"), int)
assert_type(Shop.of_class("a"), Shop)
assert_type(Shop.static("a"), int)
assert_type(shop.is_open, bool)
assert_type(shop.handler({}, None), int)
assert_type(shop.record({}), int)
shop.method(1)  # type: ignore[arg-type]
Shop.static()  # type: ignore[call-arg]

# span around blocks

with span("block", attributes={"one": 1}) as block:
    assert_type(block, Span)
    block.set_attribute("two", 2)


async def async_blocks() -> None:
    async with span() as block:
        assert_type(block, Span)


def after_a_block() -> int:
    """A block does not swallow exceptions, so that nothing is missing a return here."""
    with span("block"):
        return 1


span("named", SpanKind.CLIENT)  # type: ignore[call-overload]
span("named", kind="client")  # type: ignore[call-overload]
span("named", attributes={"a": object()})  # type: ignore[dict-item]
span(7)  # type: ignore[call-overload]

# traced_handler


@traced_handler
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    return {"statusCode": len(event)}


@traced_handler(name="mine", attributes={"team": "pets"}, sources=(EventSource("mine", bool, lambda event: Trigger()), *SOURCES))
def handler_with_arguments(event: list[str], context: object) -> str:
    return event[0]


@traced_handler
async def async_handler(event: str, context: object) -> str:
    return event


assert_type(handler({}, None), dict[str, int])
assert_type(handler_with_arguments(["a"], None), str)
handler([], None)  # type: ignore[arg-type]
handler({})  # type: ignore[call-arg]
traced_handler("mine")  # type: ignore[call-overload]
traced_handler(nme="mine")  # type: ignore[call-overload]

# traced_record


@traced_record
def process(record: dict[str, Any], lambda_context: object = None) -> int:
    return len(record)


@traced_record(name="order", attributes={"team": "pets"})
async def process_async(record: str) -> int:
    return len(record)


assert_type(process(record={}), int)
process("a")  # type: ignore[arg-type]
traced_record("order")  # type: ignore[call-overload]


async def awaited_handlers() -> None:
    assert_type(await async_handler("a", None), str)
    assert_type(await process_async("a"), int)


decorators: list[Callable[[Callable[[int], str]], Callable[[int], str]]] = [span, span(), traced_handler, traced_handler(), traced_record()]

# context in and out

assert_type(inject_http(), dict[str, str])
assert_type(inject_http({"accept": "text/html"}), dict[str, str])
assert_type(inject_sqs(QueueUrl="q", MessageBody="b"), dict[str, Any])
assert_type(inject_sns(TopicArn="t", Message="m"), dict[str, Any])
assert_type(extract_http({}), Context)
assert_type(extract_sqs({}), Context)
assert_type(extract_sns({}), Context)
inject_http({"accept": 1})  # type: ignore[dict-item]

# configuration

configure(
    service_name="shop", resource_attributes={"a": 1, "b": "c"}, exporters=("otlp", "console"), flush_timeout=1, capture=("url.query",)
)
configure(service_nam="shop")  # type: ignore[call-arg]
configure("shop")  # type: ignore[call-arg]
assert_type(flush(), bool)
assert_type(flush(timeout=0.5), bool)
