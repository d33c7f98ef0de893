"""Real payloads that nobody here wrote, each through a channel of its own: all of them end as something explained."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from ingest_examples import live, webhook

from crossdock.channels.model import CanonicalOrder
from crossdock.channels.shopify.mapper import parse_webhook as parse
from crossdock.contracts.gateway import OrdersWebhookReceived
from crossdock.contracts.order_ingest import RefundRecorded
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest.domain import fold
from order_ingest.domain.order import Arrival, Order
from order_ingest.domain.status import STATUSES, status
from order_ingest.translate import arrival_of

ROOT = Path(__file__).parents[4]
REFERENCE = Path(os.environ.get("CROSSDOCK_REFERENCE", ROOT.parent / "shared")).resolve()
Rows = dict[UUID, list[dict[str, object]]]
ENDS = {"matching", "on_hold", "record_only", "rejected", "cancel_requested", "received"}


def samples(folder: str) -> list[Path]:
    found = sorted((REFERENCE / "samples" / "shopify" / folder).glob("*.json"))
    if not found:
        pytest.skip(f"no samples in {REFERENCE}/samples/shopify/{folder}: set CROSSDOCK_REFERENCE")
    return found


def channel_of(path: Path) -> UUID:
    return uuid5(NAMESPACE_URL, path.name)


def deliveries(paths: list[Path], topic: str | None = None) -> list[OrdersWebhookReceived]:
    return [
        webhook(path.read_bytes(), topic=topic or path.stem.replace("__", "/"), channel=channel_of(path))
        for path in paths
    ]


async def received(
    bench: HandlerBench, paths: list[Path], topic: str | None = None
) -> dict[UUID, list[dict[str, object]]]:
    """The order rows by channel, after all files came in one batch."""
    await bench.given(live(*(channel_of(path) for path in paths)))
    await bench.handle("receive_orders", deliveries(paths, topic))
    rows: Rows = {}
    for row in await bench.table("orders"):
        rows.setdefault(row["channel_id"], []).append(row)
    assert await bench.table("scheduled") == [], "a handler raised something but Poison"
    return rows


async def test_every_sample_order_ends_as_an_order_or_is_received_and_marked_for_reading(bench: HandlerBench) -> None:
    paths = samples("orders")
    rows = await received(bench, paths, "orders/updated")
    assert await bench.table("parked_message") == []
    for path in paths:
        assert rows[channel_of(path)], path.name
        for row in rows[channel_of(path)]:
            assert row["status"] in ENDS, (path.name, row["status"])
            assert (row["status"] == "on_hold") == bool(row["hold_codes"]), path.name
            assert (row["status"] == "received") == (row["refetch_due_at"] is not None), path.name
    assert set(STATUSES) >= ENDS


async def test_totals_of_every_sample_order_add_up_or_say_why_not(bench: HandlerBench) -> None:
    rows = await received(bench, samples("orders"), "orders/create")
    for row in (row for several in rows.values() for row in several if row["status"] != "received"):
        source = row["source"]
        assert isinstance(source, dict)
        totals = source["totals"]
        names = ("lines", "shipping", "tips", "duties", "difference")
        summed = sum(Decimal(totals[name]) for name in names) - Decimal(totals["discounts"])
        summed += 0 if totals["taxes_included"] else Decimal(totals["tax"])
        assert summed == Decimal(totals["total"]), row["number"]
        assert bool(Decimal(totals["difference"])) == bool(totals["difference_reason"]), row["number"]


async def test_every_sample_webhook_ends_as_an_order_or_is_received_and_marked_for_reading(bench: HandlerBench) -> None:
    paths = samples("webhooks")
    orders = [path for path in paths if path.stem.startswith(("orders__", "refunds__"))]
    rows = await received(bench, orders)
    assert await bench.table("parked_message") == []
    for path in orders:
        ignored = path.stem in ("orders__link_requested", "orders__risk_assessment_changed")
        assert (channel_of(path) not in rows) == ignored, path.name
        for row in rows.get(channel_of(path), []):
            assert row["status"] in ENDS, path.name
            assert (row["refetch_due_at"] is not None) == path.stem.startswith("refunds__"), path.name


async def test_no_sample_webhook_of_any_topic_makes_the_handler_fail(bench: HandlerBench) -> None:
    paths = samples("webhooks")
    await received(bench, paths)
    for row in await bench.table("parked_message"):
        assert "cannot be read" in row["reason"] or "is no order" in row["reason"]


async def test_every_sample_order_told_twice_publishes_nothing_more(bench: HandlerBench) -> None:
    paths = samples("orders")
    await received(bench, paths, "orders/create")
    bench.published.clear()
    await bench.handle("receive_orders", deliveries(paths, "orders/create"))
    assert [row.type for row in bench.published if row.exchange] == []


def plain_samples() -> Iterator[dict[str, Any]]:
    """The sample orders to which nothing has happened yet."""
    for path in samples("orders"):
        order = json.loads(path.read_bytes())
        order = order.get("order", order)
        lines = order.get("line_items") or [{}]
        happened = any(order.get(name) for name in ("refunds", "fulfillments", "cancelled_at", "test"))
        if not happened and lines[0].get("requires_shipping") and lines[0].get("fulfillable_quantity"):
            yield order


def life_of(order: dict[str, Any]) -> list[dict[str, Any]]:
    """The order, then each time with one thing more: a line added and all of it shipped, its first line exchanged, the
    added one refunded and kept, money paid for the trouble, cancelled."""
    began = datetime.fromisoformat(order["updated_at"])
    times = [(began + timedelta(minutes=minutes)).isoformat() for minutes in range(6)]
    first, *others = order["line_items"]
    added = first | {"id": 77, "quantity": 1, "current_quantity": 1, "fulfillable_quantity": 0, "sku": "ADDED"}
    shipped = [{"id": one["id"], "quantity": one["quantity"]} for one in (first, added)]
    parcel = {"id": 1, "status": "success", "created_at": times[1], "line_items": shipped}
    lines = [first | {"fulfillable_quantity": 0}, *others, added]
    back = {
        "refund_line_items": [{"line_item_id": first["id"], "quantity": 1, "restock_type": "return", "subtotal": 5}]
    }
    kept = {"refund_line_items": [{"line_item_id": 77, "quantity": 1, "restock_type": "no_restock", "subtotal": 5}]}
    paid = [{"transactions": [{"kind": "refund", "status": "success", "amount": n}]} for n in ("0.00", "5.00", "1.00")]
    refunds = [
        {"id": n, "created_at": times[n + 1]} | what | money
        for n, (what, money) in enumerate(zip((back, kept, {}), paid, strict=True), 1)
    ]
    states = [order, {"fulfillments": [parcel], "line_items": lines}]
    states += [{"refunds": refunds[:n]} for n in (1, 2, 3)]
    states.append({"cancelled_at": times[5]})
    whole: dict[str, Any] = {}
    life = []
    for state, at in zip(states, times, strict=True):
        whole = whole | state | {"updated_at": at}
        life.append(whole)
    return life


async def test_edits_refunds_and_a_cancellation_of_samples_end_alike_in_every_order_of_arrival(
    bench: HandlerBench,
) -> None:
    orders = list(plain_samples())
    assert len(orders) >= 5
    lives = {uuid5(NAMESPACE_URL, f"{i} of many"): life_of(order) for i, order in enumerate(orders[:3])}
    runs = [(uuid5(which, str(turns)), which, turns) for which in lives for turns in permutations(range(1, 6))]
    await bench.given(live(*(channel for channel, _, _ in runs)))
    for step in range(6):
        arrived = [
            webhook(lives[which][(0, *turns)[step]], topic="orders/updated", channel=channel)
            for channel, which, turns in runs
        ]
        await bench.handle("receive_orders", arrived)
    assert await bench.table("parked_message") == []
    rows = {row["channel_id"]: row for row in await bench.table("orders")}
    refunds: dict[object, set[tuple[object, ...]]] = defaultdict(set)
    told = [
        event
        for event in map(event_of, (row for row in bench.published if row.exchange))
        if isinstance(event, RefundRecorded)
    ]
    for event in told:
        lines = tuple((line.quantity, line.restock) for line in event.lines)
        refunds[event.order_id].add((event.refund_id, event.kind, lines))
    ends = defaultdict(set)
    for channel, which, _ in runs:
        row = rows[channel]
        ends[which].add((row["status"], json.dumps(row["source"], sort_keys=True), frozenset(refunds[row["order_id"]])))
    assert [len(end) for end in ends.values()] == [1] * len(lives)
    assert len(told) == 3 * len(runs), "a refund is told once"
    for ((_, _, facts),) in ends.values():
        assert {(kind, lines) for _, kind, lines in facts} == {
            ("exchange", ((1, True),)),
            ("kept", ((1, False),)),
            ("appeasement", ()),
        }


def every_sample() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every sample that tells an order's lines by their ids, by its file and its place there, whatever happened to it
    already."""
    for path in samples("orders"):
        document = json.loads(path.read_bytes())
        several = document.get("orders", [document.get("order", document)])
        for n, order in enumerate(several):
            if all(line.get("id") for line in order.get("line_items") or [{}]):
                yield f"{path.stem} {n}", order


