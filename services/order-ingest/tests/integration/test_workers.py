"""Orders that are read again from their channel, and orders that are judged again when their channel goes live."""

import asyncio
from typing import Any

import orjson
import pytest
from ingest_examples import CHANNEL, configured, live, placed, receive, status_of, story_of, webhook

from crossdock.contracts.order_ingest import OrderPlaced, OrderReleased, OrderUpdated, RecipientRecorded, RefundRecorded
from crossdock.messaging.transaction import transaction
from crossdock.service.app import Context
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import handlers, workers
from order_ingest.store import refetches
from sandbox.testing import Sandbox


async def told(bench: HandlerBench, step: Any, context: Context) -> list[Any]:
    already = len(bench.published)
    while await step(context):
        pass
    return [event_of(row) for row in bench.published[already:]]


@pytest.fixture
async def tie(bench: HandlerBench, sandbox: Sandbox) -> Any:
    """Order of which two different states with one time came; the store says three units."""
    await bench.given(live())
    sandbox.product("SHIRT")
    made = sandbox.order({"sku": "SHIRT", "quantity": 3})
    state = sandbox.look(f"shopify/{sandbox.shop}/orders/{made['id']}")
    other = orjson.loads(orjson.dumps(state))
    other["line_items"][0] |= {"quantity": 2, "current_quantity": 2, "fulfillable_quantity": 2}
    await receive(bench, webhook(other), webhook(state))
    return state


@pytest.mark.usefixtures("tie")
async def test_two_states_with_one_time_are_settled_by_the_channel(bench: HandlerBench, context: Context) -> None:
    [order] = await told(bench, workers.refetch, context)
    assert isinstance(order, OrderUpdated)
    assert order.lines[0].wanted == 3
    [row] = await bench.table("orders")
    assert (row["refetch_due_at"], row["refetch_token"], row["refetch_attempt"]) == (None, None, 0)
    assert "Read again from its channel" in await story_of(bench)
    assert not await workers.refetch(context)


