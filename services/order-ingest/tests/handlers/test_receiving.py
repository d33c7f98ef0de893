"""What a channel's webhooks do to orders."""

from typing import Any

import pytest
from ingest_examples import (
    CHANNEL,
    at,
    configured,
    holds_of,
    line,
    live,
    matched,
    order_id,
    payload,
    placed,
    receive,
    status_of,
    story_of,
    touched,
    webhook,
)
from sqlalchemy import text

from crossdock.contracts.order_ingest import (
    OrderCancelled,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    OrderUpdated,
    RecipientRecorded,
    RefundRecorded,
)
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from order_ingest.store import refetches


def kinds(events: list[Any]) -> list[type]:
    return [type(event) for event in events]


@pytest.fixture
async def shop(bench: HandlerBench) -> HandlerBench:
    """A bench whose channel is live."""
    await bench.given(live())
    return bench


async def test_a_new_order_is_placed_and_its_recipient_told_inside(shop: HandlerBench) -> None:
    order, recipient = await receive(shop, placed())
    assert isinstance(order, OrderPlaced)
    assert isinstance(recipient, RecipientRecorded)
    assert (order.order_id, order.number, order.order_version, order.content_version) == (order_id(), "#1001", 1, 1)
    assert [(one.line_id, one.wanted, one.sku) for one in order.lines] == [("11", 2, "SHIRT")]
    assert order.holds == ()
    assert recipient.recipient.address is not None
    assert recipient.recipient.address.street == ("1 Example Street",)
    assert await status_of(shop) == "matching"
    assert await story_of(shop) == ["Order #1001 imported: 1 line, 2 units to ship"]


async def test_the_same_delivery_told_again_publishes_nothing(shop: HandlerBench) -> None:
    await receive(shop, placed())
    assert await receive(shop, placed(), placed()) == []


async def test_an_older_state_is_ignored(shop: HandlerBench) -> None:
    await receive(shop, placed(minutes=5, lines=[line(quantity=3)]))
    assert await receive(shop, placed(minutes=4, lines=[line(quantity=9)])) == []


async def test_a_newer_state_without_new_content_publishes_nothing(shop: HandlerBench) -> None:
    await receive(shop, placed())
    shipped = line(fulfillment_status="fulfilled", fulfillable_quantity=0)
    shipment = {"id": 5, "status": "success", "created_at": at(1).isoformat(), "line_items": [line()]}
    assert await receive(shop, placed(minutes=1, lines=[shipped], fulfillments=[shipment], tags="crossdock")) == []


async def test_new_content_raises_the_content_version(shop: HandlerBench) -> None:
    await receive(shop, placed())
    [order] = await receive(shop, placed(minutes=1, lines=[line(quantity=3)]))
    assert isinstance(order, OrderUpdated)
    assert (order.order_version, order.content_version, order.lines[0].wanted) == (2, 2, 3)


async def test_a_changed_recipient_is_a_new_recipient_version_and_no_new_content(shop: HandlerBench) -> None:
    await receive(shop, placed())
    [recipient] = await receive(shop, placed(minutes=1, note="Leave it with the test neighbour"))
    assert isinstance(recipient, RecipientRecorded)
    assert recipient.recipient_version == 2


async def test_a_recipient_is_told_even_when_there_is_none(shop: HandlerBench) -> None:
    order, recipient = await receive(shop, placed(shipping_address=None, email=None))
    assert isinstance(recipient, RecipientRecorded)
    assert recipient.recipient.address is None
    assert [hold.sentence for hold in order.holds] == ["No delivery address"]


async def test_an_unpaid_order_is_held_until_it_is_paid(shop: HandlerBench) -> None:
    [order, _] = await receive(shop, placed(financial_status="pending"))
    assert [hold.sentence for hold in order.holds] == ["Waiting for payment"]
    assert (await status_of(shop), await holds_of(shop)) == ("on_hold", ["payment"])
    [released] = await receive(shop, placed(minutes=1))
    assert isinstance(released, OrderReleased)
    assert (released.holds, released.order_version, released.content_version) == ((), 2, 1)
    assert await story_of(shop) == [
        "Order #1001 imported: 1 line, 2 units to ship",
        "Held: Waiting for payment",
        "No longer held: Waiting for payment",
    ]


