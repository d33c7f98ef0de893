"""HTTP to the outside for every connector: one client per event loop, distrusted addresses, typed failures.

Guards: a failure says whether the request may have reached the other side. What certainly did not is `Retryable`; a
write that may have is `Unknown`.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import certifi
import orjson
from yarl import URL

from crossdock.channels.addresses import GuardedResolver, PrivateAddress, refuse_private
from crossdock.channels.errors import Permanent, RateLimited, Retryable, Unknown
from crossdock.channels.protocols import ChannelAccess

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
IDLE_SECONDS = 5.0
MAX_CONNECTIONS = 200
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
"""No connection came about."""

LOST = (aiohttp.ClientError, OSError)
"""Whatever else goes wrong under way."""


@dataclass(frozen=True, slots=True)
class _Client:
    """Connections to the outside of one event loop; the proxies that the environment names, by scheme."""

    session: aiohttp.ClientSession
    proxies: dict[str, str]


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer: status, lower-case headers, body within the size cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


@asynccontextmanager
async def exchange(
    method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send one request to a public address and read its answer; follows no redirect, keeps no cookie.

    Reaches loopback without any proxy. `url` is sent as it is: what must be quoted in it is. Raises PrivateAddress,
    NOT_SENT, LOST, TimeoutError, and ValueError when no request can be made of it.
    """
    found = _client()
    target = URL(url, encoded=True)
    host = target.raw_host or ""
    refuse_private(host)
    proxy = None
    if found.proxies and not _is_loopback(host) and not proxy_bypass(host):
        proxy = found.proxies.get(target.scheme)
    async with found.session.request(
        method, target, headers=headers, data=content, proxy=proxy, allow_redirects=False
    ) as response:
        yield response


def _client() -> _Client:
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        proxies = getproxies()
        connector = aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS,
            keepalive_timeout=IDLE_SECONDS,
            resolver=GuardedResolver({urlsplit(proxy).hostname or "" for proxy in proxies.values()}),
            use_dns_cache=False,
            ssl=ssl.create_default_context(cafile=certifi.where()),
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        found = _clients[loop] = _Client(session, proxies)
    return found


async def close_client() -> None:
    """Close the connections of the running event loop; to be called when a service stops."""
    if (found := _clients.pop(asyncio.get_running_loop(), None)) is not None:
        await found.session.close()


def checked_base_url(access: ChannelAccess) -> str:
    """The channel's base URL without a trailing slash. Raises Permanent unless it is https (http only to loopback or
    with the setting `allow_http`) and carries no user, query or fragment."""
    url = access.base_url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or any(c.isspace() or ord(c) < 32 for c in url):
        raise Permanent("the channel's base URL is no http(s) address: correct it", "bad_base_url")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise Permanent("the channel's base URL must not hold a user, a query or a fragment", "bad_base_url")
    if parts.scheme == "http" and not _is_loopback(host) and access.settings.get("allow_http") is not True:
        raise Permanent("the channel's base URL must be https (or set allow_http for this channel)", "bad_base_url")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def call(
    access: ChannelAccess,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    query: Mapping[str, str] | None = None,
    write: bool,
    who: str,
) -> Answer:
    """Send one request and read its whole answer, whatever its status.

    `body` goes out as JSON; `write` says whether it may change something; `who` names the other side in sentences.
    The channel setting `timeout_seconds` bounds the whole exchange. Raises Retryable, Unknown, Permanent.
    """
    url = checked_base_url(access) + path + ("" if query is None else f"?{urlencode(query)}")
    content = None if body is None else orjson.dumps(body)
    sent = {"accept": "application/json", **headers}
    if content is not None:
        sent["content-type"] = "application/json"
    seconds = _seconds_of(access)
    try:
        async with asyncio.timeout(seconds), exchange(method, url, headers=sent, content=content) as response:
            told = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, told, await _read(response, write, who))
    except PrivateAddress:
        sentence = f"the address of {who} is a private one: name its host in the setting CROSSDOCK_PRIVATE_HOSTS"
        raise Permanent(sentence, "private_address") from None
    except NOT_SENT:
        raise Retryable(f"{who} could not be reached") from None
    except ValueError:
        raise Permanent(f"no request to {who} can be built: check base URL and token", "bad_request") from None
    except TimeoutError:
        raise _lost(f"{who} did not answer within {seconds:g} seconds", write) from None
    except LOST:
        raise _lost(f"the connection to {who} was lost before it answered", write) from None


def _seconds_of(access: ChannelAccess) -> float:
    told = access.settings.get("timeout_seconds")
    return float(told) if isinstance(told, int | float) and 0 < told <= 300 else TOTAL_SECONDS


async def _read(response: aiohttp.ClientResponse, write: bool, who: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            sentence = f"{who} answered with more than {MAX_RESPONSE_BYTES} bytes"
            raise Unknown(sentence) if write else Permanent(sentence, "answer_too_large")
        chunks.append(chunk)
    return b"".join(chunks)


def _lost(sentence: str, write: bool) -> Unknown | Retryable:
    return Unknown(f"{sentence}: it may have happened") if write else Retryable(sentence)


def retry_after(headers: Mapping[str, str], default: float) -> float:
    """Seconds to wait as the `Retry-After` header says (a float; dates are not used by our vendors), within an hour."""
    try:
        seconds = float(headers.get("retry-after", default))
    except ValueError:
        return default
    return min(max(seconds, 0.1), 3600.0) if seconds == seconds else default


def raise_for_server_trouble(answer: Answer, *, write: bool, who: str) -> None:
    """Raise RateLimited for 429, and for 5xx Retryable after a read, Unknown after a write."""
    if answer.status == 429:
        raise RateLimited(f"{who} asks to slow down", retry_after(answer.headers, 2.0))
    if answer.status >= 500:
        if write:
            raise Unknown(f"{who} failed with HTTP {answer.status}: it may have happened")
        raise Retryable(f"{who} failed with HTTP {answer.status}", retry_after(answer.headers, 5.0))
