"""No channel leads to a server inside: the address that is connected to is checked, not the name.

It would fail: without the guarded transport the tests that expect `private_address` reach the listening server.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from crossdock.channels import addresses, http
from crossdock.channels.addresses import PrivateAddress, addresses_of, allow_private, is_public
from crossdock.channels.errors import Permanent, Retryable
from crossdock.channels.protocols import ChannelAccess
from crossdock.testing.plugin import LOOPBACK

PRIVATE = (
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "23.227.38.74", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


@pytest.fixture(autouse=True)
def no_private_hosts() -> Iterator[None]:
    allow_private("")
    yield
    allow_private(LOOPBACK)


@pytest.fixture
async def inside() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server inside that must never be asked; its port, and what it was sent."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], seen
    server.close()
    await server.wait_closed()
    await http.close_client()


async def get(url: str) -> Any:
    access = ChannelAccess(url, "token", {"allow_http": True})
    return await http.call(access, "GET", "/", headers={}, write=False, who="the channel")


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these addresses, another list each time; returns the names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_refused_however_they_are_written(address: str) -> None:
    with pytest.raises(PrivateAddress):
        await addresses_of(address, 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_may_be_called(address: str) -> None:
    assert await addresses_of(address, 443) == [address]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_a_channel_inside_is_told_in_a_sentence_and_never_called(
    inside: tuple[int, list[bytes]], host: str
) -> None:
    port, seen = inside
    with pytest.raises(Permanent) as refused:
        await get(f"http://{host}:{port}")
    assert refused.value.code == "private_address"
    assert "CROSSDOCK_PRIVATE_HOSTS" in refused.value.sentence
    assert seen == []


async def test_digits_of_another_script_write_an_address_as_well(inside: tuple[int, list[bytes]]) -> None:
    """Names are normalised on their way to the wire: `１２７.０.０.１` becomes loopback."""
    port, seen = inside
    with pytest.raises(Permanent):
        await get(f"http://１２７.０.０.１:{port}")
    assert seen == []


async def test_the_proxy_of_the_installation_may_be_inside_and_is_asked_instead(
    inside: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = inside
    resolving(monkeypatch, ["127.0.0.1"])
    monkeypatch.setenv("http_proxy", f"http://proxy.internal.example:{port}")
    assert (await get("http://store.example.com")).status == 200
    assert seen[0].startswith(b"GET http://store.example.com/ HTTP/1.1")
    monkeypatch.setenv("no_proxy", "store.example.com")
    with pytest.raises(Permanent, match="private"):
        await get("http://store.example.com")
    assert len(seen) == 1


async def test_a_name_that_resolves_inside_is_refused(
    inside: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = inside
    resolving(monkeypatch, ["127.0.0.1"])
    with pytest.raises(Permanent) as refused:
        await get(f"http://store.example.com:{port}")
    assert (refused.value.code, seen) == ("private_address", [])


async def test_a_name_that_resolves_otherwise_a_moment_later_gains_nothing(
    inside: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once; what was checked is what is called."""
    port, seen = inside
    monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.2")
    asked = resolving(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    with pytest.raises(Retryable):
        await get(f"http://store.example.com:{port}")
    assert (asked, seen) == (["store.example.com"], [])


async def test_of_several_addresses_only_the_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["10.0.0.1", "1.1.1.1", "169.254.169.254", "1.0.0.1"])
    assert await addresses_of("store.example.com", 443) == ["1.1.1.1", "1.0.0.1"]


async def test_the_next_address_is_tried_when_one_does_not_answer(
    inside: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = inside
    allow_private("warehouse.example.com")
    resolving(monkeypatch, ["127.0.0.3", "127.0.0.1"])
    assert (await get(f"http://warehouse.example.com:{port}")).status == 200
    assert len(seen) == 1


async def test_a_private_host_that_is_named_may_be_called_and_its_neighbours_not(
    inside: tuple[int, list[bytes]],
) -> None:
    port, seen = inside
    allow_private("wms.internal.example, 127.0.0.1")
    assert (await get(f"http://127.0.0.1:{port}")).status == 200
    with pytest.raises(Permanent):
        await get(f"http://127.0.0.2:{port}")
    assert len(seen) == 1


async def test_a_redirect_inside_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    allow_private("127.0.0.1")
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    assert (await get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")).status == 302
    server.close()
    await server.wait_closed()
    await http.close_client()


def test_what_wraps_an_address_is_judged_by_it() -> None:
    from ipaddress import ip_address

    assert not is_public(ip_address("2002:a9fe:a9fe::1"))
    assert is_public(ip_address("2002:101:101::1"))