def going_on(order: dict[str, Any]) -> list[dict[str, Any]]:
    """A sample and five things more, on top of what its file tells: a refund, a second one, an edit, a parcel, and a
    cancellation."""
    began = datetime.fromisoformat(order.get("updated_at") or order["created_at"])
    times = [(began + timedelta(minutes=minutes)).isoformat() for minutes in range(6)]
    first, *others = order["line_items"]
    refunds = list(order.get("refunds") or ())
    for n, word in enumerate(("cancel", "no_restock"), 1):
        items = [{"line_item_id": first["id"], "quantity": 1, "restock_type": word, "subtotal": 1}]
        refunds.append({"id": 9000 + n, "created_at": times[n], "refund_line_items": items, "transactions": []})
    added = first | {"id": 77, "quantity": 1, "current_quantity": 1, "fulfillable_quantity": 0, "sku": "ADDED"}
    parcel = {"id": 9009, "status": "success", "created_at": times[4], "line_items": [{"id": 77, "quantity": 1}]}
    states: list[dict[str, Any]] = [
        {"updated_at": times[0]},
        {"refunds": refunds[:-1]},
        {"refunds": refunds},
        {"line_items": [first, *others, added]},
        {"fulfillments": [*(order.get("fulfillments") or ()), parcel]},
        {"cancelled_at": times[5]},
    ]
    whole, life = order, []
    for state, at in zip(states, times, strict=True):
        whole = whole | state | {"updated_at": at}
        life.append(whole)
    return life


