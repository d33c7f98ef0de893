"""The operator's mirror: tabs and their counts, filters, both orders of pages, search, and who may see people."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from ingest_examples import (
    CHANNEL,
    at,
    configured,
    dispatched,
    line,
    live,
    order_id,
    payload,
    placed,
    receive,
    rejected,
    requested,
    short,
    webhook,
)

from crossdock.messaging.transaction import transaction
from crossdock.service import tokens
from crossdock.service.app import Context, Process
from crossdock.testing.bench import HandlerBench
from order_ingest.domain.tabs import TABS
from order_ingest.store import counts
from order_ingest.workers import roll_up_counts

OTHER = UUID(int=8)
KEY = "a key that only tests use, long enough"


async def listed(api: httpx.AsyncClient, **filters: object) -> list[str]:
    reply = await api.get("/orders", params={k: str(v) for k, v in filters.items()})
    assert reply.status_code == 200, reply.text
    return [order["number"] for order in reply.json()["orders"]]


async def counted(api: httpx.AsyncClient) -> dict[str, Any]:
    reply = await api.get("/orders/counts")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def bought(number: int, *, channel: UUID = CHANNEL, minutes: int = 0, **changes: Any) -> Any:
    """An order that was placed so many minutes after NOON."""
    body = payload(number, minutes=minutes, created_at=at(minutes).isoformat(), **changes)
    return webhook(body, channel=channel)


async def test_counts_by_tab_and_channel_are_those_of_the_stored_orders_at_every_moment(
    api: httpx.AsyncClient, bench: HandlerBench, context: Context
) -> None:
    await bench.handle("learn_channels", [configured(), configured(channel=OTHER, name="Second Shop")])
    chance = random.Random(5)
    for round_ in range(6):
        events = [
            bought(
                chance.randint(1, 30),
                channel=chance.choice((CHANNEL, OTHER)),
                minutes=round_,
                financial_status=chance.choice(("paid", "pending")),
                cancelled_at=chance.choice((None, None, at(round_).isoformat())),
                test=chance.random() < 0.1,
            )
            for _ in range(20)
        ]
        await receive(bench, *events)
        if round_ % 2:
            await roll_up_counts(context)
        stored = await bench.table("orders")
        found = await counted(api)
        by_status = Counter(row["status"] for row in stored)
        assert Counter(found["statuses"]) == by_status
        assert found["tabs"]["all"] == len(stored)
        for tab, statuses in TABS.items():
            assert found["tabs"][tab] == sum(by_status[status] for status in statuses)
        for channel in found["channels"]:
            mine = [row for row in stored if str(row["channel_id"]) == channel["channel_id"]]
            assert channel["tabs"]["all"] == len(mine)
    await roll_up_counts(context)
    assert await bench.table("order_count_delta") == []
    assert Counter((await counted(api))["statuses"]) == by_status


async def test_a_tab_lists_what_its_count_says(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.given(live())
    await receive(bench, *(placed(n) for n in range(1, 6)), placed(6, financial_status="pending"))
    await bench.handle("record_milestones", [short(2)])
    await bench.handle("record_milestones", [requested(4), rejected(4), requested(5), dispatched(5)])
    found = (await counted(api))["tabs"]
    for tab in (*TABS, "all"):
        assert len(await listed(api, tab=tab)) == found[tab], tab
    assert await listed(api, tab="on_hold") == ["#1006", "#1004", "#1002"] or found["on_hold"] == 3
    assert await listed(api, tab="shipped", status="on_hold") == []
    assert await listed(api, tab="on_hold", hold="stock") == ["#1002"]


async def test_filters_mix(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.given(live(CHANNEL, OTHER))
    shirt, mug = line(sku="SHIRT"), line(12, sku=" Mug-1 ")
    await receive(
        bench,
        bought(1, minutes=1, lines=[shirt]),
        bought(2, minutes=2, lines=[shirt, mug]),
        bought(3, minutes=3, lines=[mug], financial_status="pending"),
        bought(4, minutes=4, lines=[mug], channel=OTHER),
    )
    assert await listed(api, sku="mug-1") == ["#1004", "#1003", "#1002"]
    assert await listed(api, sku="MUG-1", channel=CHANNEL) == ["#1003", "#1002"]
    assert await listed(api, sku="MUG-1", channel=CHANNEL, hold="payment") == ["#1003"]
    assert await listed(api, sku="MUG-1", tab="outstanding", since=at(3).isoformat()) == ["#1004"]
    assert await listed(api, since=at(2).isoformat(), until=at(4).isoformat()) == ["#1003", "#1002"]
    assert await listed(api, since="2026-03-01T12:04:00") == ["#1004"]
    assert await listed(api, text="#100", sku="SHIRT") == ["#1002", "#1001"]
    assert await listed(api, text="3") == ["#1003"], "the channel's own id"
    assert await listed(api, text="4", channel=CHANNEL) == []


async def test_an_order_is_found_by_a_sku_as_long_as_it_carries_it(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.given(live())
    await receive(bench, placed(1, lines=[line(sku="SHIRT"), line(12, sku="MUG")]))
    await receive(bench, placed(1, minutes=1, lines=[line(sku="SHIRT"), line(12, sku="HAT")]))
    assert await listed(api, sku="MUG") == []
    assert await listed(api, sku="HAT") == await listed(api, sku="SHIRT") == ["#1001"]


async def test_pages_go_both_ways_and_miss_nothing(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.given(live())
    await receive(bench, *(bought(n, minutes=n, financial_status="pending" if n % 2 else "paid") for n in range(1, 8)))
    for sort, cursor, expected in (("newest", "before", range(7, 0, -1)), ("oldest", "after", range(1, 8))):
        seen: list[str] = []
        step: dict[str, object] = {}
        for _ in range(4):
            page = (await api.get("/orders", params={"limit": 2, "sort": sort, "tab": "all", **step})).json()  # type: ignore[dict-item]
            seen += [order["number"] for order in page["orders"]]
            step = {cursor: page["next"]}
        assert seen == [f"#{1000 + n}" for n in expected]
    wrong = await api.get("/orders", params={"sort": "oldest", "before": str(order_id(1))})
    assert wrong.status_code == 422
    assert "`after`" in wrong.json()["next"]


async def test_late_and_due_today_go_by_the_clock_and_the_channels_zone(
    api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    zone = "Pacific/Kiritimati"
    here = configured(channel=CHANNEL).model_copy(update={"settings": {"time_zone": zone}})
    await bench.handle(
        "learn_channels", [here, configured(channel=OTHER).model_copy(update={"settings": {"time_zone": "No/Zone"}})]
    )
    now = datetime.now(UTC)
    midnight = (now.astimezone(ZoneInfo(zone)) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    times = {
        1: now - timedelta(hours=30),
        2: now - timedelta(minutes=5),
        3: midnight - timedelta(seconds=1),
        4: midnight,
    }
    await receive(bench, *(bought(n, minutes=n, fulfill_by=when.isoformat()) for n, when in times.items()), bought(5))
    await bench.handle("record_milestones", [requested(1, l11=2)])
    found = await counted(api)
    assert found["tabs"]["late"] == 2
    if midnight - now > timedelta(seconds=30):
        assert found["tabs"]["due_today"] == 1
        assert await listed(api, tab="due_today") == ["#1003"]
    assert {one["time_zone"] for one in found["channels"]} == {zone, "UTC"}
    assert await listed(api, tab="late") == ["#1001", "#1002"]
    assert await listed(api, sort="due", text="#100") == ["#1001", "#1002", "#1003", "#1004"]
    first = (await api.get("/orders", params={"sort": "due", "limit": 2})).json()
    assert await listed(api, sort="due", after=first["next"]) == ["#1003", "#1004"]


async def test_a_webhook_that_is_silent_of_promises_takes_none_back(
    api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    await bench.given(live())
    express = [{"title": "Express", "price": "5.00"}]
    await receive(bench, placed(1, fulfill_by=at(60).isoformat(), shipping_lines=express))
    await receive(bench, placed(1, minutes=1, note="changed"))
    shown = (await api.get(f"/orders/{order_id(1)}")).json()
    assert shown["service"] == "Express"
    assert datetime.fromisoformat(shown["ship_by"]) == at(60)
    [state] = [
        event
        for event in await receive(bench, bought(2, fulfill_by=at(9).isoformat()))
        if event.type == "order.placed.v1"
    ]
    assert state.ship_by == at(9)


PEOPLE = {
    "name": ("Zoë Sample", "zoe sam"),
    "email": ("zoe@example.com", "ZOE@example.com"),
    "phone": ("+1 555 010 9999", "(555) 010-9999"),
    "postcode": ("AB1 2CD", "ab12cd"),
}


@pytest.mark.parametrize("what", PEOPLE)
async def test_people_are_found_by_those_who_may_see_them(
    what: str, api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    await bench.given(live())
    address = {"name": "Zoë Sample", "phone": "+1 555 010 9999", "zip": "AB1 2CD", "address1": "2 Example Street"}
    await receive(bench, placed(1), placed(2, shipping_address=address, email="zoe@example.com"))
    assert await listed(api, text=PEOPLE[what][1]) == ["#1002"]
    for role, status, found in (("operator", 200, ["#1002"]), ("viewer", 403, [])):
        token = tokens.issue(KEY, issuer="gateway", audience="order-ingest", role=role)
        headers = {"authorization": f"Bearer {token}"}
        reply = await api.get("/orders", params={"text": PEOPLE[what][1]}, headers=headers)
        assert [order["number"] for order in reply.json()["orders"]] == found
        shown = await api.get(f"/orders/{order_id(2)}/recipient", headers=headers)
        assert shown.status_code == status
        by_number = await api.get("/orders", params={"text": "1002"}, headers=headers)
        assert [order["number"] for order in by_number.json()["orders"]] == ["#1002"]


async def test_a_changed_recipient_is_found_by_its_new_data_alone(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.given(live())
    await receive(bench, placed(1, email="first@example.com"))
    await receive(bench, placed(1, minutes=1, email="second@example.com"))
    assert await listed(api, text="first@example.com") == []
    assert await listed(api, text="second@") == ["#1001"]


async def test_changes_that_are_being_rolled_up_are_counted_once(process: Process, bench: HandlerBench) -> None:
    await bench.given(live())
    await receive(bench, placed(1))
    async with transaction(process.database) as rolling:
        assert await counts.roll_up(rolling, 10) == 1
        async with transaction(process.database) as reading:
            assert [row.orders for row in await counts.by_status(reading)] == [1]
    async with transaction(process.database) as reading:
        assert [row.orders for row in await counts.by_status(reading)] == [1]
