"""What the other services' milestones do to an order's status, its holds and its timeline."""

from typing import Any

import pytest
from ingest_examples import (
    accepted,
    at,
    delivered,
    dispatched,
    holds_of,
    line,
    live,
    matched,
    placed,
    receive,
    rejected,
    requested,
    reserved,
    settled,
    short,
    status_of,
    story_of,
    tag_failed,
    tagged,
    unmatched,
    voided,
    write_failed,
    written,
)

from crossdock.contracts.inventory import Shortage
from crossdock.contracts.order_ingest import OrderHeld, OrderReleased
from crossdock.testing.bench import HandlerBench


@pytest.fixture
async def shop(bench: HandlerBench) -> HandlerBench:
    """A bench with one live channel and its order 1, two shirts."""
    await bench.given(live())
    await receive(bench, placed())
    return bench


async def fulfilled(bench: HandlerBench, *events: Any) -> list[Any]:
    return list(await bench.handle("record_milestones", events))


async def test_an_order_goes_from_matching_to_delivered(shop: HandlerBench) -> None:
    seen = [await status_of(shop)]
    for handler, event in (
        ("record_milestones", matched()),
        ("record_milestones", reserved()),
        ("record_milestones", requested()),
        ("record_milestones", accepted()),
        ("record_milestones", dispatched()),
        ("record_milestones", written()),
        ("record_milestones", delivered()),
    ):
        assert await shop.handle(handler, [event]) == [], "a milestone alone is not told again"
        seen.append(await status_of(shop))
    assert seen == [
        "matching",
        "reserving",
        "reserving",
        "outstanding",
        "outstanding",
        "shipped",
        "shipped",
        "delivered",
    ]
    assert (await story_of(shop))[1:] == [
        "Every line that ships is matched to a SKU",
        "Stock reserved: 2 of SHIRT",
        "Depot is asked to ship 2 units (request 1)",
        "Depot accepted request 1",
        "Shipped 2 units in 1 package (Carrier T-S1)",
        "Tracking of package 1 was written to the channel",
        "Shipment S1 was delivered",
    ]


async def test_an_unknown_sku_holds_the_order_with_the_line_named(shop: HandlerBench) -> None:
    [held] = await shop.handle("record_milestones", [unmatched()])
    assert isinstance(held, OrderHeld)
    assert [hold.sentence for hold in held.holds] == ["Line 1 (Shirt): SKU SHIRT is not among the channel's listings"]
    assert (await status_of(shop), await holds_of(shop)) == ("on_hold", ["sku_unknown"])
    [released] = await shop.handle("record_milestones", [matched(version=1)])
    assert isinstance(released, OrderReleased)
    assert (released.order_version, released.content_version) == (3, 1)


async def test_an_older_match_that_arrives_late_changes_nothing(shop: HandlerBench) -> None:
    await shop.handle("record_milestones", [matched(version=1)])
    assert await shop.handle("record_milestones", [unmatched()]) == []
    assert await status_of(shop) == "reserving"


async def test_short_stock_holds_the_order_with_its_quantities(shop: HandlerBench) -> None:
    mugs = Shortage(sku="MUG", location="Main", wanted=1, available=0)
    shirts = Shortage(sku="SHIRT-M", location="Main", wanted=2, available=1)
    await shop.handle("record_milestones", [matched()])
    [held] = await shop.handle("record_milestones", [short(1, shirts, mugs)])
    assert isinstance(held, OrderHeld)
    assert held.holds[0].sentence == (
        "Unable to reserve inventory: 2 of SHIRT-M, 1 available at Main; 1 of MUG, 0 available at Main"
    )
    assert held.holds[0].actor == "operator"
    [released] = await shop.handle("record_milestones", [reserved(version=1)])
    assert isinstance(released, OrderReleased)
    assert released.holds == ()


async def test_a_shortage_of_older_content_is_no_hold(shop: HandlerBench) -> None:
    await receive(shop, placed(minutes=1, lines=[line(quantity=3)]))
    assert await shop.handle("record_milestones", [short(content=1)]) == []
    assert await holds_of(shop) == []