def end_of(arrivals: Iterable[Arrival]) -> tuple[object, ...]:
    """Where an order stands once all of these states came, and which units were told as refunded, for what."""
    order, source, recipient = Order(), None, None
    facts: dict[str, tuple[object, ...]] = {}
    for arrival in arrivals:
        step = fold.take_snapshot(order, source, recipient, arrival)
        order, source = step.order, step.source or source
        recipient = recipient if step.recipient is None else step.recipient
        facts |= {refund.refund_id: (refund.lines, refund.kind) for refund in step.refunds}
    wanted = frozenset(order.wanted.items())
    return status(order), repr(source), wanted, frozenset(facts.items()), json.dumps(recipient, sort_keys=True)


def test_every_sample_order_ends_alike_in_each_of_120_orders_in_which_five_further_events_may_arrive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = dict(every_sample())
    for name, order in told.items():
        parsed = [parse("orders/updated", json.dumps(state).encode()) for state in going_on(order)]
        first, *rest = [arrival_of(one) for (one,) in parsed if isinstance(one, CanonicalOrder)]
        assert len(rest) == 5, name
        ends = {end_of((first, *turns)) for turns in permutations(rest)}
        assert len(ends) == 1, name
        [(where, *_)] = ends
        assert where in ("cancelled", "record_only", "cancel_requested", "cancelled_shipped_anyway", "rejected"), name
    with capsys.disabled():
        print(f" {len(told)} sample orders, {120 * len(told):,} orders of arrival ", end="")
    assert len(told) >= 20
