"""Where calls to the outside may go: to public addresses, and to those private hosts that the installation names.

Guards: the address that was checked is the one that is connected to; a name that resolves otherwise a moment later
(DNS rebinding) changes nothing. Whoever may type a channel's base URL thereby reaches no server inside.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult

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
    every = await _resolved(host, port)
    if host.lower() in _private_hosts:
        return every
    public = [one for one in every if is_public(ipaddress.ip_address(one.partition("%")[0]))]
    if not public:
        raise PrivateAddress
    return public


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def refuse_private(host: str) -> None:
    """Raise PrivateAddress when the host is written as a number that is no public address: nobody resolves such."""
    address = _written_out(host)
    if address is not None and not is_public(address) and host.lower() not in _private_hosts:
        raise PrivateAddress


def _written_out(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # `127.1` and `2130706433` are addresses too
    except (OSError, ValueError):
        return None


class GuardedResolver(AbstractResolver):
    """Resolves the names of hosts that may be called, and of the installation's own proxies. Raises PrivateAddress
    before any packet leaves, and OSError when the name is unknown."""

    def __init__(self, proxies: Collection[str]) -> None:
        self._proxies = proxies

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to try, best first."""
        found = await _resolved(host, port) if host in self._proxies else await addresses_of(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is kept open."""
