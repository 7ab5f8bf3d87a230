"""`span` around functions, coroutines, methods and blocks."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from lambda_otel import inject_http, span, traced_handler

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = TRACEPARENT[:-2] + "00"


pytestmark = pytest.mark.usefixtures("nothing_complains")


def current() -> str | None:
    """Name of the current span."""
    return getattr(get_current_span(), "name", None)


def test_bare_decorator_makes_a_span_of_the_qualified_name(spans: Any) -> None:
    @span
    def load() -> str | None:
        return current()

    name = "test_bare_decorator_makes_a_span_of_the_qualified_name.<locals>.load"
    assert load() == name
    ended = spans.one()
    assert (ended.name, ended.kind, ended.parent, ended.status.status_code) == (name, SpanKind.INTERNAL, None, StatusCode.UNSET)
    assert ended.attributes == {"code.function.name": f"{__name__}.{name}"}
    assert current() is None


def test_called_without_a_name_it_uses_the_qualified_name_too(spans: Any) -> None:
    @span()
    def load() -> None: ...

    load()
    assert spans.one().name.endswith("<locals>.load")


def test_name_kind_and_attributes_can_be_given(spans: Any) -> None:
    @span("load pet", kind=SpanKind.CLIENT, attributes={"peer": "db", "code.function.name": "mine"})
    def load() -> None: ...

    load()
    ended = spans.one()
    assert (ended.name, ended.kind, dict(ended.attributes)) == ("load pet", SpanKind.CLIENT, {"peer": "db", "code.function.name": "mine"})


def test_spans_nest_and_siblings_do_not(spans: Any) -> None:
    @span("inner")
    def inner() -> None: ...

    @span("outer")
    def outer() -> None:
        inner()
        inner()

    outer()
    first, second, root = spans.take()
    assert first.parent == second.parent == root.context
    assert root.parent is None


def test_recursion_makes_one_span_a_call(spans: Any) -> None:
    @span("down")
    def down(levels: int) -> int:
        return 1 + down(levels - 1) if levels else 0

    assert down(20) == 20
    ended = spans.take()
    assert len(ended) == 21
    assert [child.parent.span_id for child in ended[:-1]] == [parent.context.span_id for parent in ended[1:]]


def test_result_and_arguments_pass_through_as_the_same_objects(spans: Any) -> None:
    given, kept = object(), {}

    @span
    def identity(*args: Any, **kwargs: Any) -> Any:
        kept.update(args=args, kwargs=kwargs)
        return given

    assert identity(given, 2, key=given) is given
    assert kept == {"args": (given, 2), "kwargs": {"key": given}}


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator"])
def test_metadata_survives(kind: str) -> None:
    def function(order_id: int, *, dry: bool = False) -> str:
        """Says what it does."""
        return ""

    async def coroutine(order_id: int, *, dry: bool = False) -> str:
        """Says what it does."""
        return ""

    def generator(order_id: int, *, dry: bool = False) -> Iterator[str]:
        """Says what it does."""
        yield ""

    async def async_generator(order_id: int, *, dry: bool = False) -> Any:
        """Says what it does."""
        yield ""

    plain: Any = {"function": function, "coroutine": coroutine, "generator": generator, "async generator": async_generator}[kind]
    plain.label = "mine"
    decorated = span(plain)
    assert decorated is not plain
    assert decorated.__wrapped__ is plain
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "label"):
        assert getattr(decorated, attribute) == getattr(plain, attribute)
    assert inspect.signature(decorated) == inspect.signature(plain)
    for is_kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        assert is_kind(decorated) == is_kind(plain)


def test_static_class_and_property_methods_are_traced_and_stay_what_they_are(spans: Any) -> None:
    class Shop:
        def __init__(self) -> None:
            self._open = True

        @span
        def plain(self) -> Any:
            return self

        @span
        @staticmethod
        def static(value: int) -> int:
            return value

        @staticmethod
        @span
        def static_inside(value: int) -> int:
            return value

        @span
        @classmethod
        def of_class(cls) -> Any:
            return cls

        @span
        @property
        def is_open(self) -> bool:
            """Whether one can buy."""
            return self._open

        @is_open.setter
        def is_open(self, value: bool) -> None:
            self._open = value

    class Bakery(Shop):
        pass

    shop = Bakery()
    assert shop.plain() is shop
    assert (shop.static(1), Shop.static(2), shop.static_inside(3)) == (1, 2, 3)
    assert (shop.of_class(), Bakery.of_class(), Shop.of_class()) == (Bakery, Bakery, Shop)
    assert shop.is_open is True
    shop.is_open = False
    assert shop.is_open is False
    assert inspect.getdoc(Shop.is_open) == "Whether one can buy."
    names = [ended.name.rpartition(".")[2] for ended in spans.take()]
    assert names == ["plain", *["static"] * 2, "static_inside", *["of_class"] * 3, *["is_open"] * 2]


class Callable1:
    """An object that can be called."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, *args: Any) -> Any:
        return self.result, args

    def method(self, *args: Any) -> Any:
        return self.result, args


