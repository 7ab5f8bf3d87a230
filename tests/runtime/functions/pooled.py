"""Work that a handler hands to other threads and tasks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from lambda_otel import span, traced_handler

pool = ThreadPoolExecutor(4)


@span
def load(number):
    return number * 2


@span
async def fetch(number):
    await asyncio.sleep(0.01 * (3 - number))
    return number * 2


@traced_handler
def threads(event, context):
    with span("fan out"):
        futures = [pool.submit(copy_context().run, load, number) for number in range(8)]
    return [future.result() for future in futures]


@traced_handler
async def tasks(event, context):
    with span("fan out"):
        gathered = await asyncio.gather(*(fetch(number) for number in range(3)))
        return [*gathered, await asyncio.to_thread(load, 7)]
