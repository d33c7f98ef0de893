"""Access to a store that is connected: renewed in time, once, and sealed: against a simulated Shopify."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from connecting_examples import (
    SECRET,
    SHOP,
    access,
    app_of,
    approve,
    approved,
    begin,
    configure,
    connection,
    fault,
    renewals,
    works,
)

from crossdock.service import tokens
from crossdock.testing.database import TestDatabase
from sandbox.testing import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
alone = pytest.mark.asyncio(loop_scope="function")


async def test_a_token_is_renewed_before_it_ends(gateway: Any, shopify: Sandbox) -> None:
    configure(shopify, token_seconds=3, one_access_token=True)
    channel = await approved(gateway, shopify)
    end = asyncio.get_running_loop().time() + 6
    seen = set()
    while asyncio.get_running_loop().time() < end:
        reply = await access(gateway, channel)
        assert reply.status_code == 200, reply.text
        assert reply.json()["seconds"] <= 3
        seen.add(reply.json()["token"])
        await asyncio.sleep(0.2)
    assert works(shopify, reply.json()["token"])
    assert 2 <= len(seen) <= 6
    assert set(renewals(shopify)) == {"200"}


async def test_after_a_lost_reply_the_token_is_renewed_with_what_is_stored(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify)
    fault(shopify, "refresh_token", "lose_reply")
    await gateway.rows("UPDATE credential SET expires_at = now() WHERE kind = 'access_token' RETURNING 1")
    first = await access(gateway, channel)
    assert (first.status_code, first.json()["code"]) == (503, "renewing")
    assert "may have happened" in (await connection(gateway, channel))["problems"][0]

    second = await access(gateway, channel)
    assert works(shopify, second.json()["token"])
    assert (await connection(gateway, channel))["problems"] == []
    assert renewals(shopify) == ["200", "200"]


async def test_a_refresh_token_that_ended_asks_for_the_merchant(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify)
    fault(shopify, "refresh_token", "token_expired")
    await gateway.rows("UPDATE credential SET expires_at = now() WHERE kind = 'access_token' RETURNING 1")
    for _ in range(3):
        reply = await access(gateway, channel)
        assert (reply.status_code, reply.json()["code"]) == (409, "access_ended")
    assert len(renewals(shopify)) == 0, "a token that ended is not asked for again and again"
    [told] = [one for one in (await gateway.client.get("/v1/channels")).json() if one["problems"]]
    assert "approve the app again" in told["problems"][0]

    link = (await gateway.client.post(f"/v1/channels/{channel['id']}/authorize")).json()
    await gateway.client.get(approve(shopify, link))
    assert works(shopify, (await access(gateway, channel)).json()["token"])


async def test_a_token_that_the_store_refuses_is_renewed_when_a_service_says_so(gateway: Any, shopify: Sandbox) -> None:
    channel = await approved(gateway, shopify)
    shopify.control(f"shopify/{SHOP}/oauth/expire")
    token = (await access(gateway, channel)).json()["token"]
    assert not works(shopify, token)
    refused = hashlib.sha256(token.encode()).hexdigest()[:16]
    assert (await access(gateway, channel, refused=refused)).json()["token"] == token, "so young a token is believed"
    await gateway.rows("UPDATE credential SET created_at = now() - interval '1 minute' RETURNING 1")
    assert works(shopify, (await access(gateway, channel, refused=refused)).json()["token"])
    assert renewals(shopify) == ["200"]


async def test_client_credentials_are_tried_before_anything_is_stored(gateway: Any, shopify: Sandbox) -> None:
    app = app_of(shopify)
    given = {key: app[key] for key in ("kind", "shop", "base_url", "client_id")} | {"name": "Own app"}
    given |= {"access_by": "client_credentials", "secrets": {"client_secret": SECRET}}
    configure(shopify, same_organisation=False)
    refused = await gateway.client.post("/v1/channels", json=given)
    assert (refused.status_code, "another organisation" in refused.json()["message"]) == (422, True)
    wrong = given | {"secrets": {"client_secret": "wrong"}}
    assert "client secret is wrong" in (await gateway.client.post("/v1/channels", json=wrong)).json()["message"]
    assert (await gateway.client.post("/v1/channels", json=given | {"secrets": {}})).status_code == 422
    fault(shopify, "client_credentials", "lose_reply")
    assert (await gateway.client.post("/v1/channels", json=given)).status_code == 502
    assert await gateway.rows("SELECT id FROM channel") == []

    configure(shopify, same_organisation=True)
    reply = await gateway.client.post("/v1/channels", json=given)
    channel = reply.json()
    assert (reply.status_code, channel["mode"]) == (201, "observe")
    assert works(shopify, (await access(gateway, channel)).json()["token"])
    await gateway.rows("UPDATE credential SET expires_at = now() WHERE kind = 'access_token' RETURNING 1")
    assert works(shopify, (await access(gateway, channel)).json()["token"])
    assert (await gateway.deliver()).status_code == 200


@alone
async def test_every_secret_is_sealed_anew_by_one_call(start: Any, shopify: Sandbox, sealing_key: Any) -> None:
    async with start() as gateway:
        channel = await approved(gateway, shopify)
        await begin(gateway, shopify)
        assert (await gateway.client.get("/v1/sealing-keys")).json() == {"current": "k1", "sealed": {"k1": 5}}
    async with start(sealing_keys=f"{sealing_key('k2')},{sealing_key('k1')}") as gateway:
        rotated = (await gateway.client.post("/v1/sealing-keys/rotate")).json()
        assert (rotated["current"], rotated["sealed"]) == ("k2", {"k2": 5})
    async with start(sealing_keys=sealing_key("k2")) as gateway:
        assert works(shopify, (await access(gateway, channel)).json()["token"])
        link = (await gateway.client.post(f"/v1/channels/{channel['id']}/authorize")).json()
        assert (await gateway.client.get(approve(shopify, link))).status_code == 200


@asynccontextmanager
async def process(database: TestDatabase, port: int, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that is a process of its own."""
    key = "a-service-key-of-at-least-32-characters"
    values = {
        "DATABASE_URL": database.url("gateway"),
        "BROKER_URL": "amqp://guest:guest@127.0.0.1:9/nowhere",
        "SERVICE_KEY": key,
        "PORT": str(port),
    } | settings
    environment = {**os.environ, **{f"CROSSDOCK_{name}": value for name, value in values.items()}}
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
            client.headers["authorization"] = f"Bearer {tokens.issue(key, issuer='order-ingest', audience='gateway')}"
            for _ in range(300):
                await asyncio.sleep(0.1)
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        break
                except httpx.HTTPError:
                    continue
            yield client
    finally:
        child.terminate()
        await child.wait()


@alone
async def test_two_processes_renew_a_token_once(
    start: Any, database: TestDatabase, shopify: Sandbox, free_port: int, sealing_key: Any
) -> None:
    async with start() as gateway:
        channel = await approved(gateway, shopify)
    configure(shopify, one_access_token=True)
    path = f"/internal/channels/{channel['id']}/access"
    port = free_port
    settings = {"SEALING_KEYS": sealing_key("k1")}
    async with process(database, port, **settings) as one, start() as gateway:
        for _ in range(2):
            fault(shopify, "refresh_token", "act_late", seconds=0.7)
            await gateway.rows("UPDATE credential SET expires_at = now() WHERE kind = 'access_token' RETURNING 1")
            both = [one.get(path) for _ in range(15)]
            both += [gateway.client.get(path, headers=gateway.service_token()) for _ in range(15)]
            replies = await asyncio.gather(*both)
            assert {reply.status_code for reply in replies} == {200}, [reply.text for reply in replies][:3]
            [token] = {json.loads(reply.text)["token"] for reply in replies}
            assert works(shopify, token)
    log = shopify.look(f"shopify/{SHOP}/oauth")
    assert (renewals(shopify), log["peak"]) == (["200", "200"], 1)