def test_callables_without_a_name_of_their_own_take_that_of_what_they_call(spans: Any) -> None:
    unit = Callable1("done")
    for function, name in (
        (unit, "Callable1"),
        (unit.method, "Callable1.method"),
        (functools.partial(unit.method, 1), "Callable1.method"),
        (functools.partial(functools.partial(unit, 1), 2), "Callable1"),
        (len, "len"),
        (functools.lru_cache(unit.method), "Callable1.method"),
    ):
        assert span(function)([]) == function([]) if function is len else span(function)(3) == function(3)
        assert spans.one().name == name


def test_async_callables_without_a_name_are_awaited_inside_their_span(spans: Any) -> None:
    class Worker:
        async def __call__(self, value: int) -> tuple[int, str | None]:
            await asyncio.sleep(0)
            return value, current()

    unit = Worker()
    for function in (unit, functools.partial(unit), functools.partial(functools.partial(unit.__call__))):
        assert asyncio.run(span("work")(function)(1)) == (1, "work")
        assert spans.one().name == "work"


@pytest.mark.parametrize("wrong", [type("Shop", (), {}), 7, functools.cached_property(lambda self: 1)], ids=["class", "number", "cached"])
def test_what_is_no_function_is_returned_as_it_is_and_said(wrong: Any, logged: Callable[[], list[str]]) -> None:
    assert span(wrong) is wrong
    assert span("named")(wrong) is wrong
    assert [line.startswith("@span decorates functions, not ") for line in logged()] == [True, True]


# Exceptions


class Declined(Exception):
    """An error of the user's."""


def test_exception_goes_on_as_the_same_object_and_is_recorded_once_on_the_innermost_span(spans: Any) -> None:
    error = Declined("no funds")

    @span("inner")
    def inner() -> None:
        raise error

    @span("outer")
    def outer() -> None:
        with span("block"):
            inner()

    with pytest.raises(Declined) as caught:
        outer()
    assert caught.value is error
    ended = spans.take()
    assert [entry.name for entry in ended] == ["inner", "block", "outer"]
    assert [[event.name for event in entry.events] for entry in ended] == [["exception"], [], []]
    assert {(entry.status.status_code, entry.status.description) for entry in ended} == {(StatusCode.ERROR, "no funds")}
    assert {entry.attributes["error.type"] for entry in ended} == {f"{__name__}.Declined"}


def test_exception_that_is_caught_inside_leaves_the_outer_span_alone(spans: Any) -> None:
    @span("inner")
    def inner() -> None:
        raise Declined

    with span("outer"), contextlib.suppress(Declined):
        inner()
    inner_span, outer_span = spans.take()
    assert inner_span.status.status_code is StatusCode.ERROR
    assert (outer_span.status.status_code, outer_span.events, "error.type" in outer_span.attributes) == (StatusCode.UNSET, (), False)


