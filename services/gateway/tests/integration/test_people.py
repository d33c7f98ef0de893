"""API keys, the proxy to the other services, and the status of all of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from crossdock.service import errors, tokens
from crossdock.service.errors import Problem
from crossdock.storage.engine import Database
from crossdock.testing.database import TestDatabase
from crossdock.testing.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
alone = pytest.mark.asyncio(loop_scope="function")
"""For tests that start a gateway of their own: two in one loop would wait for each other's workers at their end."""


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def make_key(gateway: Any, role: str) -> str:
    reply = await gateway.client.post("/v1/api-keys", json={"name": f"a {role}", "role": role})
    assert reply.status_code == 201
    return str(reply.json()["key"])


async def test_without_a_good_key_nothing_is_answered(gateway: Any) -> None:
    for given in ({"authorization": ""}, bearer("xd_wrong"), bearer("x" * 5000), {"authorization": "Basic eDp5"}):
        for method, path in (("GET", "channels"), ("POST", "channels"), ("GET", "orders"), ("GET", "status")):
            reply = await gateway.client.request(method, f"/v1/{path}", headers=given)
            assert (reply.status_code, reply.json()["code"]) == (401, "api_key")


async def test_a_viewer_reads_an_operator_acts_and_an_admin_makes_keys(gateway: Any) -> None:
    viewer, operator = await make_key(gateway, "viewer"), await make_key(gateway, "operator")
    new = {"kind": "generic", "name": "Warehouse"}

    assert (await gateway.client.get("/v1/channels", headers=bearer(viewer))).status_code == 200
    assert (await gateway.client.post("/v1/channels", json=new, headers=bearer(viewer))).status_code == 403
    assert (await gateway.client.post("/v1/channels", json=new, headers=bearer(operator))).status_code == 201
    assert (await gateway.client.get("/v1/api-keys", headers=bearer(operator))).status_code == 403


async def test_a_key_is_shown_once_and_stored_as_a_hash(gateway: Any) -> None:
    key = await make_key(gateway, "viewer")
    listed = await gateway.client.get("/v1/api-keys")
    assert key.startswith("xd_")
    assert key not in listed.text
    assert key not in str(await gateway.rows("SELECT * FROM api_key"))
    assert {row["role"] for row in listed.json()} == {"admin", "viewer"}


async def test_a_revoked_key_is_refused_at_once(gateway: Any) -> None:
    key = await make_key(gateway, "viewer")
    assert (await gateway.client.get("/v1/channels", headers=bearer(key))).status_code == 200
    [row] = [row for row in (await gateway.client.get("/v1/api-keys")).json() if row["role"] == "viewer"]
    assert row["last_used_at"] is not None
    assert (await gateway.client.delete(f"/v1/api-keys/{row['id']}")).status_code == 204
    assert (await gateway.client.get("/v1/channels", headers=bearer(key))).status_code == 401
    assert (await gateway.client.delete(f"/v1/api-keys/{row['id']}")).status_code == 404


@alone
async def test_the_first_key_comes_from_the_settings_and_only_while_there_is_none(start: Any) -> None:
    async with start() as gateway:
        assert (await gateway.client.get("/v1/channels")).status_code == 200
    async with start(bootstrap_api_key="xd_another-key") as gateway:
        assert (await gateway.client.get("/v1/channels", headers=bearer("xd_another-key"))).status_code == 401
        assert (await gateway.client.get("/v1/channels")).status_code == 200


@alone
async def test_a_gateway_is_ready_once_its_first_key_lets_somebody_in(start: Any, database: TestDatabase) -> None:
    owner = Database(database.url("gateway", owner=True), "gateway")
    async with owner.connection() as elsewhere:
        held = elsewhere.transaction()
        await held.start()
        await elsewhere.execute("LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE")
        async with start(wait_for="/healthz") as gateway:
            waits = {"api key": "the first one is not stored yet"}
            await until(lambda: unready(gateway, waits))
            await held.rollback()
            await until(lambda: unready(gateway, {}))
            assert (await gateway.client.get("/v1/channels")).status_code == 200
    await owner.close()


async def unready(gateway: Any, reasons: dict[str, str]) -> bool:
    return bool((await gateway.client.get("/readyz")).json()["unready"] == reasons)


@pytest.fixture
async def orders(free_port: int, service_key: str) -> AsyncIterator[str]:
    """A service that answers as order-ingest does, and only to the gateway's token."""
    app = FastAPI()
    errors.install(app)

    def let_in(request: Request) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        assert tokens.verify(service_key, token, audience="order-ingest") == "gateway"

    @app.get("/readyz")
    async def ready() -> dict[str, object]:
        return {"ready": True, "unready": {}}

    @app.get("/runtime")
    async def runtime(request: Request) -> dict[str, int]:
        let_in(request)
        return {"outbox": 3, "late": 1, "scheduled": 2, "parked": 4}

    @app.get("/orders")
    async def listed(request: Request, status: str = "") -> StreamingResponse:
        let_in(request)

        async def lines() -> AsyncIterator[str]:
            for number in range(3):
                yield f"{status} {number}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    @app.get("/orders/{order_id:path}")
    async def one(request: Request, order_id: str) -> dict[str, str]:
        let_in(request)
        if order_id == "slow":
            await asyncio.sleep(1)
        if order_id == "none":
            raise Problem(404, "not_found", "There is no order none.")
        return {"order": order_id, "actor": request.headers["x-crossdock-actor"]}

    @app.post("/orders/{order_id}/retry")
    async def retry(request: Request, order_id: str) -> dict[str, str]:
        let_in(request)
        return {"order": order_id, "sent": json.dumps(await request.json())}

    server = uvicorn.Server(uvicorn.Config(app, port=free_port, log_config=None))
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{free_port}"
    server.should_exit = True
    await task


