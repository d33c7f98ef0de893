"""Slow and bloated requests lose their connections; whoever sends at a bearable pace is served.

It would fail: under uvicorn's own protocol every one of these connections stays open for as long as the sender likes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from fastapi import FastAPI, Request

from crossdock.service import patience
from crossdock.service.patience import PatientProtocol

HEAD = b"POST /echo HTTP/1.1\r\nhost: here\r\n"


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server whose patience is a twentieth of the real one."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(patience, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(patience, "BODY_BYTES", 512)
    monkeypatch.setattr(patience, "WAITING", 20)
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    server = uvicorn.Server(uvicorn.Config(app, port=0, http=PatientProtocol, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


class Sender:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: int) -> "Sender":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, *pieces: bytes, every: float = 0.0) -> None:
        with suppress(ConnectionResetError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()
                await asyncio.sleep(every)

    async def answer(self) -> bytes:
        """All that comes until the server closes the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5)
        except ConnectionResetError:
            return b""
        finally:
            self.writer.close()

    async def reply(self) -> bytes:
        """One reply on a connection that stays open."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head.partition(b"\r\n")[0] + b" " + await self.reader.readexactly(length)


async def test_a_connection_that_sends_nothing_is_closed(port: int) -> None:
    sender = await Sender.to(port)
    assert b"408" in await sender.answer()


async def test_a_head_that_comes_byte_by_byte_is_cut_off_in_time(port: int) -> None:
    sender = await Sender.to(port)
    trickle = asyncio.create_task(sender.send(*(bytes([byte]) for byte in HEAD * 10), every=0.05))
    assert b"408" in await sender.answer()
    trickle.cancel()


async def test_a_second_request_on_a_connection_has_no_more_time_than_the_first(port: int) -> None:
    sender = await Sender.to(port)
    await sender.send(HEAD + b"content-length: 2\r\n\r\n{}")
    assert (await sender.reply()).endswith(b" 2")
    await sender.send(HEAD)
    assert b"408" in await sender.answer()


async def test_a_body_that_trickles_is_cut_off(port: int) -> None:
    sender = await Sender.to(port)
    await sender.send(HEAD + b"content-length: 100000\r\n\r\n")
    trickle = asyncio.create_task(sender.send(*([b"x"] * 100), every=0.05))
    assert b"200 OK" not in await sender.answer()
    trickle.cancel()


async def test_a_slow_but_steady_body_is_taken_whole(port: int) -> None:
    sender = await Sender.to(port)
    await sender.send(HEAD + b"content-length: 3000\r\n\r\n", *([b"x" * 100] * 30), every=0.05)
    assert (await sender.reply()).endswith(b" 3000")
    sender.writer.close()


async def test_a_head_too_large_is_refused_however_it_is_cut(port: int) -> None:
    for pieces in ([b"x: " + b"y" * 70_000], [b"x: " + b"y" * 1000 + b"\r\n"] * 70, [b"x" * 5000] * 20):
        sender = await Sender.to(port)
        await sender.send(HEAD, *pieces)
        assert b"200 OK" not in await sender.answer()


async def test_a_large_head_within_the_limit_is_served(port: int) -> None:
    sender = await Sender.to(port)
    await sender.send(HEAD + b"x: " + b"y" * 30_000 + b"\r\ncontent-length: 0\r\n\r\n")
    assert (await sender.reply()).endswith(b" 0")
    sender.writer.close()


async def test_whoever_waited_longest_gives_way_to_a_newcomer(port: int) -> None:
    waiting = [await Sender.to(port) for _ in range(30)]
    await asyncio.gather(*(sender.send(HEAD) for sender in waiting[-20:]))
    newcomer = await Sender.to(port)
    await newcomer.send(HEAD + b"content-length: 2\r\n\r\n{}")
    assert (await newcomer.reply()).endswith(b" 2")
    assert await waiting[0].answer() == b""
    for sender in (*waiting, newcomer):
        sender.writer.close()


async def test_many_requests_on_one_connection_are_served(port: int) -> None:
    sender = await Sender.to(port)
    for _ in range(50):
        await sender.send(HEAD + b"content-length: 2\r\n\r\n{}")
        assert (await sender.reply()).endswith(b" 2")
    sender.writer.close()
