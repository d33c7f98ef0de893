"""HTTP to the outside for every connector: a few clients per event loop, distrusted addresses, typed failures.

Guards: a failure says whether the request may have reached the other side. What certainly did not is `Retryable`; a
write that may have is `Unknown`.
"""

import asyncio
import ipaddress
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpcore
import httpx
import orjson

from crossdock.channels.addresses import GuardedNetwork, PrivateAddress
from crossdock.channels.errors import Permanent, RateLimited, Retryable, Unknown
from crossdock.channels.protocols import ChannelAccess

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024

POOLS = 8
"""Clients that take turns. At every request httpcore 1.0 looks at each idle connection of a pool, and for each of them
at all others: with 24 calls at once in one pool that was 40 % of the CPU."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[httpx.AsyncClient]] = WeakKeyDictionary()


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


def client() -> httpx.AsyncClient:
    """A client of the running event loop. It follows no redirects and reaches loopback without any proxy."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        trusted = httpx.create_ssl_context()
        found = _clients[loop] = deque(_new_client(trusted) for _ in range(POOLS))
    found.rotate()
    return found[0]


def _new_client(trusted: ssl.SSLContext) -> httpx.AsyncClient:
    made = httpx.AsyncClient(
        verify=trusted,
        timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        mounts={"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None},
    )
    # Given as an argument, a transport would switch the proxies of the environment off.
    made._transport = _GuardedTransport(trusted)
    return made


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """HTTP over connections that lead to public addresses only."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=25,
            max_keepalive_connections=5,
            keepalive_expiry=5.0,
            network_backend=GuardedNetwork(),
        )


async def close_client() -> None:
    """Close the clients of the running event loop; to be called when a service stops."""
    for one in _clients.pop(asyncio.get_running_loop(), ()):
        await one.aclose()


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
    url = checked_base_url(access) + path
    content = None if body is None else orjson.dumps(body)
    sent = {"accept": "application/json", **headers}
    if content is not None:
        sent["content-type"] = "application/json"
    seconds = _seconds_of(access)
    try:
        async with (
            asyncio.timeout(seconds),
            client().stream(method, url, headers=sent, content=content, params=query) as response,
        ):
            return Answer(response.status_code, dict(response.headers), await _read(response, write, who))
    except PrivateAddress:
        sentence = f"the address of {who} is a private one: name its host in the setting CROSSDOCK_PRIVATE_HOSTS"
        raise Permanent(sentence, "private_address") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
        raise Retryable(f"{who} could not be reached") from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):
        raise Permanent(f"no request to {who} can be built: check base URL and token", "bad_request") from None
    except (TimeoutError, httpx.TimeoutException):
        raise _lost(f"{who} did not answer within {seconds:g} seconds", write) from None
    except httpx.HTTPError:
        raise _lost(f"the connection to {who} was lost before it answered", write) from None


def _seconds_of(access: ChannelAccess) -> float:
    told = access.settings.get("timeout_seconds")
    return float(told) if isinstance(told, int | float) and 0 < told <= 300 else TOTAL_SECONDS


async def _read(response: httpx.Response, write: bool, who: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
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
