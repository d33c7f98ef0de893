"""Ways for an HTTP endpoint to go wrong: before acting (500, time-out), after (the reply is lost), or late."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.world import World

ACTING = frozenset({"lose_reply", "act_late"})  # kinds that do what was asked; the others do nothing


async def drop_connection(request: Request) -> Response:
    """Close the connection with no reply, as a broken network does. Only under uvicorn, whose transport is used."""
    cycle: Any = getattr(request.receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is not None:
        transport.abort()
        await asyncio.sleep(0)
    return Response(status_code=502)


async def hang(request: Request, seconds: float) -> Response:
    """Answer nothing for `seconds` of real time (or until the caller goes away), then close the connection."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    try:
        async with asyncio.timeout(seconds):
            await gone()
    except TimeoutError:
        pass
    return await drop_connection(request)


async def late(world: World, seconds: float) -> None:
    """Wait `seconds` of real time before acting, even if the caller has long given up; the sandbox isn't quiet then."""
    world.late += 1
    try:
        await asyncio.sleep(seconds)
    finally:
        world.late -= 1
