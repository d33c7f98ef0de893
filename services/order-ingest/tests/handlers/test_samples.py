"""Real payloads that nobody here wrote, each through a channel of its own: all of them end as something explained."""

import os
from decimal import Decimal
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from ingest_examples import live, webhook

from crossdock.contracts.gateway import OrdersWebhookReceived
from crossdock.testing.bench import HandlerBench
from order_ingest.domain.status import STATUSES

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
