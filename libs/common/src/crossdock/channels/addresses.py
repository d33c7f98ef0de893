"""Where calls to the outside may go: to public addresses, and to those private hosts that the installation names.

Guards: the address that was checked is the one that is connected to; a name that resolves otherwise a moment later
(DNS rebinding) changes nothing. Whoever may type a channel's base URL thereby reaches no server inside.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterable

import httpcore
from httpcore import AsyncNetworkStream

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that end in an IPv4 address which a gateway calls (RFC 6052)."""

_private_hosts: frozenset[str] = frozenset()


class PrivateAddress(Exception):
    """The host has no public address, and is none of the private hosts that may be called."""


def allow_private(hosts: str) -> None:
    """Let these hosts (comma-separated, as base URLs name them) have private addresses, for the whole process."""
    global _private_hosts
    _private_hosts = frozenset(host.strip().strip("[]").lower() for host in hosts.split(",") if host.strip())


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also when it wraps another one (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is None and address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
    return address.is_global and not address.is_multicast


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host that may be connected to, best first. Raises PrivateAddress, and OSError when the name
    is unknown."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    every = list(dict.fromkeys(str(one[4][0]) for one in found))
    if host.lower() in _private_hosts:
        return every
    public = [one for one in every if is_public(ipaddress.ip_address(one.partition("%")[0]))]
    if not public:
        raise PrivateAddress
    return public


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects where it may. Raises PrivateAddress before any packet leaves."""

    def __init__(self) -> None:
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """A connection to the first address that answers; each has its share of the time that is left."""
        end = time.monotonic() + (timeout or 60.0)
        try:
            async with asyncio.timeout(timeout):
                left = await addresses_of(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError:
            raise httpcore.ConnectError("the host's name is unknown") from None
        while True:
            share = max(0.1, (end - time.monotonic()) / len(left))
            address, *left = left
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not left:
                    raise

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)
