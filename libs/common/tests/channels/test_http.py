"""Calls to the outside go only where they may, end in time, and say whether they may have happened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crossdock.channels import http
from crossdock.channels.errors import ChannelError, Permanent, Retryable, Unknown
from crossdock.channels.http import Answer, call, checked_base_url, retry_after
from crossdock.channels.protocols import ChannelAccess


def access(base_url: str, **settings: Any) -> ChannelAccess:
    return ChannelAccess(base_url, "token", settings)


@pytest.mark.parametrize(
    "url",
    [
        "https://one.example.com",
        "https://one.example.com/path/",
        "http://127.0.0.1:8080/shopify/x",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_https_and_loopback_are_let_through(url: str) -> None:
    assert checked_base_url(access(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "one.example.com",
        "ftp://one.example.com",
        "file:///etc/passwd",
        "http://one.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "https://user:secret@one.example.com",
        "https://one.example.com?x=1",
        "https://one.example.com#x",
        "https://one.example.com\n",
        "https://[bad",
        "https://one.example.com:99999",
        "https://",
    ],
)
def test_every_other_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(Permanent) as refused:
        checked_base_url(access(url))
    assert refused.value.code == "bad_base_url"
    assert "secret" not in refused.value.sentence


def test_plain_http_needs_a_setting() -> None:
    assert checked_base_url(access("http://10.0.0.1", allow_http=True)) == "http://10.0.0.1"
    with pytest.raises(Permanent):
        checked_base_url(access("http://10.0.0.1", allow_http="yes"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-5", 0.1), ("99999", 3600.0), ("Fri, 20 Nov 2026 12:00:00 GMT", 7.0), ("nan", 7.0)],
)
def test_retry_after_is_believed_within_reason(header: str, seconds: float) -> None:
    assert retry_after({"retry-after": header}, 7.0) == seconds


def test_retry_after_may_be_absent() -> None:
    assert retry_after({}, 7.0) == 7.0


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[ChannelAccess]:
    """A raw server that does exactly what `talk` does with each connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield access(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", timeout_seconds=0.5)
    finally:
        await http.close_client()
        listening.close()


async def send(to: ChannelAccess, write: bool) -> Answer:
    return await call(to, "POST", "/x", headers={}, body={"a": 1}, write=write, who="the test server")


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Retryable)])
async def test_a_connection_that_closes_without_an_answer_may_have_happened(
    write: bool, error: type[ChannelError]
) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    async with server(close) as to:
        with pytest.raises(error):
            await send(to, write)


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Retryable)])
async def test_a_body_that_trickles_ends_at_the_time_limit(write: bool, error: type[ChannelError]) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(20):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with server(trickle) as to:
        with pytest.raises(error, match=r"did not answer within 0\.5 seconds"):
            await send(to, write)


async def test_a_redirect_is_not_followed() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")

    async with server(redirect) as to:
        assert (await send(to, write=True)).status == 302


@pytest.mark.parametrize(("write", "error"), [(True, Unknown), (False, Permanent)])
async def test_an_endless_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, write: bool, error: type[ChannelError]
) -> None:
    monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 10_000)

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000)
        await writer.drain()

    async with server(endless) as to:
        with pytest.raises(error, match="more than 10000 bytes"):
            await send(to, write)


async def test_what_cannot_be_reached_certainly_did_not_happen() -> None:
    with pytest.raises(Retryable, match="the test server could not be reached"):
        await send(access("http://127.0.0.1:9"), write=True)
    await http.close_client()
