"""An async handler with concurrent work inside."""

import asyncio

from lambda_otel import span, traced_handler

loops = set()


@span
async def load(number):
    await asyncio.sleep(0.01)
    return number * 2


@traced_handler
async def handler(event, context):
    loops.add(asyncio.get_running_loop())
    if event["numbers"] is None:
        raise LookupError("no numbers")
    doubled = await asyncio.gather(*(load(number) for number in event["numbers"]))
    return {"doubled": doubled, "loops": len(loops)}
