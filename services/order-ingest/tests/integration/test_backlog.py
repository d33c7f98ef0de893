"""Old orders are brought in once, whatever dies or arrives meanwhile; what will be missing is said beforehand."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import httpx
import pytest
from ingest_examples import CHANNEL, configured, receive, status_of, story_of, webhook
from sqlalchemy import text

from crossdock.contracts.order_ingest import OrderPlaced
from crossdock.service.app import Context
from crossdock.service.runs import store, worker
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import runs
from order_ingest.backlog import BACKLOG
from order_ingest.runs import RUNS
from sandbox.testing import Sandbox

BULK = import_module("crossdock.channels.shopify.bulk")
LONG_AGO = "2025-01-01T00:00:00Z"
EVERYTHING = {"since": "2020-01-01T00:00:00Z"}


@pytest.fixture
async def shop(bench: HandlerBench, context: Context, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A store with a product, connected just now, that tells of nothing by itself."""
    monkeypatch.setattr(BULK, "POLL_SECONDS", 0.0)
    sandbox.product("SHIRT")
    sandbox.control(f"shopify/{sandbox.shop}", {"settings": {"bulk_delay": 0}}, method="PATCH")
    event = configured("live").model_copy(update={"occurred_at": datetime.now(UTC) + timedelta(hours=1)})
    await bench.handle("learn_channels", [event])
    await worker.schedule(RUNS, context)
    return sandbox


def order(shop: Sandbox, **more: Any) -> Any:
    return shop.order({"sku": "SHIRT", "quantity": 2}, **({"webhooks": []} | more))


async def ask(context: Context, **request: Any) -> None:
    """Somebody starts an import."""
    async with context.transaction() as tx:
        integration = await store.of_channel(tx, CHANNEL, "backlog")
        assert integration is not None
        assert await worker.queue_now(tx, BACKLOG, integration, request)
    await worker.schedule(RUNS, context)


async def turn(context: Context) -> bool:
    return await worker.turn(RUNS, "backlog", False, context) or await worker.turn(RUNS, "backlog", True, context)


async def newest(bench: HandlerBench, kind: str = "backlog") -> dict[str, Any]:
    return [run for run in await bench.table("run", order_by="scheduled_at") if run["kind"] == kind][-1]


async def ended(bench: HandlerBench, context: Context, kind: str = "backlog") -> dict[str, Any]:
    """The newest run of a kind, turned until it ends."""
    for _ in range(400):
        lane = "orders" if kind == "daily_refetch" else "backlog"
        await worker.turn(RUNS, lane, False, context)
        run = await newest(bench, kind)
        if run["ended_at"]:
            return run
        async with context.transaction() as tx:
            await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running' AND token IS NULL"))
        await asyncio.sleep(0.01)
    raise AssertionError(f"the run never ended: {run}")


def counts(run: dict[str, Any]) -> tuple[Any, ...]:
    return (run["state"], run["seen"], run["imported"], run["unchanged"], run["failed"])


def placed(bench: HandlerBench) -> Counter[str]:
    told = [event_of(row) for row in bench.published if row.type == OrderPlaced.type]
    return Counter(event.number for event in told if isinstance(event, OrderPlaced))


