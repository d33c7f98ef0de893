"""Thousands of forged webhooks over HTTP into a running gateway: none is answered 2xx, and none is stored.

It would fail: when `verified` in the gateway lets a delivery through whose connector refused it.
"""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from crossdock.contracts.base import utc_now
from crossdock.testing.forgeries import Signed, forgeries, signed

pytestmark = pytest.mark.timeout(240)

NUMBER = 3000
AT_ONCE = 32
BODY = b'{"id":820982911946154508,"note":"nobody signed this"}'


def sendable(one: Signed) -> bool:
    """Whether HTTP can carry its headers, and a server has to give them to us as they are."""
    return all(value.isascii() and value.isprintable() and value == value.strip() for value in one.headers.values())


async def send_all(client: httpx.AsyncClient, path: str, more: dict[str, str], every: list[Signed]) -> Counter[int]:
    """Send them, so many at once; returns how often each status was answered."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(one: Signed) -> int:
        async with gate:
            return (await client.post(path, content=one.body, headers=one.headers | more)).status_code

    return Counter(await asyncio.gather(*(send(one) for one in every)))


@pytest.mark.parametrize("kind", ["shopify", "generic"])
async def test_no_forged_webhook_is_taken(guarded: Any, kind: str) -> None:
    market = guarded.market
    secret = market.secrets[0 if kind == "shopify" else 2]
    more = (
        {"x-shopify-shop-domain": market.shop, "x-shopify-topic": "shop/nobody_needs_this"} if kind == "shopify" else {}
    )
    with guarded.client as hub:
        [channel] = [one for one in hub.get("/v1/channels").json() if one["kind"] == kind]
    path = channel["webhook_path"]
    good = signed(kind, BODY, secret.encode(), utc_now())
    forged = [one for _, one in forgeries(good, NUMBER, seed=3) if sendable(one)]
    async with httpx.AsyncClient(base_url=market.gateway_url, timeout=30, trust_env=False) as client:
        answers = await send_all(client, path, more, forged)
        duplicated = [*good.headers.items(), *more.items()]
        for name in ("x-shopify-hmac-sha256", "webhook-signature"):
            if name in good.headers:
                twice = await client.post(path, content=b"{}", headers=[*duplicated, (name, good.headers[name])])
                assert twice.status_code == 401
        accepted = await client.post(path, content=good.body, headers=good.headers | more)
    assert set(answers) == {401}
    assert answers[401] > NUMBER / 2
    assert accepted.status_code == 200
