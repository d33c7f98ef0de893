"""Orders and changes whose webhooks never came are found by asking the channel, once, whatever happens meanwhile."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from ingest_examples import CHANNEL, receive, status_of, story_of, webhook
from polling_examples import SHOPIFY, ZERO, connected, feed_of, order, placed_numbers, poll, turn
from sqlalchemy import text

from crossdock.contracts.gateway import ChannelDisconnected
from crossdock.contracts.order_ingest import OrderPlaced, OrderUpdated
from crossdock.service.app import Context
from crossdock.service.runs import worker
from crossdock.service.runs.schedule import Schedule
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import reconcile, workers
from order_ingest.asking import ask
from order_ingest.domain.order import Arrival
from order_ingest.runs import RUNS
from sandbox.testing import Sandbox, serve


@pytest.fixture
def arrived() -> Any:
    """A receiver of webhooks: its address, and the bodies that came."""
    app, bodies = FastAPI(), []

    @app.post("/")
    async def take(request: Request) -> Response:
        bodies.append(await request.body())
        return Response()

    for url in serve(app):
        yield url, bodies


async def test_orders_whose_webhooks_were_dropped_are_there_after_one_interval_once_and_go_on(
    bench: HandlerBench, context: Context, shop: Sandbox, arrived: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, bodies = arrived
    counted: list[int] = []
    monkeypatch.setattr(reconcile.found_total, "add", lambda number, _: counted.append(number))
    shop.control(f"shopify/{shop.shop}/subscriptions", {"uri": url, "topics": ["orders/create"]})
    for rate in (0.0, 1.0):
        shop.control(f"misbehaviour/shopify:{shop.shop}", {"drop_rate": rate}, method="PUT")
        made = [order(shop) for _ in range(3)]
        shop.settle()
    assert len(bodies) == 3
    await receive(bench, *(webhook(body, topic="orders/create") for body in bodies))
    await poll(context)
    assert placed_numbers(bench) == ["#1001", "#1002", "#1003", "#1004", "#1005", "#1006"]
    assert {row["status"] for row in await bench.table("orders")} == {"matching"}
    assert (await story_of(bench)).count("Found by reconciliation") == sum(counted) == 3
    published = len(bench.published)
    await poll(context)
    await receive(bench, *(webhook(one, topic="orders/create") for one in made))
    assert (len(bench.published), sum(counted)) == (published, 3)


async def test_a_missed_change_of_a_known_order_is_found(bench: HandlerBench, context: Context, shop: Sandbox) -> None:
    made = order(shop, financial_status="PENDING")
    stale = made | {"updated_at": "2026-01-01T00:00:00Z"}
    await receive(bench, webhook(stale))
    assert await status_of(bench, made["id"]) == "on_hold"
    shop.control(f"shopify/{shop.shop}/orders/{made['id']}/pay", {"webhooks": []})
    await poll(context)
    assert await status_of(bench, made["id"]) == "matching"


async def test_a_missed_payment_in_the_second_of_the_order_itself_is_found(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    made = order(shop)
    await receive(bench, webhook(made | {"financial_status": "pending"}))
    await poll(context)
    while await workers.refetch(context):
        pass
    assert await status_of(bench, made["id"]) == "matching"
    published = len(bench.published)
    await poll(context)
    assert len(bench.published) == published


async def test_the_dates_that_no_webhook_tells_are_found_by_the_next_poll_and_the_order_is_late_by_them(
    bench: HandlerBench, context: Context, api: httpx.AsyncClient, shop: Sandbox
) -> None:
    ship_by, deliver_by = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=n) for n in (-1, 48))
    made = order(shop)
    await receive(bench, webhook(made))
    shop.settle()
    dates = {"ship_by": ship_by.isoformat(), "deliver_by": deliver_by.isoformat()}
    shop.control(f"shopify/{shop.shop}/orders/{made['id']}/promise", dates)
    await poll(context)
    shown = (await api.get("/orders/1001")).json()
    assert [datetime.fromisoformat(shown[name]) for name in dates] == [ship_by, deliver_by]
    assert [one["number"] for one in (await api.get("/orders", params={"tab": "late"})).json()["orders"]] == ["#1001"]
    later = event_of(bench.published[-1])
    assert isinstance(later, OrderUpdated)
    assert (later.ship_by, later.deliver_by, later.content_version) == (ship_by, deliver_by, 1)
    said = [entry["sentence"] for entry in shown["timeline"]]
    for date, verb in ((ship_by, "Ship"), (deliver_by, "Deliver")):
        assert f"{verb} by {date:%Y-%m-%d %H:%M} UTC (now known)" in said
    published = len(bench.published)
    await poll(context)
    await receive(bench, webhook(made))
    again = (await api.get("/orders/1001")).json()
    assert (again["ship_by"], again["timeline"]) == (shown["ship_by"], shown["timeline"])
    assert len(bench.published) == published, "what is known is told once"


async def test_a_channel_that_is_reset_is_read_at_once_and_once_and_not_with_its_next_slot(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    await poll(context)
    async with context.transaction() as tx:
        await tx.run(text("UPDATE integration SET last_slot = now() + interval '1 hour' WHERE kind = 'orders'"))
    began = (await feed_of(bench))["start_at"]
    again = connected(version=2).model_copy(update={"resets": 1})
    await bench.handle("learn_channels", [again])
    await bench.handle("learn_channels", [again.model_copy(update={"channel_version": 3})])
    waiting = [run for run in await bench.table("run") if run["state"] == "waiting"]
    assert [(run["kind"], run["cause"]) for run in waiting] == [("orders", "reset")]
    assert (await feed_of(bench))["reached"] == began
    await worker.schedule(RUNS, context)
    while await turn(context):
        pass
    assert ((await feed_of(bench))["state"], (await feed_of(bench))["cause"]) == ("finished", "reset")


async def test_the_lines_of_a_bundle_show_its_name_and_a_read_of_the_same_order_says_the_same(
    bench: HandlerBench, context: Context, api: httpx.AsyncClient, shop: Sandbox
) -> None:
    shop.product("CUP")
    parts = [{"sku": sku, "quantity": 1, "bundle": "Gift set"} for sku in ("SHIRT", "CUP")]
    made = shop.order(*parts, {"sku": "CUP", "quantity": 1})
    await receive(bench, webhook(made))
    shown = (await api.get("/orders/1001")).json()
    assert [line["bundle"] for line in shown["lines"]] == ["Gift set", "Gift set", ""]
    [placed] = [event_of(row) for row in bench.published if row.type == OrderPlaced.type]
    assert isinstance(placed, OrderPlaced)
    assert [line.bundle for line in placed.lines] == ["Gift set", "Gift set", ""]
    read = await ask(context, CHANNEL, "shopify", str(made["id"]), 5)
    assert isinstance(read, Arrival)
    assert [line.bundle for line in read.snapshot.lines] == ["Gift set", "Gift set", ""]


async def test_a_list_of_many_pages_is_read_to_its_end(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHOPIFY, "_ORDERS", 2)
    made = [order(shop) for _ in range(5)]
    await poll(context)
    assert len(placed_numbers(bench)) == 5
    feed = await feed_of(bench)
    newest = max(datetime.fromisoformat(one["updated_at"]) for one in made)
    assert (feed["since"], feed["page"], feed["token"], feed["failures"]) == (newest, None, None, 0)
    assert (feed["state"], feed["seen"], feed["imported"]) == ("finished", 5, 5)


async def test_an_order_that_changes_in_the_second_of_the_cursor_is_not_skipped(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHOPIFY, "OVERLAP", ZERO)
    for _ in range(20):
        first = order(shop)
        await poll(context)
        second = order(shop)
        if first["updated_at"] == second["updated_at"]:
            break
    assert first["updated_at"] == second["updated_at"]
    assert (await feed_of(bench))["since"] == datetime.fromisoformat(first["updated_at"])
    await poll(context)
    assert second["name"] in placed_numbers(bench)


async def test_webhooks_that_arrive_while_the_same_orders_are_read_make_no_order_twice(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    made = [order(shop) for _ in range(12)]
    await asyncio.gather(poll(context), *(receive(bench, webhook(one)) for one in made))
    assert len(placed_numbers(bench)) == len(set(placed_numbers(bench))) == 12
    assert await bench.table("scheduled") == []
    assert (await feed_of(bench))["failures"] == 0


async def test_a_webhook_that_comes_first_after_the_read_leaves_nothing_to_find(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = order(shop), reconcile._store

    async def late(*arguments: Any, **more: Any) -> None:
        await receive(bench, webhook(made))
        await store(*arguments, **more)

    monkeypatch.setattr(reconcile, "_store", late)
    await poll(context)
    assert len(placed_numbers(bench)) == 1
    assert "Found by reconciliation" not in await story_of(bench)


async def test_a_change_of_a_moment_ago_is_left_to_its_webhook_and_found_within_the_interval_if_none_comes(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    order(shop)
    patient = dataclasses.replace(
        context, settings=context.settings.model_copy(update={"poll_grace_seconds": 40.0, "poll_seconds": 200.0})
    )
    await poll(patient)
    assert await bench.table("orders") == []
    assert reconcile.ORDERS.schedule(patient.settings) == Schedule(every_seconds=160.0)
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_what_changed_before_the_channel_was_connected_is_not_imported(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    async with context.transaction() as tx:
        await tx.run(text("DELETE FROM feed"))
    made = order(shop)
    after = datetime.fromisoformat(made["updated_at"]) + timedelta(seconds=1)
    await bench.handle("learn_channels", [connected(at=after, version=2)])
    await poll(context)
    assert await bench.table("orders") == []


async def test_a_disconnected_channel_is_not_polled_and_goes_on_where_it_stood(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    order(shop)
    await bench.handle("learn_channels", [ChannelDisconnected(channel_id=CHANNEL, channel_version=2)])
    await poll(context)
    assert await bench.table("orders") == []
    await bench.handle("learn_channels", [connected(at=datetime.now(UTC) + timedelta(hours=1), version=3)])
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_a_channel_that_cannot_tell_changes_is_left_alone(bench: HandlerBench, context: Context) -> None:
    destination = connected().model_copy(update={"kind": "generic"})
    await bench.handle("learn_channels", [destination])
    await poll(context)
    assert await bench.table("integration") == []
    assert (await feed_of(bench))["polled_at"] is None


async def test_a_tag_that_a_poll_comes_upon_is_no_change(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(reconcile.found_total, "add", lambda number, _: counted.append(number))
    made = order(shop, webhooks=[])
    await poll(context)
    known, told = len(bench.published), await story_of(bench)
    await asyncio.sleep(1.1)  # a store's times have whole seconds
    tags_add = 'mutation($id: ID!) { tagsAdd(id: $id, tags: ["Crossdock"]) { userErrors { message } } }'
    shop.graphql(tags_add, {"id": made["admin_graphql_api_id"]})
    [before] = await bench.table("orders")
    await poll(context)
    [row] = await bench.table("orders")
    assert row["source"]["updated_at"] > before["source"]["updated_at"], "the poll read the order again"
    assert (bench.published[known:], await story_of(bench), counted) == ([], told, [1])
