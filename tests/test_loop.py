"""The event loop of async handlers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambda_otel import span, traced_handler

pytestmark = pytest.mark.usefixtures("nothing_complains")


@traced_handler
async def loop_of(event: Any, context: Any) -> asyncio.AbstractEventLoop:
    """The loop that it runs on."""
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


def test_loop_is_kept_between_invocations_with_what_was_made_on_it(spans: Any) -> None:
    kept: dict[str, Any] = {}

    @traced_handler
    async def handler(event: Any, context: Any) -> Any:
        if not kept:
            kept["future"] = asyncio.get_running_loop().create_future()
            kept["task"] = asyncio.create_task(asyncio.wait_for(kept["future"], 10))
            await asyncio.sleep(0)
            return None
        kept["future"].set_result("from the first invocation")
        return await kept["task"]

    assert [handler({}, None), handler({}, None)] == [None, "from the first invocation"]
    assert loop_of({}, None) is loop_of({}, None)


def test_all_async_handlers_share_the_loop(spans: Any) -> None:
    other: Callable[..., Any] = traced_handler(loop_of.__wrapped__)  # type: ignore[attr-defined]
    assert other({}, None) is loop_of({}, None)


@pytest.mark.parametrize("error", [ValueError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=type)
def test_loop_goes_on_after_a_handler_that_raised(error: BaseException, spans: Any) -> None:
    @traced_handler
    async def handler(event: Any, context: Any) -> None:
        await asyncio.sleep(0)
        raise error

    before = loop_of({}, None)
    with pytest.raises(type(error)) as caught:
        handler({}, None)
    assert caught.value is error
    assert loop_of({}, None) is before


def test_loop_that_the_users_code_closed_is_replaced(spans: Any) -> None:
    before = loop_of({}, None)
    before.close()
    after = loop_of({}, None)
    assert after is not before
    assert not after.is_closed()


def test_async_handlers_run_at_a_time_in_several_threads(spans: Any) -> None:
    barrier = threading.Barrier(3)

    @traced_handler
    async def handler(event: Any, context: Any) -> Any:
        await asyncio.to_thread(barrier.wait, 10)
        return event

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(handler, range(3), [None] * 3)) == [0, 1, 2]
    assert len(spans.take()) == 3


def test_task_that_a_handler_leaves_behind_is_not_in_the_next_invocation(spans: Any) -> None:
    left: list[Any] = []

    @span("left behind")
    async def work(event: asyncio.Event) -> None:
        await event.wait()

    @traced_handler
    async def handler(event: Any, context: Any) -> None:
        if not left:
            go = asyncio.Event()
            left.extend([go, asyncio.create_task(work(go))])
            await asyncio.sleep(0)
        else:
            left[0].set()
            await left[1]

    handler({}, None)
    first = spans.one()
    handler({}, None)
    behind, second = spans.take()
    assert (behind.parent, second.parent) == (first.context, None)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python of its own, where warnings are errors."""
    arguments = [sys.executable, "-W", "error", "-X", "dev", "-c", textwrap.dedent(code)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={"OTEL_TRACES_EXPORTER": "none"}, check=False)


def test_loop_is_closed_at_the_end_of_the_process_without_a_word() -> None:
    done = run_python("""
        import asyncio
        from lambda_otel import traced_handler

        @traced_handler
        async def handler(event, context):
            await asyncio.sleep(0)
            return event

        print(handler(1, None), handler(2, None))
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 2\n", "")


def test_asyncio_is_imported_only_for_async_handlers() -> None:
    done = run_python("""
        import sys
        from opentelemetry import trace
        from opentelemetry.sdk.version import __version__
        before = "asyncio" in sys.modules

        from lambda_otel import span, traced_handler, traced_record

        work = span(lambda: 1)
        handler = traced_handler(lambda event, context: work())
        print(handler({}, None), ("asyncio" in sys.modules) == before)

        @traced_handler
        async def asynchronous(event, context):
            return 2

        print(("asyncio" in sys.modules) == before, asynchronous({}, None), "asyncio" in sys.modules)
    """)
    assert (done.stdout, done.stderr) == ("1 True\nTrue 2 True\n", "")
