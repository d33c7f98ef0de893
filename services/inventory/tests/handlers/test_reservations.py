"""What happens to stock when orders are matched, shipped, cancelled and returned."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from crossdock.contracts.inventory import StockChanged, StockReleased, StockReserved, StockShort
from crossdock.contracts.order_ingest import RefundedLine, RefundKind, RefundRecorded
from crossdock.contracts.sku_matcher import Component
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.factories import NOON, dispatched, matched, order, settled
from inventory.api import record_count


def stock(as_of: datetime = NOON - timedelta(days=1), **on_hand: int) -> Callable[[Tx], Awaitable[None]]:
    """A step that counts so many of each SKU."""

    async def count(tx: Tx) -> None:
        for sku, units in on_hand.items():
            await record_count(tx, sku, units, as_of)

    return count


def levels(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """On hand and reserved by SKU."""
    return {row["sku"]: (row["on_hand"], row["reserved"]) for row in rows}


def only(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_an_order_is_reserved_whole(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5, MUG=2))
    [said] = await bench.handle("reserve_stock", [matched(1, SHIRT=2, MUG=1)])
    assert isinstance(said, StockReserved)
    assert {item.sku: item.quantity for item in said.items} == {"SHIRT": 2, "MUG": 1}
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 2), "MUG": (2, 1)}


async def test_a_reservation_says_how_many_units_make_one_of_the_line(bench: HandlerBench) -> None:
    await bench.given(stock(MUG=9))
    event = matched(1, BOX=3)
    box = event.lines[0].model_copy(update={"components": (Component(sku="MUG", per_unit=2),)})
    [said] = await bench.handle("reserve_stock", [event.model_copy(update={"lines": (box,)})])
    assert isinstance(said, StockReserved)
    assert [(item.line_id, item.sku, item.quantity, item.per_unit) for item in said.items] == [("BOX", "MUG", 6, 2)]


async def test_an_order_that_lacks_one_unit_takes_nothing(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5, MUG=0))
    [said] = await bench.handle("reserve_stock", [matched(1, SHIRT=1, MUG=1)])
    assert isinstance(said, StockShort)
    assert [(s.sku, s.wanted, s.available, s.location) for s in said.shortages] == [("MUG", 1, 0, "Main")]
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 0), "MUG": (0, 0)}


async def test_two_lines_of_one_sku_must_fit_together(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=3))
    event = matched(1, SHIRT=2)
    twice = event.model_copy(update={"lines": (event.lines[0], event.lines[0].model_copy(update={"line_id": "other"}))})
    [said] = await bench.handle("reserve_stock", [twice])
    assert isinstance(said, StockShort)
    assert said.shortages[0].wanted == 4


async def test_of_two_orders_in_one_batch_the_first_gets_the_last_unit(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=1))
    first, second = await bench.handle("reserve_stock", [matched(1, SHIRT=1), matched(2, SHIRT=1)])
    assert (type(first), type(second)) == (StockReserved, StockShort)


async def test_an_older_match_that_arrives_late_changes_nothing(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, content=2, SHIRT=3)])
    assert await bench.handle("reserve_stock", [matched(1, content=1, SHIRT=1)]) == []
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 3)}


async def test_a_raise_that_cannot_be_met_keeps_what_it_holds(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=2))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    [said] = await bench.handle("reserve_stock", [matched(1, content=2, SHIRT=3)])
    assert isinstance(said, StockShort)
    assert levels(await bench.table("stock")) == {"SHIRT": (2, 2)}


async def test_new_stock_serves_the_oldest_waiting_order_first(bench: HandlerBench) -> None:
    await bench.handle("reserve_stock", [matched(2, SHIRT=1), matched(1, SHIRT=1)])
    await bench.given(stock(SHIRT=1))
    rise = StockChanged.model_validate_json(bench.published[-1].body)
    [said] = only(await bench.handle("serve_waiting_orders", [rise]), StockReserved)
    assert said.order_id == order(1)


async def test_a_short_order_does_not_block_a_smaller_one_behind_it(bench: HandlerBench) -> None:
    await bench.handle("reserve_stock", [matched(1, SHIRT=5), matched(2, SHIRT=1)])
    await bench.given(stock(SHIRT=2))
    rise = StockChanged.model_validate_json(bench.published[-1].body)
    [said] = only(await bench.handle("serve_waiting_orders", [rise]), StockReserved)
    assert (said.order_id, said.reservation_version) == (order(2), 1)


async def test_a_shipment_leaves_stock_and_ends_its_reservation_once(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", SHIRT=1), dispatched(1, "S1", SHIRT=1)])
    assert levels(await bench.table("stock")) == {"SHIRT": (4, 1)}
    shipped = [row for row in await bench.table("ledger") if row["kind"] == "shipped"]
    assert [(row["quantity"], row["cause"]) for row in shipped] == [(-1, "S1")]


async def test_a_shipment_that_arrives_before_its_reservation_waits_for_it(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", SHIRT=2)])
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 0)}
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", SHIRT=2)])
    assert levels(await bench.table("stock")) == {"SHIRT": (3, 0)}


async def test_a_settled_cancellation_gives_stock_back(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=3)])
    said = await bench.handle("follow_fulfillment", [settled(1, content=2, version=1)])
    assert [type(event) for event in said] == [StockReleased, StockChanged]
    assert only(said, StockChanged)[0].rose
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 0)}


async def test_a_settlement_that_arrives_before_the_match_caps_it(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("follow_fulfillment", [settled(1, content=2, version=1)])
    assert await bench.handle("reserve_stock", [matched(1, content=1, SHIRT=3)]) == []
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 0)}


async def test_returned_goods_go_back_on_hand_once(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", SHIRT=2)])
    lines = (RefundedLine(line_id="SHIRT", quantity=1, restock=True),)
    refund = RefundRecorded(order_id=order(1), refund_id="R1", lines=lines)
    await bench.handle("restock_refunds", [refund, refund])
    assert levels(await bench.table("stock")) == {"SHIRT": (4, 0)}


@pytest.mark.parametrize(
    ("kind", "restock", "on_hand"),
    [("restocked", [True], 4), ("kept", [False], 3), ("exchange", [True, False], 4), ("appeasement", [], 3)],
)
async def test_stock_moves_once_for_each_kind_of_refund(
    bench: HandlerBench, kind: RefundKind, restock: list[bool], on_hand: int
) -> None:
    """Of five units two had shipped. Told twice, before and after what it is about, a refund moves the same."""
    await bench.given(stock(SHIRT=5))
    lines = tuple(RefundedLine(line_id="SHIRT", quantity=1, restock=back) for back in restock)
    refund = RefundRecorded(order_id=order(1), refund_id="R1", lines=lines, kind=kind)
    await bench.handle("restock_refunds", [refund])
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", SHIRT=2)])
    await bench.handle("restock_refunds", [refund, refund])
    assert levels(await bench.table("stock")) == {"SHIRT": (on_hand, 0)}


async def test_a_refund_without_restock_moves_nothing(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    lines = (RefundedLine(line_id="SHIRT", quantity=1, restock=False),)
    await bench.handle("restock_refunds", [RefundRecorded(order_id=order(1), refund_id="R1", lines=lines)])
    assert levels(await bench.table("stock")) == {"SHIRT": (5, 2)}


async def test_a_count_made_after_a_shipment_is_not_lowered_by_it_again(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])

    await bench.given(stock(NOON + timedelta(hours=1), SHIRT=3))  # the two shirts had left when it was made
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", at=NOON, SHIRT=2)])
    assert levels(await bench.table("stock")) == {"SHIRT": (3, 0)}


async def test_a_shipment_that_the_count_had_seen_frees_stock_for_whoever_waits(bench: HandlerBench) -> None:
    """It lowers what is reserved and not what is on hand: more is available, though nothing came in."""
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=4)])
    await bench.given(stock(NOON + timedelta(hours=1), SHIRT=4))  # four had left, and three came in
    await bench.handle("reserve_stock", [matched(2, SHIRT=3)])
    [rise] = only(await bench.handle("follow_fulfillment", [dispatched(1, "S1", at=NOON, SHIRT=4)]), StockChanged)
    assert rise.rose
    [said] = only(await bench.handle("serve_waiting_orders", [rise]), StockReserved)
    assert said.order_id == order(2)


async def test_a_count_as_of_yesterday_keeps_what_moved_since(bench: HandlerBench) -> None:
    await bench.given(stock(SHIRT=5))
    await bench.handle("reserve_stock", [matched(1, SHIRT=2)])
    await bench.handle("follow_fulfillment", [dispatched(1, "S1", at=NOON, SHIRT=2)])

    await bench.given(stock(NOON - timedelta(hours=1), SHIRT=10))
    assert levels(await bench.table("stock")) == {"SHIRT": (8, 0)}
