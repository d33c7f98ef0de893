"""Order-ingest's API over real HTTP."""

from typing import Any

import httpx
import pytest
from ingest_examples import (
    CHANNEL,
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
    written,
)

from crossdock.contracts.order_ingest import OrderReleased
from crossdock.service.app import Process
from crossdock.service.runs import worker
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest.runs import RUNS

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
async def shop(bench: HandlerBench) -> None:
    """A live channel with five orders: 2 short of stock, 3 unpaid, 4 rejected, 5 shipped."""
    await bench.given(live())
    await receive(bench, *(placed(n) for n in (1, 2, 4, 5)), placed(3, financial_status="pending"))
    await bench.handle("record_milestones", [short(2)])
    await bench.handle(
        "record_milestones", [requested(4), rejected(4), requested(5), dispatched(5), written(5, adopted=True)]
    )


async def numbers(api: httpx.AsyncClient, **filters: object) -> set[str]:
    reply = await api.get("/orders", params={k: str(v) for k, v in filters.items()})
    assert reply.status_code == 200, reply.text
    return {order["number"] for order in reply.json()["orders"]}


async def test_orders_are_listed_by_status_hold_channel_and_number(api: httpx.AsyncClient) -> None:
    assert len(await numbers(api)) == 5
    assert await numbers(api, status="on_hold") == {"#1002", "#1003", "#1004"}
    assert await numbers(api, hold="stock") == {"#1002"}
    assert await numbers(api, hold="rejected", status="on_hold") == {"#1004"}
    assert await numbers(api, status="shipped") == {"#1005"}
    assert await numbers(api, channel=CHANNEL, number="#100") == {f"#100{n}" for n in range(1, 6)}
    assert await numbers(api, number="1003") == {"#1003"}
    assert await numbers(api, number="100%") == set()
    assert await numbers(api, channel=order_id()) == set()


async def test_pages_follow_one_another_newest_first(api: httpx.AsyncClient) -> None:
    seen, before = [], ""
    for _ in range(3):
        page = (await api.get("/orders", params={"limit": 2} | ({"before": before} if before else {}))).json()
        seen += [order["order_id"] for order in page["orders"]]
        before = page["next"]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    assert before is None


async def test_a_list_shows_why_orders_wait_and_no_personal_data(api: httpx.AsyncClient) -> None:
    reply = await api.get("/orders", params={"number": "1002"})
    [order] = reply.json()["orders"]
    assert order["total"] == "20.00"
    assert [hold["code"] for hold in order["holds"]] == ["stock"]
    assert "person@example.com" not in reply.text
    assert "Test Person" not in reply.text


async def test_an_order_tells_why_it_waits_and_what_to_do(api: httpx.AsyncClient) -> None:
    order = (await api.get(f"/orders/{order_id(2)}")).json()
    assert order["status"] == "on_hold"
    assert order["holds"][0]["sentence"] == "Unable to reserve inventory: 2 of SHIRT-M, 0 available at Main"
    assert order["holds"][0]["next_action"] == "Receive or correct stock; the oldest waiting order is served first."
    assert [entry["kind"] for entry in order["timeline"]] == ["order.placed", "stock.short", "held"]
    assert [entry["source"] for entry in order["timeline"]] == ["shopify", "inventory", "inventory"]
    assert all(entry["cause"] for entry in order["timeline"])


async def test_a_timeline_is_read_page_by_page_to_its_end(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (await api.get("/orders/1005")).json()["timeline"]
    seen, after, asked = [], None, 0
    while asked == 0 or after:
        page = (
            await api.get("/orders/1005/timeline", params={"limit": 2} | ({"after": after} if after else {}))
        ).json()
        seen += page["timeline"]
        after, asked = page["next"], asked + 1
    assert seen == whole
    assert (len(whole), asked) == (4, 3)
    monkeypatch.setattr("order_ingest.api.TIMELINE_PAGE", 3)
    shown = (await api.get("/orders/1005")).json()
    assert (shown["timeline"], shown["timeline_next"]) == (whole[:3], whole[2]["id"])
    assert (await api.get(f"/orders/{order_id(99)}/timeline")).status_code == 404


async def test_an_order_is_found_by_its_number_with_its_parcels(api: httpx.AsyncClient) -> None:
    reply = await api.get("/orders/1005")
    order = reply.json()
    assert (order["number"], order["lines"][0]["shipped"]) == ("#1005", 2)
    [shipment] = order["shipments"]
    assert shipment["packages"][0]["tracking_number"] == "T-S1"
    assert shipment["packages"][0]["write_back"] == {
        "state": "done",
        "external_id": "F1",
        "adopted": True,
        "reason": "",
    }
    assert "person@example.com" not in reply.text


async def test_totals_are_shown_with_their_difference_and_its_reason(
    api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    await receive(bench, webhook(payload(6, total_price="19.00")))
    totals = (await api.get("/orders/1006")).json()["totals"]
    assert (totals["lines"], totals["total"], totals["difference"]) == ("20.00", "19.00", "-1.00")
    assert totals["difference_reason"]


async def test_the_recipient_is_shown_on_its_own_route_alone(api: httpx.AsyncClient) -> None:
    reply = await api.get(f"/orders/{order_id(1)}/recipient")
    assert reply.json()["recipient"]["email"] == "person@example.com"


async def test_a_rejected_order_is_retried_once(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    bench.published.clear()
    assert (await api.post("/orders/1004/retry")).json()["answered_revision"] == 1
    [released] = [event_of(row) for row in bench.published]
    assert isinstance(released, OrderReleased)
    assert (released.answered_revision, released.holds) == (1, ())
    again = await api.post("/orders/1004/retry")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_retry")
    order = (await api.get("/orders/1004")).json()
    assert order["requests"][0]["answered"]
    assert {entry["source"] for entry in order["timeline"]} >= {"operator"}


async def test_two_channels_may_use_one_number(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await receive(bench, webhook(payload(1, lines=[line(quantity=1)]), channel=order_id()))
    reply = await api.get("/orders/1001")
    assert (reply.status_code, reply.json()["code"]) == (409, "several_orders")
    assert str(order_id(1)) in reply.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders/4711", 404),
        ("GET", f"/orders/{CHANNEL}", 404),
        ("GET", f"/orders/{CHANNEL}/recipient", 404),
        ("POST", f"/orders/{CHANNEL}/retry", 404),
        ("GET", "/orders?status=lost", 422),
        ("GET", "/orders?hold=lost", 422),
        ("GET", "/orders?limit=501", 422),
    ],
)
async def test_errors_say_what_is_wrong(api: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    reply = await api.request(method, path)
    assert reply.status_code == status
    assert reply.json()["message"]
    assert reply.json()["next"]


async def test_nobody_gets_in_without_a_service_token(api: httpx.AsyncClient) -> None:
    for path in ("/orders", f"/orders/{order_id()}", f"/orders/{order_id()}/recipient"):
        assert (await api.get(path, headers={"authorization": ""})).status_code == 401


async def test_people_see_how_far_each_channel_was_read_and_what_went_wrong(
    api: httpx.AsyncClient, bench: HandlerBench, process: Process, gateway: Any
) -> None:
    gateway.base_url = "http://127.0.0.1:1"
    await bench.handle("learn_channels", [configured("live", version=2)])
    await worker.schedule(RUNS, process.context)
    await worker.turn(RUNS, "orders", False, process.context)
    [feed] = (await api.get("/feeds")).json()["feeds"]
    assert (feed["channel"], feed["connected"], feed["polled_at"], feed["failures"]) == ("Test Shop", True, None, 1)
    assert feed["problem"] == "Shopify could not be reached"