async def test_an_order_of_an_unknown_channel_is_observed_until_the_channel_is_known(bench: HandlerBench) -> None:
    [order, _] = await receive(bench, placed())
    assert [hold.sentence for hold in order.holds] == [
        f"Channel {CHANNEL} only observes: nothing is sent to the warehouse"
    ]
    await bench.handle("learn_channels", [configured("observe")])
    [order, _] = await receive(bench, placed(2))
    assert "Channel Test Shop only observes" in order.holds[0].sentence


async def test_a_channel_that_was_reset_is_read_from_its_beginning_again_once(bench: HandlerBench) -> None:
    async def read_on(tx: Tx) -> None:
        await tx.run(text("UPDATE feed SET since = now(), reached = now(), page = 'p'"))

    await bench.handle("learn_channels", [configured()])
    reset = configured(version=2).model_copy(update={"resets": 1})
    for late, begins_anew in ((reset, True), (reset, False), (configured(version=3), False)):
        await bench.given(read_on)
        await bench.handle("learn_channels", [late])
        [feed] = await bench.table("feed")
        assert (feed["reached"] == feed["start_at"], feed["page"] is None) == (begins_anew, begins_anew)


async def test_a_cancelled_order_wants_nothing_any_more(shop: HandlerBench) -> None:
    await receive(shop, placed())
    [order] = await receive(shop, placed(minutes=1, cancelled_at=at(1).isoformat()))
    assert isinstance(order, OrderCancelled)
    assert (order.cancelled, order.lines[0].wanted, order.content_version) == (True, 0, 2)
    assert await status_of(shop) == "cancel_requested"


async def test_a_cancellation_that_precedes_its_order_waits_for_the_content(shop: HandlerBench) -> None:
    assert await receive(shop, webhook({"id": 1}, topic="orders/delete")) == []
    assert await status_of(shop) == "received"
    [order, _] = await receive(shop, placed())
    assert isinstance(order, OrderCancelled)
    assert (order.cancelled, order.order_version) == (True, 1)
    assert len(await shop.table("orders")) == 1


async def test_an_order_of_digital_goods_is_kept_for_the_record(shop: HandlerBench) -> None:
    [order, _] = await receive(shop, placed(lines=[line(requires_shipping=False)], financial_status="pending"))
    assert (order.lines[0].wanted, order.holds) == (0, ())
    assert await status_of(shop) == "record_only"


async def test_digital_goods_that_are_edited_stay_for_the_record(shop: HandlerBench) -> None:
    await receive(shop, placed(lines=[line(requires_shipping=False)]))
    [order] = await receive(shop, placed(minutes=1, lines=[line(requires_shipping=False, quantity=3)]))
    assert isinstance(order, OrderUpdated)
    assert await status_of(shop) == "record_only"


async def test_what_had_shipped_before_the_import_is_not_wanted(shop: HandlerBench) -> None:
    shipment = {"id": 5, "status": "success", "created_at": at(0).isoformat(), "line_items": [line(quantity=1)]}
    [order, _] = await receive(shop, placed(fulfillments=[shipment], lines=[line(quantity=3, fulfillable_quantity=2)]))
    assert order.lines[0].wanted == 2


async def test_a_test_order_is_stored_and_told_to_nobody(shop: HandlerBench) -> None:
    assert await receive(shop, placed(test=True)) == []
    assert await status_of(shop) == "rejected"
    assert await story_of(shop) == ["Not ours: It is a test order"]


