"""Orders and changes whose webhooks never came are found by asking the channel, once, whatever happens meanwhile."""

import asyncio
import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from ingest_examples import CHANNEL, configured, receive, status_of, story_of, webhook
from sqlalchemy import text

from crossdock.channels.errors import Permanent, Retryable
from crossdock.contracts.base import Event
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
from order_ingest.store import feeds
from sandbox.testing import Sandbox, serve

OTHER = UUID(int=8)
ZERO = timedelta(0)
SHOPIFY = import_module("crossdock.channels.shopify.connector")


def connected(channel: UUID = CHANNEL, *, at: datetime | None = None, **more: Any) -> Event:
    """A channel is taken live; an hour ago unless told otherwise."""
    event: Event = configured("live", channel=channel, **more)
    return event.model_copy(update={"occurred_at": at or datetime.now(UTC) - timedelta(hours=1)})


@pytest.fixture
async def shop(bench: HandlerBench, sandbox: Sandbox) -> Sandbox:
    """A store with a product, connected an hour ago, that sends no webhooks."""
    await bench.handle("learn_channels", [connected()])
    sandbox.product("SHIRT")
    return sandbox


def order(shop: Sandbox, **more: Any) -> Any:
    return shop.order({"sku": "SHIRT", "quantity": 1}, **more)


async def schedule(context: Context) -> None:
    """The orders of every channel are due: another day has come."""
    async with context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running'"))
        await tx.run(text("UPDATE run SET scheduled_at = scheduled_at - interval '1 day' WHERE ended_at IS NOT NULL"))
        await tx.run(text("UPDATE integration SET last_slot = last_slot - interval '1 day' WHERE kind = 'orders'"))
    await worker.schedule(RUNS, context)


async def turn(context: Context, *, failing: bool = False) -> bool:
    """One look of a loop."""
    return await worker.turn(RUNS, "orders", failing, context)


async def poll(context: Context) -> None:
    """One interval: every channel's orders are due, and both loops turn until nothing is left."""
    await schedule(context)
    while await turn(context) or await turn(context, failing=True):
        pass


async def feed_of(bench: HandlerBench, channel: UUID = CHANNEL) -> dict[str, Any]:
    """How far a channel was read, and the newest run that began."""
    [row] = [row for row in await bench.table("feed") if row["channel_id"] == channel]
    runs = [run for run in await bench.table("run", order_by="scheduled_at") if run["channel_id"] == channel]
    return ({"failures": 0} | runs[-1] if runs else {"failures": 0}) | row


def placed_numbers(bench: HandlerBench) -> list[str]:
    told = [event_of(row) for row in bench.published if row.type == OrderPlaced.type]
    return sorted(event.number for event in told if isinstance(event, OrderPlaced))


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


def failing_from(monkeypatch: pytest.MonkeyPatch, number: int, problem: Exception) -> None:
    """From the read of that number on, the channel answers with a problem."""
    count = itertools.count(1)

    async def sometimes(*arguments: Any) -> Any:
        return problem if next(count) >= number else await ask(*arguments)

    monkeypatch.setattr(reconcile, "ask", sometimes)


async def test_a_page_that_fails_halfway_keeps_what_was_read_and_is_read_again(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        order(shop)
    before = await feed_of(bench)
    with monkeypatch.context() as patch:
        failing_from(patch, 3, Retryable("Away", after=30.0))
        await poll(context)
    assert len(placed_numbers(bench)) == 2
    feed = await feed_of(bench)
    assert (feed["since"], feed["reached"]) == (before["since"], before["reached"])
    assert (feed["failures"], feed["problem"], feed["token"]) == (1, "Away", None)
    assert feed["due_at"] > datetime.now(UTC) + timedelta(seconds=20)
    await poll(context)
    assert len(placed_numbers(bench)) == len(set(placed_numbers(bench))) == 6
    feed = await feed_of(bench)
    assert (feed["failures"], feed["problem"], feed["since"] > before["since"]) == (0, "", True)


async def test_the_place_in_the_list_and_the_orders_of_the_page_are_stored_together_or_not_at_all(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    before = await feed_of(bench)

    async def breaks(*_: Any) -> None:
        raise ValueError("no place to keep it")

    with monkeypatch.context() as patch:
        patch.setattr(feeds, "save", breaks)
        await schedule(context)
        assert await turn(context)
    assert await bench.table("orders") == []
    feed = await feed_of(bench)
    assert (feed["since"], feed["state"]) == (before["since"], "failed")
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_an_order_that_cannot_be_read_is_shown_and_holds_up_nobody(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = order(shop), order(shop)

    async def unreadable(context: Context, channel: UUID, kind: str, name: str, seconds: float) -> Any:
        if name == str(bad["id"]):
            return Permanent("Shopify's order cannot be read", "unreadable")
        return await ask(context, channel, kind, name, seconds)

    monkeypatch.setattr(reconcile, "ask", unreadable)
    for _ in range(2):
        await poll(context)
    assert (await status_of(bench, bad["id"]), len(placed_numbers(bench))) == ("received", 1)
    assert (await story_of(bench)).count("Found by reconciliation") == 2
    feed = await feed_of(bench)
    assert (feed["state"], feed["failures"]) == ("finished_partially", 0)
    errors = await bench.table("run_error")
    assert {error["subject"] for error in errors} == {f"order {bad['id']}"}


async def test_a_channel_that_is_away_delays_no_other(
    bench: HandlerBench, context: Context, shop: Sandbox, gateway: Any
) -> None:
    gateway.elsewhere[str(OTHER)] = "http://127.0.0.1:1"
    await bench.handle("learn_channels", [connected(OTHER)])
    order(shop)
    await poll(context)
    assert len(placed_numbers(bench)) == 1
    assert (await feed_of(bench))["failures"] == 0
    away = await feed_of(bench, OTHER)
    assert (away["failures"], away["problem"]) == (1, "Shopify could not be reached")
    await schedule(context)
    assert await turn(context)
    assert not await turn(context), "the one that is away is not asked by this loop"
    assert await turn(context, failing=True)
    assert (await feed_of(bench, OTHER))["failures"] == 2


async def test_a_filter_that_the_channel_ignores_is_an_error_and_imports_nothing(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    with monkeypatch.context() as patch:
        patch.setattr(SHOPIFY, "changed_since", lambda since: f"changed_at:>='{since.isoformat()}'")
        await poll(context)
    assert await bench.table("orders") == []
    assert "ignored a filter" in (await feed_of(bench))["problem"]
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_a_token_that_is_no_longer_accepted_is_fetched_anew(
    bench: HandlerBench, context: Context, shop: Sandbox
) -> None:
    order(shop)
    shop.control(f"shopify/{shop.shop}/faults", {"operation": "*", "kind": "token_expired", "times": 1})
    await poll(context)
    assert (await feed_of(bench))["failures"] == 1
    await poll(context)
    assert len(placed_numbers(bench)) == 1


async def test_two_processes_never_poll_one_channel_together_and_a_lost_poll_stores_nothing(
    bench: HandlerBench, context: Context, shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(shop)
    before = await feed_of(bench)
    await schedule(context)
    read = reconcile._read

    async def lost(*arguments: Any) -> Any:
        answers = await read(*arguments)
        async with context.transaction() as tx:
            await tx.run(text("UPDATE run SET token = gen_random_uuid()"))
        return answers

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "_read", lost)
        assert await turn(context)
    assert await bench.table("orders") == []
    assert (await feed_of(bench))["since"] == before["since"]
    assert not await turn(context)
    async with context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now()"))
    await asyncio.gather(turn(context), turn(context))
    assert len(placed_numbers(bench)) == 1


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