def test_frames_of_the_users_functions_stand_in_the_traceback_as_without_the_decorator() -> None:
    def fail() -> None:
        raise Declined

    def call(function: Callable[[], None]) -> None:
        function()

    def frames(decorate: Callable[[Any], Any]) -> list[str]:
        with pytest.raises(Declined) as caught:
            decorate(call)(decorate(fail))
        return [entry.frame.code.name for entry in caught.traceback if entry.path.name == "test_spans.py"]

    assert frames(span) == frames(lambda function: function) == ["frames", "call", "fail"]


def test_cause_and_context_of_an_exception_are_the_users(spans: Any) -> None:
    @span
    def fail() -> None:
        try:
            {}["first"]
        except KeyError as first:
            raise Declined from first

    with pytest.raises(Declined) as caught:
        fail()
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.__context__ is caught.value.__cause__

    @span
    def fail_plainly() -> None:
        raise Declined

    with pytest.raises(Declined) as caught:
        fail_plainly()
    assert caught.value.__context__ is None


# Coroutines


def test_coroutines_under_gather_are_siblings_and_each_has_its_own_current_span(spans: Any) -> None:
    seen = {}

    @span("child")
    async def child(number: int) -> int:
        mine = get_current_span()
        await asyncio.sleep(0.001 * (3 - number))
        assert get_current_span() is mine
        seen[number] = mine.get_span_context().span_id
        return number

    @span("parent")
    async def parent() -> list[int]:
        return await asyncio.gather(*map(child, range(3)))

    assert asyncio.run(parent()) == [0, 1, 2]
    *children, root = spans.take()
    assert root.name == "parent"
    assert {entry.context.span_id for entry in children} == set(seen.values())
    assert len(children) == 3
    assert all(entry.parent == root.context for entry in children)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11")
def test_task_group_cancels_the_siblings_of_a_failed_task_and_both_spans_say_so(spans: Any) -> None:
    error = Declined("one")

    @span("fails")
    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    @span("waits")
    async def waits() -> None:
        await asyncio.sleep(60)

    @span("group")
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:  # type: ignore[attr-defined]
            tasks.create_task(waits())
            tasks.create_task(fails())

    with pytest.raises(BaseException) as caught:
        asyncio.run(group())
    assert caught.value.exceptions == (error,)
    ended = {entry.name: entry for entry in spans.take()}
    assert ended["fails"].attributes["error.type"] == f"{__name__}.Declined"
    assert ended["waits"].attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert ended["group"].attributes["error.type"] == "ExceptionGroup"
    assert ended["fails"].parent == ended["waits"].parent == ended["group"].context


def test_cancellation_is_recorded_and_goes_on(spans: Any) -> None:
    @span("slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(slow())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())
    ended = spans.one()
    assert ended.status.status_code is StatusCode.ERROR
    assert ended.attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_cancelled_coroutine_that_returns_is_no_error(spans: Any) -> None:
    @span("stubborn")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "saved"
        return ""

    async def main() -> str:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "saved"
    assert spans.one().status.status_code is StatusCode.UNSET


def test_threads_of_to_thread_carry_the_span(spans: Any) -> None:
    @span("in thread")
    def work() -> str | None:
        return current()

    @span("task")
    async def task() -> str | None:
        return await asyncio.to_thread(work)

    assert asyncio.run(task()) == "in thread"
    inner, outer = spans.take()
    assert inner.parent == outer.context


def test_pool_threads_carry_the_span_in_a_copied_context_and_start_a_trace_without(spans: Any) -> None:
    @span("work")
    def work() -> None: ...

    with span("caller"), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, work).result()
        pool.submit(work).result()
    carried, alone, caller = spans.take()
    assert carried.parent == caller.context
    assert alone.parent is None
    assert alone.context.trace_id != caller.context.trace_id


def test_span_measures_the_time_in_which_a_coroutine_waits(spans: Any) -> None:
    @span("slow")
    async def slow() -> None:
        await asyncio.sleep(0.02)

    asyncio.run(slow())
    ended = spans.one()
    assert ended.end_time - ended.start_time >= 15_000_000