@alone
async def test_people_reach_the_services_through_the_gateway(start: Any, orders: str) -> None:
    async with start(order_ingest_url=orders) as gateway:
        listed = await gateway.client.get("/v1/orders", params={"status": "on hold"})
        assert (listed.text, listed.headers["content-type"]) == (
            "on hold 0\non hold 1\non hold 2\n",
            "text/plain; charset=utf-8",
        )
        assert (await gateway.client.get("/v1/orders/%231001%2FA")).json() == {"order": "#1001/A", "actor": "bootstrap"}
        sent = await gateway.client.post("/v1/orders/7/retry", json={"note": "naïve"})
        assert sent.json() == {"order": "7", "sent": '{"note": "na\\u00efve"}'}
        missing = await gateway.client.get("/v1/orders/none")
        assert (missing.status_code, missing.json()["message"]) == (404, "There is no order none.")


@alone
async def test_a_viewer_may_not_act_on_another_service(start: Any, orders: str) -> None:
    async with start(order_ingest_url=orders) as gateway:
        viewer = await make_key(gateway, "viewer")
        assert (await gateway.client.get("/v1/orders", headers=bearer(viewer))).status_code == 200
        assert (await gateway.client.post("/v1/orders/7/retry", json={}, headers=bearer(viewer))).status_code == 403


async def test_a_service_that_is_away_is_named_in_a_sentence(gateway: Any) -> None:
    reply = await gateway.client.get("/v1/stock")
    assert (reply.status_code, reply.json()["message"]) == (503, "The service inventory cannot be reached.")
    assert reply.headers["retry-after"]


@alone
async def test_a_service_that_is_slow_is_given_up(start: Any, orders: str) -> None:
    async with start(order_ingest_url=orders, proxy_seconds=0.3) as gateway:
        reply = await gateway.client.get("/v1/orders/slow")
        assert (reply.status_code, reply.json()["code"]) == (504, "service_slow")


@alone
async def test_a_malformed_path_query_or_body_is_no_fault_of_ours(start: Any, orders: str) -> None:
    async with start(order_ingest_url=orders) as gateway:
        for head in (
            b"GET /v1/orders/\xff HTTP/1.1",
            b"GET /v1/orders?status=\xff HTTP/1.1",
            b"GET /v1/orders/%ff%00 HTTP/1.1",
            b"GET /v1/channels?after=%00 HTTP/1.1",
            b"GET /v1/orders/a|b\\c HTTP/1.1",
            b"POST /v1/channels HTTP/1.1\r\nContent-Length: 2\r\nX: []",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.process.settings.port)
            key = b"\r\nAuthorization: Bearer " + gateway.client.headers["authorization"].split()[1].encode()
            writer.write(head + key + b"\r\nHost: x\r\nConnection: close\r\n\r\n[]")
            status = int((await reader.read()).split()[1])
            assert status < 500, head
            writer.close()
            await writer.wait_closed()


async def test_what_nobody_serves_is_404(gateway: Any) -> None:
    for path in ("/v1/nothing", "/v1/services/inventory/internal", "/v1/orders/..%2Finternal", "/nothing"):
        assert (await gateway.client.get(path)).status_code == 404


@alone
async def test_the_status_tells_of_every_service_what_waits_and_what_is_parked(start: Any, orders: str) -> None:
    async with start(order_ingest_url=orders) as gateway:
        await gateway.connect()
        status = (await gateway.client.get("/v1/status")).json()
    found = {one["name"]: one for one in status["services"]}
    assert list(found) == ["gateway", "order-ingest", "sku-matcher", "inventory", "fulfillment"]
    assert found["gateway"] == {
        "name": "gateway", "ready": True, "unready": {}, "outbox": 1, "late": 0, "scheduled": 0, "parked": 0
    }  # fmt: skip
    assert found["order-ingest"] == {
        "name": "order-ingest", "ready": True, "unready": {}, "outbox": 3, "late": 1, "scheduled": 2, "parked": 4
    }  # fmt: skip
    assert found["inventory"]["ready"] is False
    assert "does not answer" in found["inventory"]["unready"]["service"]
    assert status["ready"] is False


async def test_the_gateways_own_parked_messages_are_listed_like_those_of_others(gateway: Any) -> None:
    reply = await gateway.client.get("/v1/services/gateway/parked")
    assert (reply.status_code, reply.json()) == (200, [])
