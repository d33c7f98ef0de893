"""Large files pass through the gateway as they come, and only so large ones."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request

from crossdock.service import errors

KB = b"x" * 1024


@pytest.fixture
async def pieces() -> list[int]:
    return []


@pytest.fixture
async def ingest(free_port: int, pieces: list[int]) -> AsyncIterator[str]:
    """A service that takes files and tells how much came; it notes each piece as it comes."""
    app = FastAPI()
    errors.install(app)

    @app.post("/imports", status_code=202)
    async def take(request: Request, channel: str) -> dict[str, Any]:
        async for piece in request.stream():
            pieces.append(len(piece))  # noqa: PERF401 - the test looks at them while they come
        return {"channel": channel, "bytes": sum(pieces), "actor": request.headers["x-crossdock-actor"]}

    server = uvicorn.Server(uvicorn.Config(app, port=free_port, log_config=None))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{free_port}"
    server.should_exit = True
    await task


async def test_a_file_is_passed_on_while_it_still_comes(start: Any, ingest: str, pieces: list[int]) -> None:
    async with start(order_ingest_url=ingest) as gateway:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield KB * 1024
            for _ in range(100):  # the end comes only after the beginning has arrived
                if sum(pieces) > 32 * 2**20:
                    break
                await asyncio.sleep(0.05)
            assert sum(pieces) > 32 * 2**20
            yield b""

        reply = await gateway.client.post("/v1/imports", params={"channel": "Phone"}, content=body())
        assert (reply.status_code, reply.json()) == (
            202,
            {"channel": "Phone", "bytes": 64 * 2**20, "actor": "bootstrap"},
        )


async def test_a_file_over_the_limit_is_refused_whether_it_says_so_or_not(
    start: Any, ingest: str, pieces: list[int]
) -> None:
    async with start(order_ingest_url=ingest, upload_bytes=2**20) as gateway:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(2 * 1024):
                yield KB

        for content in (KB * 1025, body()):
            pieces.clear()
            reply = await gateway.client.post("/v1/imports", params={"channel": "Phone"}, content=content)
            assert (reply.status_code, reply.json()["message"]) == (413, "The file is larger than 1 MB.")
            assert sum(pieces) <= 2**20