async def test_a_refund_of_units_not_shipped_lowers_what_is_wanted_and_moves_no_stock(shop: HandlerBench) -> None:
    await receive(shop, placed())
    refund = {"id": 3, "refund_line_items": [{"line_item_id": 11, "quantity": 1, "restock_type": "cancel"}]}
    order, told = await receive(
        shop, placed(minutes=1, refunds=[refund], lines=[line(current_quantity=1, fulfillable_quantity=1)])
    )
    assert isinstance(order, OrderUpdated)
    assert order.lines[0].wanted == 1
    assert isinstance(told, RefundRecorded)
    assert (told.kind, told.lines) == ("unshipped", ())


def returned(minutes: int, *refund_ids: int) -> Any:
    """Order 1 with both units shipped and one of them returned by each refund."""
    shipment = {"id": 5, "status": "success", "created_at": at(1).isoformat(), "line_items": [line()]}
    refunds = [
        {
            "id": refund_id,
            "created_at": at(2).isoformat(),
            "refund_line_items": [{"line_item_id": 11, "quantity": 1, "restock_type": "return"}],
        }
        for refund_id in refund_ids
    ]
    lines = [line(current_quantity=2 - len(refunds), fulfillable_quantity=0)]
    return placed(minutes=minutes, lines=lines, fulfillments=[shipment], refunds=refunds)


async def test_a_refund_of_shipped_units_is_told_once_and_changes_nothing_else(shop: HandlerBench) -> None:
    await receive(shop, placed())
    [refund] = await receive(shop, returned(2, 3))
    assert isinstance(refund, RefundRecorded)
    assert (refund.refund_id, [(one.line_id, one.quantity, one.restock) for one in refund.lines]) == (
        "3",
        [("11", 1, True)],
    )
    [second] = await receive(shop, returned(3, 3, 4))
    assert second.refund_id == "4"


async def test_refunds_from_before_the_import_are_history(shop: HandlerBench) -> None:
    assert kinds(await receive(shop, returned(2, 3))) == [OrderPlaced, RecipientRecorded]
    assert await receive(shop, returned(3, 3)) == []


async def test_two_states_with_the_same_time_mark_the_order_for_reading_again(shop: HandlerBench) -> None:
    await receive(shop, placed())
    assert await receive(shop, placed(lines=[line(quantity=5)])) == []
    [row] = await shop.table("orders")
    assert row["refetch_due_at"] is not None
    assert row["refetch_again"] is False


async def claimed(tx: Tx) -> None:
    assert len(await refetches.claim(tx, CHANNEL, limit=5, lease_seconds=60)) == 1


@pytest.mark.parametrize("meanwhile", [placed(lines=[line(quantity=6)]), touched(), touched(minutes=1)])
async def test_what_arrives_while_the_channel_is_asked_makes_it_asked_again(shop: HandlerBench, meanwhile: Any) -> None:
    await receive(shop, placed(), placed(lines=[line(quantity=5)]), meanwhile)
    [row] = await shop.table("orders")
    assert row["refetch_again"] is False
    await shop.given(claimed)
    await receive(shop, meanwhile)
    [row] = await shop.table("orders")
    assert row["refetch_again"] is True


async def test_an_order_that_is_only_named_is_received_and_marked_for_reading(shop: HandlerBench) -> None:
    assert await receive(shop, touched(minutes=3)) == []
    [row] = await shop.table("orders")
    assert (row["status"], row["external_id"], row["source"]) == ("received", "1", None)
    assert row["refetch_due_at"] is not None
    assert await story_of(shop) == [
        "Its channel says that something happened to it, but not what: it is read from its channel"
    ]
    assert kinds(await receive(shop, placed(minutes=3))) == [OrderPlaced, RecipientRecorded]


@pytest.mark.parametrize(("minutes", "read_again"), [(1, False), (2, False), (3, True), (None, True)])
async def test_a_known_order_that_is_only_named_is_read_again_unless_it_is_as_new(
    shop: HandlerBench, minutes: int | None, read_again: bool
) -> None:
    await receive(shop, placed(minutes=2))
    assert await receive(shop, touched(minutes=minutes)) == []
    [row] = await shop.table("orders")
    assert (row["refetch_due_at"] is not None, row["status"]) == (read_again, "matching")