def test_coroutine_that_is_never_awaited_has_no_span(spans: Any) -> None:
    @span("never")
    async def never() -> None: ...

    coroutine = never()
    assert coroutine.__qualname__.endswith("<locals>.never")
    coroutine.close()
    assert spans.take() == []


def test_coroutine_that_is_thrown_away_ends_its_span_wherever_that_happens(spans: Any) -> None:
    @span("abandoned")
    async def abandoned() -> None:
        await asyncio.Future()

    async def start() -> Any:
        coroutine = abandoned()
        coroutine.send(None)
        return coroutine

    async def main() -> None:
        coroutine = await asyncio.create_task(start())
        assert current() is None
        coroutine.close()
        coroutine = await asyncio.create_task(start())
        del coroutine
        gc.collect()
        assert current() is None

    asyncio.run(main())
    assert [(entry.name, entry.status.status_code) for entry in spans.take()] == [("abandoned", StatusCode.UNSET)] * 2


# Blocks


def test_block_gives_its_span_and_ends_it(spans: Any) -> None:
    with span("block", kind=SpanKind.CLIENT, attributes={"one": 1}) as block:
        assert get_current_span() is block
        block.set_attribute("two", 2)
    assert current() is None
    ended = spans.one()
    assert (ended.name, ended.kind, dict(ended.attributes)) == ("block", SpanKind.CLIENT, {"one": 1, "two": 2})


def test_async_block_gives_its_span_and_ends_it(spans: Any) -> None:
    async def main() -> None:
        async with span("block") as block:
            await asyncio.sleep(0)
            assert get_current_span() is block
        assert current() is None

    asyncio.run(main())
    assert spans.one().name == "block"


def test_block_without_a_name_is_called_span(spans: Any) -> None:
    with span():
        pass
    assert spans.one().name == "span"


@pytest.mark.parametrize("error", [Declined("no"), KeyboardInterrupt(), SystemExit(3)], ids=["exception", "interrupt", "exit"])
def test_block_records_an_exception_and_lets_it_go_on(error: BaseException, spans: Any) -> None:
    with pytest.raises(type(error)) as caught, span("block"):
        raise error
    assert caught.value is error
    ended = spans.one()
    assert ended.status.status_code is StatusCode.ERROR
    assert [event.name for event in ended.events] == ["exception"]


def test_one_object_can_be_entered_inside_itself(spans: Any) -> None:
    scope = span("again")
    with scope as outer, scope as inner:
        assert inner is not outer
        assert get_current_span() is inner
    inner_span, outer_span = spans.take()
    assert inner_span.parent == outer_span.context
    assert outer_span.parent is None


def test_one_object_decorates_and_surrounds(spans: Any) -> None:
    scope = span("both")

    @scope
    def work() -> None: ...

    with scope:
        work()
    inner, outer = spans.take()
    assert (inner.name, outer.name, inner.parent) == ("both", "both", outer.context)


def test_one_object_can_be_entered_by_many_threads_at_a_time(spans: Any) -> None:
    scope, barrier = span("shared"), threading.Barrier(4)

    def work(number: int) -> tuple[int, int]:
        barrier.wait(10)
        with scope as mine:
            mine.set_attribute("number", number)
            barrier.wait(10)
            time.sleep(0.001 * (number % 3))
            assert get_current_span() is mine
            if number == 3:
                raise Declined(str(number))
        return number, mine.get_span_context().span_id

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
    assert str(futures[3].exception()) == "3"
    ended = {entry.attributes["number"]: entry for entry in spans.take()}
    assert {number: entry.context.span_id for number, entry in ended.items() if number < 3} == dict(f.result() for f in futures[:3])
    assert [ended[number].status.status_code.name for number in range(4)] == ["UNSET", "UNSET", "UNSET", "ERROR"]