async def test_a_state_that_arrives_while_the_channel_is_asked_voids_the_answer(
    bench: HandlerBench, context: Context, tie: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = workers._apply
    asked: list[int] = []

    async def late(*arguments: Any) -> None:
        if not asked:
            other = orjson.loads(orjson.dumps(tie))
            other["line_items"][0] |= {"quantity": 9, "current_quantity": 9}
            await receive(bench, webhook(other))
        asked.append(1)
        await apply(*arguments)

    monkeypatch.setattr(workers, "_apply", late)
    assert not await workers.refetch(context)
    [row] = await bench.table("orders")
    assert row["refetch_due_at"] is not None
    assert row["refetch_again"] is False
    [order] = await told(bench, workers.refetch, context)
    assert order.lines[0].wanted == 3


@pytest.mark.usefixtures("tie")
async def test_a_channel_that_is_away_is_asked_again_later(bench: HandlerBench, context: Context, gateway: Any) -> None:
    right, gateway.base_url = gateway.base_url, "http://127.0.0.1:1"
    assert await told(bench, workers.refetch, context) == []
    [row] = await bench.table("orders")
    assert (row["refetch_attempt"], row["refetch_token"]) == (1, None)
    gateway.base_url = right
    context.access.forget(CHANNEL)

    async def until_told() -> Any:
        while not (found := await told(bench, workers.refetch, context)):
            await asyncio.sleep(0.05)
        return found

    [order] = await asyncio.wait_for(until_told(), 10)
    assert order.lines[0].wanted == 3


@pytest.mark.usefixtures("tie")
async def test_a_lost_read_is_repeated_when_its_lease_ends_and_its_late_answer_is_dropped(
    bench: HandlerBench, context: Context
) -> None:
    lost = CHANNEL
    async with context.transaction() as tx:
        [claimed] = await refetches.claim(tx, lost, limit=5, lease_seconds=0.01)
    await asyncio.sleep(0.02)
    [order] = await told(bench, workers.refetch, context)
    assert order.lines[0].wanted == 3
    async with context.transaction() as tx:
        assert await refetches.lock_mine(tx, lost, [claimed]) == {}


async def test_an_order_that_the_channel_does_not_know_keeps_what_came_first(
    bench: HandlerBench, context: Context, sandbox: Sandbox
) -> None:
    await bench.given(live())
    await receive(bench, placed(99), placed(99, total_price="1.00"))
    assert await told(bench, workers.refetch, context) == []
    [row] = await bench.table("orders")
    assert row["refetch_due_at"] is None
    assert "could not tell" in (await story_of(bench))[-1]


async def test_an_order_that_was_only_named_is_read_from_its_channel_and_placed(
    bench: HandlerBench, context: Context, sandbox: Sandbox
) -> None:
    await bench.given(live())
    sandbox.product("SHIRT")
    made = sandbox.order({"sku": "SHIRT", "quantity": 3})
    await receive(bench, webhook({"id": made["id"], "updated_at": made["updated_at"]}))
    order, recipient = await told(bench, workers.refetch, context)
    assert isinstance(order, OrderPlaced)
    assert isinstance(recipient, RecipientRecorded)
    assert (order.number, order.lines[0].wanted) == (made["name"], 3)
    assert await receive(bench, webhook({"id": made["id"], "updated_at": made["updated_at"]})) == []
    assert not await workers.refetch(context)


async def test_a_refund_or_an_edit_is_read_from_its_order(
    bench: HandlerBench, context: Context, sandbox: Sandbox
) -> None:
    await bench.given(live())
    sandbox.product("SHIRT")
    made = sandbox.order({"sku": "SHIRT", "quantity": 3})
    await receive(bench, webhook(made))
    place = f"shopify/{sandbox.shop}/orders/{made['id']}"
    sandbox.control(f"{place}/refund", {"lines": [{"line": "SHIRT", "quantity": 1, "restock_type": "cancel"}]})
    await receive(bench, webhook({"id": 1, "order_id": made["id"]}, topic="refunds/create"))
    order, refund = await told(bench, workers.refetch, context)
    assert (type(order), order.lines[0].wanted) == (OrderUpdated, 2)
    assert (type(refund), refund.kind) == (RefundRecorded, "unshipped")
    sandbox.control(f"{place}/edit", {"quantities": {"SHIRT": 1}})
    await receive(bench, webhook({"order_edit": {"id": 2, "order_id": made["id"]}}, topic="orders/edited"))
    [order] = await told(bench, workers.refetch, context)
    assert (type(order), order.lines[0].wanted) == (OrderUpdated, 1)


@pytest.mark.usefixtures("sandbox")
async def test_an_order_that_is_named_and_that_its_channel_does_not_know_stays_received_and_says_why(
    bench: HandlerBench, context: Context
) -> None:
    await bench.given(live())
    await receive(bench, webhook({"id": 99}))
    assert await told(bench, workers.refetch, context) == []
    assert await status_of(bench, 99) == "received"
    assert "it waits for a webhook that carries it whole" in (await story_of(bench))[-1]


async def test_going_live_releases_what_was_only_observed_page_by_page(bench: HandlerBench, context: Context) -> None:
    await bench.handle("learn_channels", [configured("observe")])
    await receive(bench, *(placed(n) for n in range(1, 251)), placed(251, financial_status="pending"))
    assert (await status_of(bench, 1), await told(bench, workers.reconsider, context)) == ("on_hold", [])
    await bench.handle("learn_channels", [configured("live", version=2)])
    released = await told(bench, workers.reconsider, context)
    assert {type(event) for event in released} == {OrderReleased}
    assert len(released) == 251
    assert (await status_of(bench, 250), await status_of(bench, 251)) == ("matching", "on_hold")
    assert await bench.table("reconsideration") == []


async def test_going_back_to_observing_holds_what_is_open(bench: HandlerBench, context: Context) -> None:
    await bench.given(live())
    await receive(bench, placed(1), placed(2, cancelled_at="2026-03-01T12:00:00Z"))
    await bench.handle("learn_channels", [configured("observe", version=2)])
    [held] = await told(bench, workers.reconsider, context)
    assert [hold.code for hold in held.holds] == ["observing"]


async def test_an_order_imported_while_its_channel_goes_live_is_not_held_for_ever(
    bench: HandlerBench, context: Context
) -> None:
    """The import has read "observing" and not committed; going live must wait for it, or nobody would release it."""
    await bench.handle("learn_channels", [configured("observe")])
    event = placed(1)
    going_live = None
    async with transaction(context.database) as tx:
        tx.received = lambda _event: type("R", (), {"origin_id": CHANNEL})()  # type: ignore[method-assign,assignment]
        await handlers.receive_orders([event], tx)
        going_live = asyncio.create_task(bench.handle("learn_channels", [configured("live", version=2)]))
        await asyncio.sleep(0.3)
        assert not going_live.done()
    await going_live
    await told(bench, workers.reconsider, context)
    assert await status_of(bench) == "matching"


async def test_two_imports_of_the_same_new_orders_at_once_make_each_order_once(
    bench: HandlerBench, context: Context
) -> None:
    await bench.given(live())
    one = [placed(n) for n in range(1, 40)]
    two = [placed(n, minutes=1) for n in range(39, 0, -1)]
    await asyncio.gather(bench.handle("receive_orders", one), bench.handle("receive_orders", two))
    rows = await bench.table("orders")
    assert len(rows) == 39
    assert await bench.table("scheduled") == []
    placed_events = [row for row in bench.published if row.type == "order.placed.v1"]
    assert len(placed_events) == 39
