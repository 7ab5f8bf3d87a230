"""`span` around generators and async generators."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from itertools import count, zip_longest
from types import coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode, get_current_span

from lambda_otel import span, traced_handler

pytestmark = pytest.mark.usefixtures("nothing_complains")


def current() -> str | None:
    """Name of the current span."""
    return getattr(get_current_span(), "name", None)


def test_generator_has_its_span_current_in_each_step_and_its_caller_never(spans: Any) -> None:
    @span("numbers")
    def numbers() -> Iterator[tuple[int, str | None]]:
        yield 1, current()
        with span("inside"):
            pass
        yield 2, current()

    with span("caller"):
        for number, inside in numbers():
            assert (inside, current()) == ("numbers", "caller")
            with span(f"between {number}"):
                pass
    ended = {entry.name: entry for entry in spans.take()}
    assert list(ended) == ["between 1", "inside", "between 2", "numbers", "caller"]
    caller = ended["caller"].context
    assert ended["numbers"].parent == ended["between 1"].parent == ended["between 2"].parent == caller
    assert ended["inside"].parent == ended["numbers"].context


def test_async_generator_has_its_span_current_in_each_step_and_its_caller_never(spans: Any) -> None:
    @span("numbers")
    async def numbers() -> AsyncIterator[tuple[int, str | None]]:
        for number in (1, 2):
            await asyncio.sleep(0)
            yield number, current()

    async def main() -> None:
        with span("caller"):
            async for _, inside in numbers():
                assert (inside, current()) == ("numbers", "caller")

    asyncio.run(main())
    numbers_span, caller = spans.take()
    assert (numbers_span.name, numbers_span.parent) == ("numbers", caller.context)


def test_span_lasts_from_the_first_step_to_the_last(spans: Any) -> None:
    @span("numbers")
    def numbers() -> Iterator[int]:
        yield 1

    generator = numbers()
    with span("first step"):
        next(generator)
    with span("last step"):
        assert list(generator) == []
    first, numbers_span, last = spans.take()
    assert numbers_span.parent == first.context
    assert first.start_time <= numbers_span.start_time <= first.end_time
    assert last.start_time <= numbers_span.end_time <= last.end_time


def test_generators_that_take_turns_keep_to_their_own_spans(spans: Any) -> None:
    @span("numbers")
    def numbers(name: str) -> Iterator[bool]:
        mine = get_current_span()
        mine.set_attribute("name", name)
        while True:
            yield get_current_span() is mine

    first, second = numbers("first"), numbers("second")
    assert all((next(first), next(second), next(first), next(second)))
    second.close()
    assert next(first)
    first.close()
    assert [entry.attributes["name"] for entry in spans.take()] == ["second", "first"]


def test_generator_that_is_never_stepped_has_no_span(spans: Any) -> None:
    ran = []

    @span
    def numbers() -> Iterator[int]:
        ran.append(1)
        yield 1

    numbers()
    numbers().close()
    with pytest.raises(KeyError):
        numbers().throw(KeyError())
    assert (spans.take(), ran) == ([], [])


def test_exception_of_a_generator_is_recorded_and_goes_on_as_the_same_object(spans: Any) -> None:
    error = ValueError("broken")

    @span("numbers")
    def numbers() -> Iterator[int]:
        yield 1
        raise error

    generator = numbers()
    next(generator)
    with pytest.raises(ValueError, match="broken") as caught:
        next(generator)
    assert caught.value is error
    ended = spans.one()
    assert (ended.status.status_code, [event.name for event in ended.events]) == (StatusCode.ERROR, ["exception"])
    with pytest.raises(StopIteration):
        next(generator)


def test_closing_a_generator_is_no_error(spans: Any) -> None:
    cleaned = []

    @span("numbers")
    def numbers() -> Iterator[int]:
        try:
            yield 1
        finally:
            cleaned.append(current())

    generator = numbers()
    next(generator)
    generator.close()
    assert cleaned == ["numbers"]
    assert spans.one().status.status_code is StatusCode.UNSET


def test_generator_that_is_dropped_ends_its_span_in_whatever_context_that_happens(spans: Any) -> None:
    @span("numbers")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    held = [numbers()]
    contextvars.copy_context().run(next, held[0])
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join(10)
    gc.collect()
    assert (spans.one().status.status_code, current()) == (StatusCode.UNSET, None)


def test_generator_that_each_step_takes_in_another_context_makes_one_span(spans: Any) -> None:
    @span("numbers")
    def numbers() -> Iterator[str | None]:
        yield current()
        yield current()

    generator = numbers()
    assert [contextvars.copy_context().run(next, generator, None) for _ in range(3)] == ["numbers", "numbers", None]
    assert spans.one().name == "numbers"


def test_generator_that_is_left_unfinished_by_a_handler_leaks_nothing(spans: Any) -> None:
    @span("numbers")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    held = []

    @traced_handler
    def handler(event: Any, context: Any) -> int:
        held.append(numbers())
        return next(held[-1])

    assert [handler({}, None), handler({}, None)] == [1, 1]
    first, second = spans.take()
    assert first.name == second.name == "lambda"
    for invocation in (first, second):
        held.pop(0)
        assert spans.one().parent == invocation.context


def test_what_a_generator_yields_and_what_is_sent_to_it_is_not_kept_alive() -> None:
    class Chunk:
        """Large."""

    @span
    def chunks() -> Iterator[Chunk]:
        while True:
            with contextlib.suppress(KeyError):
                yield Chunk()

    generator = chunks()
    for step in (generator.__next__, lambda: generator.send(Chunk()), lambda: generator.throw(KeyError())):
        chunk = weakref.ref(step())
        assert chunk() is None
    sent = Chunk()
    seen = weakref.ref(sent)
    generator.send(sent)
    del sent
    assert seen() is None
    generator.close()


def test_nested_generators_nest_their_spans_through_yield_from(spans: Any) -> None:
    @span("inner")
    def inner() -> Generator[str | None, Any, str]:
        got = yield current()
        return got

    @span("outer")
    def outer() -> Generator[Any, Any, Any]:
        result = yield from inner()
        yield result, current()

    generator = outer()
    assert next(generator) == "inner"
    assert generator.send("sent") == ("sent", "outer")
    generator.close()
    inner_span, outer_span = spans.take()
    assert inner_span.parent == outer_span.context


def test_generator_of_a_context_manager_surrounds_the_block_without_being_current_in_it(spans: Any) -> None:
    @contextlib.contextmanager
    @span("resource")
    def resource() -> Iterator[str | None]:
        yield current()

    with resource() as inside:
        assert (inside, current()) == ("resource", None)
    assert spans.one().status.status_code is StatusCode.UNSET
    with pytest.raises(KeyError), resource():
        raise KeyError
    assert spans.one().attributes["error.type"] == "KeyError"


def test_methods_and_static_methods_can_be_generators(spans: Any) -> None:
    class Shop:
        @span
        def items(self) -> Iterator[Any]:
            yield self

        @span
        @staticmethod
        def all() -> Iterator[str | None]:
            yield current()

    shop = Shop()
    assert list(shop.items()) == [shop]
    assert [name.rpartition(".")[2] for name in Shop.all()] == ["all"]
    assert [entry.name.rpartition(".")[2] for entry in spans.take()] == ["items", "all"]


# Async generators in an event loop


def test_async_generator_that_is_closed_by_another_task_ends_its_span(spans: Any) -> None:
    cleaned = []

    @span("numbers")
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            cleaned.append(current())

    async def main() -> None:
        generator = numbers()
        with span("caller"):
            await generator.__anext__()
        await asyncio.create_task(generator.aclose())
        assert current() is None

    asyncio.run(main())
    assert cleaned == ["numbers"]
    caller, ended = spans.take()
    assert (ended.parent, ended.status.status_code) == (caller.context, StatusCode.UNSET)


def test_async_generator_that_is_dropped_is_closed_by_the_loop_and_ends_its_span(spans: Any) -> None:
    cleaned = []

    @span("numbers")
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            cleaned.append(current())

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert cleaned == ["numbers"]
    assert spans.one().status.status_code is StatusCode.UNSET


def test_async_generator_that_outlives_its_loop_is_closed_with_it(spans: Any) -> None:
    cleaned, held = [], []

    @span("numbers")
    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cleaned.append(current())

    async def main() -> None:
        held.append(numbers())
        await held[0].__anext__()

    asyncio.run(main())
    assert cleaned == ["numbers"]
    assert spans.one().status.status_code is StatusCode.UNSET


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13 Python itself loses such generators")
def test_async_generator_that_is_thrown_away_in_the_middle_of_a_step_ends_its_span(spans: Any) -> None:
    @span("numbers")
    async def numbers() -> AsyncGenerator[int, None]:
        await asyncio.Future()
        yield 1

    async def consume() -> None:
        async for _ in numbers():
            pass

    async def main() -> None:
        consuming = consume()
        contextvars.copy_context().run(consuming.send, None)
        del consuming
        gc.collect()
        await asyncio.sleep(0)
        assert current() is None

    asyncio.run(main())
    assert spans.one().status.status_code is StatusCode.UNSET


def test_cancellation_reaches_an_async_generator_and_is_recorded(spans: Any) -> None:
    @span("numbers")
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(60)

    async def consume() -> None:
        async for _ in numbers():
            pass

    async def main() -> None:
        task = asyncio.create_task(consume())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert spans.one().attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_async_generator_keeps_the_hooks_of_its_loop_in_place(spans: Any) -> None:
    @span
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1

    async def main() -> None:
        before = sys.get_asyncgen_hooks()
        async for _ in numbers():
            assert sys.get_asyncgen_hooks() == before

    asyncio.run(main())


# The same as without the decorator, whatever is done to it

Step = tuple[str, str]
STEPS = st.lists(
    st.tuples(st.sampled_from(["go", "return", "raise", "stop"]), st.sampled_from(["pass", "swallow", "return", "raise", "stop"])),
    max_size=4,
)
MOVES = st.lists(
    st.one_of(
        st.just(("next",)),
        st.tuples(st.just("send"), st.one_of(st.none(), st.integers(0, 9))),
        st.tuples(st.just("throw"), st.sampled_from([KeyError, StopIteration, StopAsyncIteration, GeneratorExit, KeyboardInterrupt])),
        st.just(("close",)),
    ),
    max_size=7,
)


def react(how: str, stop: type[BaseException]) -> Any:
    """What a body does after a step."""
    if how == "raise":
        raise LookupError("own")
    if how == "stop":
        raise stop
    return how == "return"


def body(steps: list[Step], log: list[Any]) -> Generator[Any, Any, Any]:
    """A generator that follows a script and notes what reaches it."""
    for number, (after, on_error) in enumerate(steps):
        try:
            log.append((yield number))
        except BaseException as error:
            log.append(type(error))
            if on_error == "pass":
                raise
            if react(on_error, StopIteration):
                return "caught"
        else:
            if react(after, StopIteration):
                return "returned"
    return "end"


@coroutine
def suspend() -> Generator[None, None, None]:
    """An awaitable that suspends once."""
    yield


async def async_body(steps: list[Step], log: list[Any]) -> AsyncGenerator[Any, Any]:
    """The same as an async generator that also waits."""
    await suspend()
    for number, (after, on_error) in enumerate(steps):
        try:
            log.append((yield number))
            await suspend()
        except BaseException as error:
            log.append(type(error))
            await suspend()
            if on_error == "pass":
                raise
            if react(on_error, StopAsyncIteration):
                return
        else:
            if react(after, StopAsyncIteration):
                return


def finished(awaitable: Any) -> Any:
    """Runs an awaitable to its end without a loop."""
    steps = awaitable.__await__()
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def observe(move: Callable[[], Any], thrown: BaseException | None) -> Any:
    """What a caller sees of one move."""
    try:
        return "yielded", str(move())
    except BaseException as error:
        return type(error), str(error), error is thrown, getattr(error, "value", None), type(error.__cause__), type(error.__context__)


def drive(generator: Any, moves: list[Any]) -> Iterator[Any]:
    """What a caller sees of all moves, and of closing it in the end until it is closed."""
    for kind, *arguments in moves:
        thrown = arguments[0]("thrown") if kind == "throw" else None
        move = {"next": generator.__next__, "send": generator.send, "throw": generator.throw, "close": generator.close}[kind]
        yield observe(lambda: move(*([thrown] if thrown else arguments)), thrown)  # noqa: B023
    while (seen := observe(generator.close, None))[0] is RuntimeError:
        yield seen
    yield seen


def drive_async(generator: Any, moves: list[Any]) -> Iterator[Any]:
    """The same for an async generator."""
    for kind, *arguments in moves:
        thrown = arguments[0]("thrown") if kind == "throw" else None
        move = {"next": generator.__anext__, "send": generator.asend, "throw": generator.athrow, "close": generator.aclose}[kind]
        yield observe(lambda: finished(move(*([thrown] if thrown else arguments))), thrown)  # noqa: B023
    while (seen := observe(lambda: finished(generator.aclose()), None))[0] is RuntimeError:
        yield seen
    yield seen


EXAMPLES = count()


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What Python would say of generators that refuse to be closed."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(type(unraisable.exc_value)))
    yield seen
    gc.collect()


@pytest.mark.parametrize(("plain", "drive"), [(body, drive), (async_body, drive_async)], ids=["generator", "async generator"])
@settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, moves=MOVES)
def test_whatever_is_done_to_it_a_generator_does_as_without_the_decorator(
    plain: Any, drive: Any, spans: Any, ignored: list[Any], steps: list[Step], moves: list[Any]
) -> None:
    name = f"body {next(EXAMPLES)}"
    log: list[Any] = []
    decorated_log: list[Any] = []

    def compare() -> list[Any]:
        expected = list(drive(plain(steps, log), moves))
        for entry, wanted in zip_longest(drive(span(name)(plain)(steps, decorated_log), moves), expected):
            assert entry == wanted
            assert current() is None
        assert decorated_log == log
        return expected

    # In a context of its own, as a generator that refuses to be closed may leave one current.
    seen = contextvars.copy_context().run(compare)
    if log and not any("ignored GeneratorExit" in text for _, text, *_ in seen):
        assert [entry.name for entry in spans.take() if entry.name.startswith("body")].count(name) == 1