async def test_a_rejection_holds_the_order_until_somebody_answers_it(shop: HandlerBench) -> None:
    [held] = await fulfilled(shop, requested(), rejected())
    assert held.holds[0].sentence == "Depot rejected request 1: no such service"
    assert await status_of(shop) == "on_hold"


async def test_a_part_that_left_outranks_a_hold(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), accepted(), dispatched(1, l11=1), rejected(revision=2))
    assert (await status_of(shop), await holds_of(shop)) == ("partially_shipped", ["rejected"])


async def test_a_hold_that_comes_after_the_destination_took_all_does_not_hide_that_it_ships(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), accepted())
    [held] = await receive(shop, placed(minutes=1, financial_status="voided"))
    assert isinstance(held, OrderHeld)
    assert (await status_of(shop), await holds_of(shop)) == ("outstanding", ["payment"])


async def test_a_hold_that_comes_while_more_is_wanted_than_was_asked_for_is_shown(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), accepted())
    await receive(shop, placed(minutes=1, lines=[line(quantity=3)]))
    await shop.handle("record_milestones", [short(content=2)])
    assert await status_of(shop) == "on_hold"


async def test_a_cancellation_is_cancelled_once_nothing_stands(shop: HandlerBench) -> None:
    await receive(shop, placed(minutes=1, cancelled_at=at(1).isoformat()))
    assert await status_of(shop) == "cancel_requested"
    await fulfilled(shop, settled(content=2))
    assert await status_of(shop) == "cancelled"


async def test_cancelled_with_something_shipped_says_so(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), accepted())
    await receive(shop, placed(minutes=1, cancelled_at=at(1).isoformat()))
    await fulfilled(shop, settled(content=2, l11=2))
    assert await status_of(shop) == "cancel_requested"
    await fulfilled(shop, dispatched())
    assert await status_of(shop) == "cancelled_shipped_anyway"


async def test_an_order_edited_to_nothing_is_cancelled(shop: HandlerBench) -> None:
    await receive(shop, placed(minutes=1, lines=[line(current_quantity=0, fulfillable_quantity=0)]))
    await fulfilled(shop, settled(content=2))
    assert await status_of(shop) == "cancelled"


async def test_a_voided_shipment_did_not_ship(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), dispatched())
    assert await status_of(shop) == "shipped"
    await fulfilled(shop, voided())
    assert await status_of(shop) == "outstanding"


async def test_a_void_may_arrive_before_its_shipment(shop: HandlerBench) -> None:
    await fulfilled(shop, requested(), voided(), dispatched())
    assert await status_of(shop) == "outstanding"


async def test_tracking_that_failed_and_then_worked_worked(shop: HandlerBench) -> None:
    await fulfilled(shop, dispatched(), written(adopted=True), write_failed())
    [row] = await shop.table("orders")
    assert row["progress"]["tracking"]["S1/1"]["state"] == "done"
    assert (await story_of(shop))[-1] == "Tracking of package 1 was found in the channel already"


async def test_a_milestone_of_an_order_that_is_not_here_is_parked(shop: HandlerBench) -> None:
    await shop.handle("record_milestones", [matched(99), matched(1)])
    [parked] = await shop.table("parked_message")
    assert parked["reason"].startswith("There is no order ")
    assert await status_of(shop) == "reserving"


async def test_a_tag_is_told_on_the_timeline_and_one_that_failed_holds_nothing(shop: HandlerBench) -> None:
    assert await fulfilled(shop, tag_failed()) == []
    assert (await status_of(shop), await holds_of(shop)) == ("matching", [])
    await fulfilled(shop, tagged(), tagged(), tag_failed())
    assert (await story_of(shop))[1:] == [
        "The tag 'Crossdock' could not be put on the order in its channel: not allowed",
        "The tag 'Crossdock' was put on the order in its channel",
    ]
    [row] = await shop.table("orders")
    assert row["progress"]["tagging"]["state"] == "done"
