"""What is read off a function: its name and the arguments to record."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_otel import span


def record(function: Callable[..., Any], spans: Any, *args: Any, capture: Any = ("value",), **kwargs: Any) -> dict[str, Any]:
    """The captured arguments of one call."""
    function = span("captured", capture=capture)(function)
    function(*args, **kwargs)
    attributes = dict(spans.one().attributes)
    del attributes["code.function.name"]
    return attributes


def test_no_argument_is_recorded_unless_it_is_named(spans: Any) -> None:
    assert record(lambda value, other: None, spans, "secret", other="secret", capture=()) == {}
    assert record(lambda value, other: None, spans, 1, "secret") == {"value": 1}


def test_arguments_are_found_by_position_by_name_and_by_default(spans: Any) -> None:
    def order(order_id: int, /, customer: str, amount: float = 1.5, *, dry: bool = False) -> None: ...

    names = ("order_id", "customer", "amount", "dry")
    assert record(order, spans, 7, "ann", capture=names) == {"order_id": 7, "customer": "ann", "amount": 1.5, "dry": False}
    assert record(order, spans, 7, customer="ann", amount=2.0, dry=True, capture=names) == {
        "order_id": 7,
        "customer": "ann",
        "amount": 2.0,
        "dry": True,
    }


def test_keyword_only_arguments_are_not_taken_from_a_position(spans: Any) -> None:
    def order(*items: str, customer: str = "ann") -> None: ...

    assert record(order, spans, "apple", "pear", capture=("customer",)) == {"customer": "ann"}
    assert record(order, spans, "apple", "pear", customer="bob", capture=("customer",)) == {"customer": "bob"}


def test_arguments_without_a_name_of_their_own_are_recorded_together_or_by_keyword(spans: Any) -> None:
    def order(*items: str, **options: Any) -> None: ...

    assert record(order, spans, "apple", "pear", capture=("items",)) == {"items": ("apple", "pear")}
    assert record(order, spans, capture=("items", "size")) == {}
    assert record(order, spans, size=3, colour="red", capture=("size", "items")) == {"size": 3}


def test_one_name_may_be_given_as_a_string(spans: Any) -> None:
    assert record(lambda value: None, spans, 1, capture="value") == {"value": 1}


def test_arguments_of_methods_and_bound_things_are_found(spans: Any) -> None:
    class Shop:
        def sell(self, value: int, other: int = 0) -> None: ...

        @span("sold", capture=("value",))
        def sell_traced(self, value: int) -> None: ...

        @span("sold", capture=("value",))
        @classmethod
        def of_class(cls, value: int) -> None: ...

        @span("sold", capture=("value",))
        @staticmethod
        def static(value: int) -> None: ...

        def __call__(self, value: int) -> None: ...

    shop = Shop()
    for call in (shop.sell_traced, shop.of_class, Shop.of_class, shop.static):
        call(5)
        assert spans.one().attributes["value"] == 5
    assert record(shop.sell, spans, 6) == {"value": 6}
    assert record(Shop.sell, spans, shop, 6) == {"value": 6}
    assert record(shop, spans, 6) == {"value": 6}
    assert record(functools.partial(Shop.sell, shop), spans, 6) == {"value": 6}
    assert record(functools.partial(shop.sell, other=1), spans, 6, capture=("value", "other")) == {"value": 6, "other": 1}
    assert record(functools.partial(shop.sell, value=7), spans) == {"value": 7}


def test_arguments_of_coroutines_and_generators_are_recorded(spans: Any) -> None:
    @span("one", capture=("value",))
    async def one(value: int) -> None: ...

    @span("many", capture=("value",))
    def many(value: int) -> Any:
        yield

    asyncio.run(one(1))
    list(many(2))
    assert [ended.attributes["value"] for ended in spans.take()] == [1, 2]


def test_own_attributes_give_way_to_captured_ones(spans: Any) -> None:
    span("x", attributes={"value": "fixed", "kept": True}, capture=("value",))(lambda value: None)(1)
    attributes = spans.one().attributes
    assert (attributes["value"], attributes["kept"]) == (1, True)


def test_name_that_the_function_does_not_take_is_left_out_and_said(spans: Any, logged: Callable[[], list[str]]) -> None:
    def order(order_id: int) -> None: ...

    assert record(order, spans, 1, capture=("order_id", "customer", "amount")) == {"order_id": 1}
    assert [line.partition(": ")[2].rpartition(".")[2] for line in logged()] == ["order has no argument 'customer', 'amount'"]


def test_function_that_cannot_be_inspected_records_no_argument(spans: Any, logged: Callable[[], list[str]]) -> None:
    def opaque(value: int) -> None: ...

    opaque.__signature__ = "none"  # type: ignore[attr-defined]
    assert record(opaque, spans, 1) == {}
    assert len(logged()) == 1


class Odd:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


class Text(str):
    """A string of a kind of its own."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (0, 0),
        (-1.5, -1.5),
        ("", ""),
        ("x" * 300, "x" * 256),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (10**5000, "<int>"),
        ([1, 2], (1, 2)),
        (("a", "b" * 300), ("a", "b" * 256)),
        (list(range(100)), tuple(range(64))),
        ([], "[]"),
        ([1, "a"], "[1, 'a']"),
        ([1, True], "[1, True]"),
        ([1, 2**63], f"[1, {2**63}]"),
        ([None, None], "[None, None]"),
        ([[1]], "[[1]]"),
        ({"a": 1}, "{'a': 1}"),
        ({"a": "x" * 300}, ("{'a': '" + "x" * 300)[:256]),
        (b"raw", "b'raw'"),
        (Text("mine"), "mine"),
        (Odd(), "<Odd>"),
        ([Odd()], "<list>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_becomes_an_attribute_of_bounded_size(value: Any, expected: Any, spans: Any) -> None:
    found = record(lambda value: None, spans, value)["value"]
    assert (found, type(found)) == (expected, type(expected))


def test_nothing_is_recorded_for_none(spans: Any) -> None:
    assert record(lambda value=None: None, spans) == {}
    assert record(lambda value: None, spans, None) == {}


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists, max_leaves=80))
def test_whatever_is_captured_the_call_goes_through(value: Any, spans: Any) -> None:
    seen = []

    @span("captured", capture=("value",))
    def see(value: Any) -> None:
        seen.append(value)

    see(value)
    assert seen[0] is value
    found = spans.one().attributes.get("value")
    for item in found if isinstance(found, tuple) else [found]:
        assert not isinstance(item, str) or len(item) <= 256
        assert not isinstance(item, int) or -(2**63) <= item < 2**63


def test_name_of_a_function_does_not_depend_on_what_it_says_of_itself(spans: Any) -> None:
    class Bare:
        __slots__ = ()

        def __call__(self) -> int:
            return 1

    def moved() -> None: ...

    moved.__module__ = None  # type: ignore[assignment]
    assert span(Bare())() == 1
    assert spans.one().attributes["code.function.name"].endswith("<locals>.Bare")
    span(moved)()
    assert spans.one().attributes["code.function.name"] == f"__main__.{moved.__qualname__}"