async def test_a_window_is_brought_in_through_a_bulk_operation_and_webhooks_of_it_change_nothing(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    plain, refunded, shipped, part = (order(shop) for _ in range(4))
    shop.settle()
    for one in (plain, refunded):
        shop.control(f"shopify/{shop.shop}/orders/{one['id']}/promise", {"ship_by": "2030-01-01T00:00:00Z"})
    line = str(refunded["line_items"][0]["id"])
    refund = {"lines": [{"line": line, "quantity": 1, "restock_type": "cancel"}], "webhooks": []}
    shop.control(f"shopify/{shop.shop}/orders/{refunded['id']}/refund", refund)
    shop.control(f"shopify/{shop.shop}/orders/{shipped['id']}/fulfill", {})
    shop.control(f"shopify/{shop.shop}/orders/{part['id']}/fulfill", {"quantities": {"SHIRT": 1}})
    await ask(context, **EVERYTHING)
    run = await ended(bench, context)
    assert counts(run) == ("finished", 4, 4, 0, 0)
    assert placed(bench) == Counter(["#1001", "#1002", "#1003", "#1004"])
    wanted = {event.number: event.lines[0].wanted for row in bench.published
              if row.type == OrderPlaced.type and isinstance(event := event_of(row), OrderPlaced)}  # fmt: skip
    assert wanted == {"#1001": 2, "#1002": 1, "#1003": 0, "#1004": 1}
    assert await status_of(bench, shipped["id"]) == "record_only"
    dates = {row["number"]: row["ship_by"] and row["ship_by"].year for row in await bench.table("orders")}
    assert dates == {"#1001": 2030, "#1002": 2030, "#1003": None, "#1004": None}
    assert "Brought in by an import of old orders" in await story_of(bench)
    published = len(bench.published)
    for one in (plain, refunded, shipped, part):
        state = shop.look(f"shopify/{shop.shop}/orders/{one['id']}")
        await receive(bench, webhook(state))
    assert len(bench.published) == published, "a webhook of the same state says something else than the bulk file"
    await ask(context, **EVERYTHING)
    assert counts(await ended(bench, context)) == ("finished", 4, 0, 4, 0)


async def test_everything_unfulfilled_leaves_out_what_has_shipped_and_what_was_cancelled(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    _, shipped, part, cancelled = (order(shop) for _ in range(4))
    shop.control(f"shopify/{shop.shop}/orders/{shipped['id']}/fulfill", {})
    shop.control(f"shopify/{shop.shop}/orders/{part['id']}/fulfill", {"quantities": {"SHIRT": 1}})
    shop.control(f"shopify/{shop.shop}/orders/{cancelled['id']}/cancel", {"webhooks": []})
    await ask(context, unfulfilled=True)
    await ended(bench, context)
    assert placed(bench) == Counter(["#1001", "#1003"])


async def test_orders_are_found_by_the_numbers_that_people_call_them_and_missing_ones_are_named(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    for _ in range(3):
        order(shop)
    await ask(context, numbers=["#1001", "1003", "#9999"])
    run = await ended(bench, context)
    assert counts(run) == ("finished_partially", 3, 2, 0, 1)
    assert placed(bench) == Counter(["#1001", "#1003"])
    [error] = await bench.table("run_error")
    assert (error["subject"], error["sentence"]) == ("order #9999", "Shopify shows no order of this number")


async def test_an_import_that_dies_half_way_goes_on_without_loss_or_duplicates(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BULK, "PAGE", 3)
    for _ in range(10):
        order(shop)
    await ask(context, **EVERYTHING)
    while (await newest(bench))["seen"] < 6:
        await turn(context)
        await asyncio.sleep(0.01)
    async with context.transaction() as tx:  # the process dies with the next page in its hands
        await tx.run(text("UPDATE run SET token = gen_random_uuid(), due_at = now() + interval '60 seconds'"))
    assert not await turn(context)
    async with context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now()"))
    run = await ended(bench, context)
    assert counts(run) == ("finished", 10, 10, 0, 0)
    assert placed(bench) == Counter(f"#{1001 + n}" for n in range(10))


async def test_orders_that_are_read_one_by_one_make_short_pages_that_fit_into_a_turn(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    refund = {"line": "SHIRT", "quantity": 1, "restock_type": "cancel"}
    archive = {"count": 45, "order": {"lines": [{"sku": "SHIRT", "quantity": 2}]}, "refund": [refund]}
    shop.control(f"shopify/{shop.shop}/archive", archive)
    await ask(context, **EVERYTHING)
    seen = set()
    while (run := await newest(bench))["state"] != "finished":
        seen.add(run["seen"])
        await turn(context)
        async with context.transaction() as tx:
            await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running' AND token IS NULL"))
        await asyncio.sleep(0.01)
    assert seen >= {0, 20, 40}
    assert counts(run) == ("finished", 45, 45, 0, 0)


async def test_webhooks_that_arrive_during_an_import_make_no_order_twice(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    made = [order(shop) for _ in range(8)]
    await ask(context, **EVERYTHING)
    await asyncio.gather(ended(bench, context), *(receive(bench, webhook(one)) for one in made))
    assert placed(bench) == Counter(one["name"] for one in made)
    assert (await newest(bench))["state"] == "finished"


async def test_a_filter_that_the_channel_ignores_is_an_error_and_never_everything(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    monkeypatch.setattr(BULK, "search_of", lambda _: "placed_on:>='2020-01-01'")
    await ask(context, **EVERYTHING)
    run = await ended(bench, context)
    assert (run["state"], await bench.table("orders")) == ("failed", [])
    assert "ignored a filter" in run["problem"]


async def test_one_order_that_cannot_be_read_is_named_and_harms_no_other(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = order(shop), order(shop)
    read = BULK.order_from_node

    def reads(node: Any, lines: Any) -> Any:
        return read(node | {"createdAt": "yesterday"} if node["name"] == bad["name"] else node, lines)

    monkeypatch.setattr(BULK, "order_from_node", reads)
    await ask(context, **EVERYTHING)
    run = await ended(bench, context)
    assert counts(run) == ("finished_partially", 2, 1, 0, 1)
    [error] = await bench.table("run_error")
    assert error["subject"] == f"order {bad['name']}"
    assert "created_at is not a time" in error["sentence"]


async def test_an_import_waits_while_many_of_its_orders_are_on_their_way(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BULK, "PAGE", 2)
    monkeypatch.setattr(type(context.settings), "import_in_flight", 3, raising=False)
    object.__setattr__(context, "settings", context.settings.model_copy(update={"import_in_flight": 3}))
    for _ in range(8):
        order(shop)
    await ask(context, **EVERYTHING)
    for _ in range(12):
        await turn(context)
        async with context.transaction() as tx:
            await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running' AND token IS NULL"))
        await asyncio.sleep(0.01)
    run = await newest(bench)
    assert (run["state"], run["seen"]) == ("running", 4)
    assert run["waits_for"] == "4 of its orders are not matched and reserved yet: it goes on when at most 3 are"
    async with context.transaction() as tx:  # the matcher says that none of them can be matched
        await tx.run(text(
            "UPDATE orders SET progress = progress || '{\"match\": {\"content_version\": 1, \"match_version\": 1, "
            "\"matched\": false, \"holds\": []}}'"
        ))  # fmt: skip
    for _ in range(6):
        await turn(context)
        await asyncio.sleep(0.01)
    assert (await newest(bench))["seen"] == 8


async def test_what_shopify_will_not_show_is_said_before_anything_is_imported(
    bench: HandlerBench, context: Context, shop: Sandbox, api: httpx.AsyncClient
) -> None:
    order(shop), order(shop, created_at=LONG_AGO)
    wanted = {"channel_id": str(CHANNEL), "request": EVERYTHING}
    told = (await api.post("/backlog/preview", json=wanted)).json()
    assert told["expected"] == 1
    assert "last 60 days" in told["notes"][0]
    assert "read_all_orders" in told["notes"][0]
    refused = await api.post("/backlog", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (409, "limited")
    assert [run for run in await bench.table("run") if run["kind"] == "backlog"] == []
    begun = await api.post("/backlog", json=wanted | {"accept_limits": True})
    assert (begun.status_code, begun.json()["remaining"]) == (202, 1)
    await worker.schedule(RUNS, context)
    assert counts(await ended(bench, context)) == ("finished", 1, 1, 0, 0)
    shown = (await api.get(f"/runs/{begun.json()['run_id']}")).json()
    assert (shown["state"], shown["remaining"], shown["notes"]) == ("finished", 0, told["notes"])
    scopes = shop.look(f"shopify/{shop.shop}")["settings"]["scopes"]
    settings = {"settings": {"scopes": [*scopes, "read_all_orders"]}}
    shop.control(f"shopify/{shop.shop}", settings, method="PATCH")
    assert (await api.post("/backlog/preview", json=wanted)).json() == {"expected": 2, "notes": []}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"since": "2026-01-01T00:00:00"},
        {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"numbers": ["#1"], "unfulfilled": True},
        {"numbers": [""]},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"placed_on": "2026-01-01"},
    ],
)
async def test_a_request_that_says_nothing_clear_is_refused_in_one_sentence(
    api: httpx.AsyncClient, shop: Sandbox, request_: dict[str, Any]
) -> None:
    reply = await api.post("/backlog", json={"channel_id": str(CHANNEL), "request": request_})
    assert reply.status_code == 422
    assert reply.json()["message"]


async def test_a_day_is_read_again_when_the_store_says_so_and_finds_what_nobody_told(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    old, _ = order(shop, created_at="2026-10-20T00:00:00Z"), order(shop)
    await receive(bench, webhook(old))
    shop.control(f"shopify/{shop.shop}/orders/{old['id']}/change", {"note": "Ring twice", "webhooks": []})
    assert "daily_refetch" not in {run["kind"] for run in await bench.table("run")}
    await runs.learn_zones(context)
    zones = {row["kind"]: row["time_zone"] for row in await bench.table("integration")}
    assert zones["daily_refetch"] == "America/New_York"
    async with context.transaction() as tx:
        await tx.run(text("UPDATE integration SET created_at = created_at - interval '1 day'"))
        await tx.run(
            text("UPDATE run SET state = 'stopped', ended_at = now() - interval '1 hour' WHERE kind = 'orders'")
        )
    await worker.schedule(RUNS, context)
    run = await ended(bench, context, "daily_refetch")
    assert run["scheduled_at"].astimezone(UTC).hour in (7, 8), "three o'clock in New York"
    assert (run["state"], run["seen"], run["imported"]) == ("finished", 2, 1)
    assert (await story_of(bench)).count("Found by reconciliation") >= 1


async def test_people_list_change_start_and_stop_integrations(
    api: httpx.AsyncClient, context: Context, shop: Sandbox, bench: HandlerBench
) -> None:
    found = {one["kind"]: one for one in (await api.get("/integrations")).json()["integrations"]}
    assert set(found) == {"orders", "backlog", "daily_refetch"}
    assert found["orders"]["origin"] == "orders of Test Shop that changed"
    path = f"/integrations/{found['orders']['integration_id']}"
    changed = (await api.patch(path, json={"schedule": {"every_seconds": 300}, "enabled": False})).json()
    assert (changed["schedule"], changed["enabled"], changed["next_at"]) == (
        {"every_seconds": 300.0, "cron": None, "default": False}, False, None,
    )  # fmt: skip
    bad = await api.patch(path, json={"schedule": {"cron": "0 25 * * *"}})
    assert (bad.status_code, "five fields" in bad.json()["message"]) == (422, True)
    assert (await api.patch(path, json={"time_zone": "Mars/Base"})).status_code == 422
    daily = f"/integrations/{found['daily_refetch']['integration_id']}"
    assert (await api.patch(daily, json={"settings": {"days": 9}})).json()["settings"] == {"days": 9}
    assert (await api.patch(daily, json={"settings": {"days": 0}})).status_code == 422
    begun = await api.post(f"{daily}/start")
    assert (begun.status_code, begun.json()["state"]) == (202, "waiting")
    assert (await api.post(f"{daily}/start")).status_code == 409
    assert (await api.post(f"{daily}/stop")).json()["newest_run"]["state"] == "stopped"
    assert (await api.post(f"{daily}/stop")).status_code == 409
    told = await api.post(f"/integrations/{found['backlog']['integration_id']}/start")
    assert "crossdock backlog import" in told.json()["next"]
    listed = (await api.get("/runs", params={"kind": "daily_refetch"})).json()["runs"]
    assert [run["state"] for run in listed] == ["stopped"]
    assert (await api.get("/runs", headers={"authorization": ""})).status_code == 401