def test_one_object_can_be_entered_by_many_tasks_at_a_time(spans: Any) -> None:
    scope = span("shared")

    async def work(number: int) -> None:
        async with scope as mine:
            mine.set_attribute("number", number)
            await asyncio.sleep(0.001 * ((number * 7) % 5))
            assert get_current_span() is mine
            if number == 2:
                raise Declined

    async def main() -> None:
        with scope:
            await asyncio.gather(*map(work, range(5)), return_exceptions=True)

    asyncio.run(main())
    *tasks, outer = spans.take()
    assert sorted(entry.attributes["number"] for entry in tasks) == [0, 1, 2, 3, 4]
    assert [entry.attributes["number"] for entry in tasks if entry.status.status_code is StatusCode.ERROR] == [2]
    assert all(entry.parent == outer.context for entry in tasks)


def test_block_ends_although_the_users_code_left_a_context_attached_in_it(spans: Any) -> None:
    with span("outer"):
        with span("block"):
            otel_context.attach(otel_context.set_value("leaked", True))
        assert current() == "outer"
    assert [entry.name for entry in spans.take()] == ["block", "outer"]


def test_blocks_of_generators_that_take_turns_end_their_own_spans(spans: Any) -> None:
    def numbers(name: str) -> Iterator[int]:
        with span(name):
            yield 1
            yield 2

    with span("caller"):
        first, second = numbers("first"), numbers("second")
        next(first)
        next(second)
        first.close()
        assert spans.one().name == "first"
        second.close()
        assert spans.one().name == "second"


def test_block_of_an_async_generator_that_is_finished_by_another_task_ends(spans: Any) -> None:
    async def numbers() -> Any:
        async with span("block"):
            yield 1

    async def first(generator: Any) -> None:
        await generator.__anext__()

    async def main() -> None:
        generator = numbers()
        await asyncio.create_task(first(generator))
        assert current() is None
        await asyncio.create_task(generator.aclose())
        assert current() is None

    asyncio.run(main())
    assert spans.one().name == "block"


def test_exit_without_entering_does_nothing(spans: Any) -> None:
    span("never").__exit__(None, None, None)
    assert spans.take() == []


# Nothing recorded


def test_unsampled_parent_makes_no_spans_and_stays_the_context_that_is_passed_on(spans: Any) -> None:
    @span("work")
    def work() -> str:
        return inject_http()["traceparent"]

    @span("work")
    async def work_async() -> str:
        return inject_http()["traceparent"]

    @span("work")
    def work_step_by_step() -> Iterator[str]:
        yield inject_http()["traceparent"]

    @traced_handler
    def handler(event: Any, context: Any) -> list[str]:
        with span("block") as block:
            assert not block.is_recording()
            return [work(), asyncio.run(work_async()), *work_step_by_step(), inject_http()["traceparent"]]

    assert handler({"headers": {"traceparent": UNSAMPLED}}, None) == [UNSAMPLED] * 4
    assert spans.take() == []


def test_disabled_sdk_makes_no_spans_and_passes_the_context_on(monkeypatch: pytest.MonkeyPatch, installed: Any) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    @span("work")
    def work() -> str:
        with span("block"):
            return inject_http()["traceparent"]

    @traced_handler
    def handler(event: Any, context: Any) -> str:
        return work()

    assert handler({"headers": {"traceparent": TRACEPARENT}}, None) == TRACEPARENT
    assert installed.get_finished_spans() == ()


def test_block_that_records_nothing_gives_the_current_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    remote = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    with trace.use_span(remote), span("block") as block:
        assert block is remote
    with span("block") as block:
        assert block is trace.INVALID_SPAN


def test_provider_of_somebody_else_gets_the_spans(installed: Any) -> None:
    tracer = trace.get_tracer("theirs")
    with tracer.start_as_current_span("theirs"), span("ours"), tracer.start_as_current_span("inside"):
        pass
    inside, ours, theirs = installed.get_finished_spans()
    assert (ours.parent, inside.parent) == (theirs.context, ours.context)
