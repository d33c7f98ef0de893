"""Which orders become ours when a channel goes live, over real HTTP."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from ingest_examples import CHANNEL, NOON, at, configured, placed, receive, status_of

from crossdock.contracts.order_ingest import OrderState
from crossdock.service.app import Context
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import workers

GO_LIVE = f"/channels/{CHANNEL}/go-live"


@pytest.fixture
async def observed(bench: HandlerBench) -> HandlerBench:
    """A channel that observes, with three open orders, placed a minute apart, and a cancelled one."""
    await bench.handle("learn_channels", [configured("observe")])
    orders = [placed(n, created_at=at(n).isoformat(), minutes=9) for n in (1, 2, 3)]
    await receive(bench, *orders, placed(4, cancelled_at=at(1).isoformat()))
    return bench


async def go_live(api: httpx.AsyncClient, bench: HandlerBench, context: Context, **choice: Any) -> dict[str, Any]:
    reply = await api.post(GO_LIVE, json=choice)
    assert reply.status_code == 200, reply.text
    await bench.handle("learn_channels", [configured("live", version=2)])
    while await workers.reconsider(context):
        pass
    found: dict[str, Any] = reply.json()
    return found


async def statuses(bench: HandlerBench) -> list[str]:
    return [await status_of(bench, n) for n in (1, 2, 3)]


async def test_a_preview_counts_and_keeps_nothing(
    api: httpx.AsyncClient, observed: HandlerBench, context: Context
) -> None:
    choice = {"orders": "since", "since": at(2).isoformat(), "preview": True}
    counts = (await api.post(GO_LIVE, json=choice)).json()
    assert (counts["becomes_ours"], counts["left_out"]) == (2, 1)
    await go_live(api, observed, context, orders="all")
    assert await statuses(observed) == ["matching"] * 3


async def test_only_orders_since_a_time_become_ours_and_a_person_brings_another_in(
    api: httpx.AsyncClient, observed: HandlerBench, context: Context
) -> None:
    counts = await go_live(api, observed, context, orders="since", since=at(2).isoformat())
    assert (counts["becomes_ours"], counts["left_out"]) == (2, 1)
    assert (await statuses(observed))[1:] == ["matching", "matching"]
    left = (await api.get("/orders/1001")).json()
    assert left["rejection"]["code"] == "left_out"
    assert [line["wanted"] for line in left["lines"]] == [0]
    await receive(observed, placed(7, created_at=NOON.isoformat()))
    assert await status_of(observed, 7) == "rejected"
    assert (await api.post("/orders/1001/bring-in")).json()["status"] == "matching"
    assert (await api.post("/orders/1001/bring-in")).status_code == 409


async def test_what_becomes_ours_is_told_with_its_tag_and_what_is_left_out_when_it_is_brought_in(
    api: httpx.AsyncClient, observed: HandlerBench, context: Context
) -> None:
    await api.patch(f"/channels/{CHANNEL}/policy", json={"written_back": {"tag": "Crossdock"}})

    def tags() -> dict[str, set[str]]:
        told = [event for event in map(event_of, observed.published) if isinstance(event, OrderState)]
        observed.published.clear()
        return {
            number: {one.tag for one in told if one.number == number} for number in sorted({e.number for e in told})
        }

    assert set().union(*tags().values()) == {""}
    await go_live(api, observed, context, orders="since", since=at(2).isoformat())
    assert tags() == {"#1001": {""}, "#1002": {"Crossdock"}, "#1003": {"Crossdock"}}
    await api.post("/orders/1001/bring-in")
    assert tags() == {"#1001": {"Crossdock"}}
    assert (await api.get("/orders/1001")).json()["tag"] == {"text": "Crossdock", "state": "pending", "reason": ""}


async def test_only_the_named_orders_become_ours_and_the_newest_choice_counts(
    api: httpx.AsyncClient, observed: HandlerBench, context: Context
) -> None:
    assert (await api.post(GO_LIVE, json={"orders": "named", "named": ["#1001"]})).status_code == 200
    counts = await go_live(api, observed, context, orders="named", named=["1003"])
    assert (counts["becomes_ours"], counts["left_out"]) == (1, 2)
    assert await status_of(observed, 3) == "matching"
    assert [(await api.get(f"/orders/{n}")).json()["rejection"]["code"] for n in (1001, 1002)] == ["left_out"] * 2
    assert (await api.post(GO_LIVE, json={"orders": "all"})).json()["code"] == "already_live"


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        ({"orders": "since"}, "since_missing"),
        ({"orders": "named"}, "nothing_named"),
        ({"orders": "named", "named": ["nobody"]}, "not_found"),
        ({"orders": "some"}, "invalid_request"),
    ],
)
async def test_a_choice_that_says_too_little_is_refused(
    api: httpx.AsyncClient, observed: HandlerBench, choice: Any, code: str
) -> None:
    assert (await api.post(GO_LIVE, json=choice)).json()["code"] == code
    assert (await api.post(f"/channels/{UUID(int=99)}/go-live", json={"orders": "all"})).status_code == 404
