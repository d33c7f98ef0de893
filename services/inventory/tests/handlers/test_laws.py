"""Grouping, repetition and constancy for every handler of inventory."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import ShipmentVoided
from crossdock.contracts.inventory import StockChanged
from crossdock.contracts.order_ingest import RefundedLine, RefundRecorded
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from crossdock.testing.factories import NOON, dispatched, matched, order, settled
from crossdock.testing.laws import Scenario, check_laws
from inventory import handlers, store
from inventory.api import record_count
from inventory.domain.claims import Claim, Item

MAIN = "00000000-0000-7000-8000-000000000001"


async def plenty(tx: Tx) -> None:
    """Shirts for most, mugs for some, no caps."""
    await record_count(tx, "SHIRT", 20, NOON - timedelta(days=1))
    await record_count(tx, "MUG", 6, NOON - timedelta(days=1))


def matches(n: int) -> Sequence[Event]:
    """Orders that compete for scarce stock, some edited, some told out of order."""
    events = [matched(i % 7 + 1, content=i // 7 + 1, SHIRT=1 + i % 3, MUG=i % 2, CAP=int(i % 5 == 4)) for i in range(n)]
    return [*events[n // 2 :], *events[: n // 2]]


def facts(n: int) -> Sequence[Event]:
    """Shipments, voids and settlements of the same few orders."""
    events: list[Event] = []
    for i in range(n):
        number = i % 4 + 1
        match i % 3:
            case 0:
                events.append(dispatched(number, f"S{i}", at=NOON + timedelta(minutes=i), SHIRT=1))
            case 1:
                void = ShipmentVoided(order_id=order(number), shipment_id=f"S{i - 1}", revision=1, reship=False)
                events.append(void.model_copy(update={"occurred_at": NOON + timedelta(minutes=i)}))
            case _:
                event = settled(number, content=2, version=i, SHIRT=i % 3)
                events.append(event.model_copy(update={"occurred_at": NOON}))
    return events


def refunds(n: int) -> Sequence[Event]:
    return [
        RefundRecorded(
            order_id=order(i % 4 + 1),
            refund_id=f"R{i}",
            lines=(RefundedLine(line_id="SHIRT", quantity=1, restock=i % 2 == 0),),
            occurred_at=NOON,
        )
        for i in range(n)
    ]


def rises(n: int) -> Sequence[Event]:
    return [
        StockChanged(sku=("SHIRT", "MUG")[i % 2], location_id=MAIN, on_hand=1, reserved=0, rose=i % 3 != 2, as_of=NOON)
        for i in range(n)
    ]


async def four_claims(tx: Tx) -> None:
    """Orders 1 to 4 hold three shirts each."""
    items = (Item("SHIRT", "SHIRT", 1, 3, held=3),)
    made = [Claim(order(i), NOON, (2, 0), (2, 0), 0, True, items) for i in range(1, 5)]
    await store.save_claims(tx, store.HeldClaims((claim.order_id, claim) for claim in made))
    location, _ = await store.default_location(tx)
    levels = await store.lock_stock(tx, location, ["SHIRT"])
    await store.save_stock(tx, location, [levels["SHIRT"]._replace(reserved=12)])


async def waiting_claims(tx: Tx) -> None:
    """Nine orders wait, some for two SKUs."""
    made = []
    for i in range(1, 10):
        items = [Item("SHIRT", "SHIRT", 1, i % 4 + 1), *([Item("MUG", "MUG", 1, 2)] if i % 2 else [])]
        made.append(Claim(order(i), NOON - timedelta(minutes=i), (1, 0), (1, 0), 0, False, tuple(items)))
    await store.save_claims(tx, store.HeldClaims((claim.order_id, claim) for claim in made))


SCENARIOS = {
    "reserve_stock": Scenario("reserve_stock", matches, (plenty,)),
    "follow_fulfillment": Scenario("follow_fulfillment", facts, (plenty, four_claims)),
    "restock_refunds": Scenario("restock_refunds", refunds, (plenty, four_claims)),
    "serve_waiting_orders": Scenario("serve_waiting_orders", rises, (plenty, waiting_claims)),
}


@pytest.mark.parametrize("handler", [handler.name for handler in handlers.consumer.handlers])
async def test_every_handler_keeps_the_three_laws(bench: HandlerBench, handler: str) -> None:
    await check_laws(bench, SCENARIOS[handler])
