"""Streams a file of lines from an address that a channel named, from a place on, in memory of one line."""

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import aiohttp

from crossdock.channels import http
from crossdock.channels.addresses import PrivateAddress
from crossdock.channels.errors import Permanent, Retryable
from crossdock.channels.protocols import ChannelAccess

QUIET_SECONDS = 20.0
"""So long a download may stand still."""


async def lines(
    access: ChannelAccess, url: str, offset: int, *, longest: int, who: str
) -> AsyncGenerator[tuple[bytes, int], None]:
    """The lines from byte `offset` on, each with the place behind it; the access token is not sent along.

    Raises Retryable, and Permanent for an address that is none (https only, http as far as the channel may) and for a
    line of more than `longest` bytes.
    """
    parts = urlsplit(url)
    http.checked_base_url(ChannelAccess(f"{parts.scheme}://{parts.netloc}", "", access.settings))
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={offset}-"} if offset else {})
    try:
        async with http.exchange("GET", url, headers=headers) as response:
            if response.status == 416:
                return
            if response.status not in (200, 206):
                raise Retryable(f"{who}'s file could not be downloaded (HTTP {response.status})")
            skip = offset if response.status == 200 else 0
            async for found in _split(response, skip, offset - skip, longest, who):
                yield found
    except PrivateAddress:
        raise Permanent(f"the address of {who}'s file is a private one", "private_address") from None
    except (TimeoutError, *http.LOST):
        raise Retryable(f"the download of {who}'s file was interrupted") from None


async def _split(
    response: aiohttp.ClientResponse, skip: int, place: int, longest: int, who: str
) -> AsyncGenerator[tuple[bytes, int], None]:
    rest = b""
    chunks = aiter(response.content.iter_chunked(http.CHUNK_BYTES))
    while True:
        async with asyncio.timeout(QUIET_SECONDS):
            chunk = await anext(chunks, None)
        if chunk is None:
            break
        if skip:
            skipped = min(skip, len(chunk))
            chunk, skip, place = chunk[skipped:], skip - skipped, place + skipped
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            place += len(line) + 1
            if line:
                yield line, place
        if len(rest) > longest:
            raise Permanent(f"{who}'s file holds a line of more than {longest} bytes", "line_too_long")
    if rest:
        yield rest, place + len(rest)