async def test_one_delivery_may_carry_several_orders(shop: HandlerBench) -> None:
    events = await receive(shop, webhook({"orders": [payload(1), payload(2)]}))
    assert kinds(events) == [OrderPlaced, RecipientRecorded] * 2
    assert len(await shop.table("orders")) == 2


async def test_ten_thousand_lines_are_one_order(shop: HandlerBench) -> None:
    [order, _] = await receive(shop, placed(lines=[line(n, quantity=1) for n in range(1, 10_001)]))
    assert len(order.lines) == 10_000


async def test_of_several_orders_those_that_can_be_read_are_taken_and_the_delivery_is_kept_for_the_rest(
    shop: HandlerBench,
) -> None:
    bad = payload(2) | {"line_items": [line(quantity=-1)]}
    events = await receive(shop, webhook({"orders": [payload(1), bad, payload(3)]}), placed(4))
    assert [event.number for event in events if isinstance(event, OrderPlaced)] == ["#1001", "#1003", "#1004"]
    [parked] = await shop.table("parked_message")
    assert parked["reason"] == (
        "The orders/updated webhook can be read only in part: orders[1].line_items[0].quantity is negative"
    )
    corrected = await receive(shop, webhook({"orders": [payload(1), payload(2), payload(3)]}))
    assert [event.number for event in corrected if isinstance(event, OrderPlaced)] == ["#1002"]


@pytest.mark.parametrize("body", [b"not json", b'{"id": "five"}', b"[1]", b'{"orders": [{"name": "#1"}]}', b"\xff"])
async def test_a_body_that_is_no_order_is_parked_with_the_reason_and_harms_no_neighbour(
    shop: HandlerBench, body: bytes
) -> None:
    assert kinds(await receive(shop, webhook(body), placed(2))) == [OrderPlaced, RecipientRecorded]
    [parked] = await shop.table("parked_message")
    assert parked["reason"].startswith("The orders/updated webhook cannot be read: ")


async def test_nul_and_lone_surrogates_in_names_are_stored_without_harm(shop: HandlerBench) -> None:
    body = payload(1, note="\ud800 and \x00", lines=[line(sku="A\x00B")])
    [order, _] = await receive(shop, webhook(body))
    assert order.lines[0].sku == "AB"


async def test_a_hold_of_the_matcher_ends_with_the_content_it_judged(shop: HandlerBench) -> None:
    from ingest_examples import unmatched

    await receive(shop, placed())
    [held] = await shop.handle("record_milestones", [unmatched()])
    assert isinstance(held, OrderHeld)
    [order] = await receive(shop, placed(minutes=1, lines=[line(quantity=3)]))
    assert order.holds == ()
    await shop.handle("record_milestones", [matched(content=1, version=1)])
    assert await status_of(shop) == "matching"


async def test_the_id_of_an_order_that_is_there_already_wins(shop: HandlerBench) -> None:
    await receive(shop, placed())
    [order] = await receive(shop, placed(minutes=1, created_at=at(-60).isoformat()))
    assert order.order_id == order_id()


@pytest.mark.parametrize("tags", ["Crossdock, vip", "an older tag of ours", "", ["a", "b"]])
async def test_a_state_that_differs_by_its_tags_alone_is_no_change_whosever_tags_they_are(
    bench: HandlerBench, tags: Any
) -> None:
    await bench.given(live())
    await receive(bench, placed(tags="vip"))
    told = await story_of(bench)
    assert await receive(bench, placed(minutes=0, tags=tags)) == [], "no tie between states of one time"
    assert await receive(bench, placed(minutes=1, tags=tags)) == []
    assert await story_of(bench) == told
    [row] = await bench.table("orders")
    assert row["progress"]["published"]["order_version"] == 1
    assert row["refetch_due_at"] is None
