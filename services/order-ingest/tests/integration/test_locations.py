"""Orders of a store that assigns them to locations: read from the sandbox over real HTTP, as webhooks name them."""

from typing import Any

import httpx
import pytest
from ingest_examples import CHANNEL, holds_of, live, receive, status_of, webhook

from crossdock.service.app import Context
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import routes, workers
from sandbox.testing import Sandbox, eventually


class Shop:
    """A live channel of which only the location Main is ours, and its store."""

    def __init__(self, sandbox: Sandbox, bench: HandlerBench, context: Context, api: httpx.AsyncClient) -> None:
        self.sandbox, self.bench, self.context, self.api = sandbox, bench, context, api

    async def policy(self, **settings: Any) -> None:
        reply = await self.api.put(f"/channels/{CHANNEL}/policy", json=settings)
        assert reply.status_code == 200, reply.text

    def location(self, name: str) -> str:
        places = self.sandbox.look(f"shopify/{self.sandbox.shop}")["locations"]
        found = places.values() if isinstance(places, dict) else places
        return str(next(one["id"] for one in found if one["name"] == name))

    async def order(self, **locations: int) -> Any:
        """An order with units of one SKU for each location, told by its webhook."""
        lines = [{"sku": name.upper(), "quantity": n, "location": name} for name, n in locations.items()]
        made = self.sandbox.order(*lines)
        eventually(lambda: self.look(made)["fulfillment_orders"])
        await receive(self.bench, webhook(made))
        return made

    def look(self, made: Any) -> Any:
        return self.sandbox.look(f"shopify/{self.sandbox.shop}/orders/{made['id']}")

    def steer(self, made: Any, what: str, **body: Any) -> None:
        self.sandbox.control(f"shopify/{self.sandbox.shop}/orders/{made['id']}/{what}", body)

    async def hear(self, made: Any, topic: str) -> None:
        """The webhook of a topic, which names a fulfillment order of the order and not the order."""
        route = self.look(made)["fulfillment_orders"][0]["id"]
        named = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/{route}", "status": "open"}}
        await receive(self.bench, webhook(named, topic=f"fulfillment_orders/{topic}"))

    async def work(self) -> list[Any]:
        """Let the workers do what there is to do now; what was published by it."""
        already = len(self.bench.published)
        for worker in (workers.reconsider, routes.find_owners, workers.refetch):
            while await worker(self.context):
                pass
        return [event_of(row) for row in self.bench.published[already:]]

    async def wanted(self, made: Any) -> list[int]:
        shown = (await self.api.get(f"/orders/{made['name'].lstrip('#')}")).json()
        return [line["wanted"] for line in shown["lines"]]


@pytest.fixture
async def shop(sandbox: Sandbox, bench: HandlerBench, context: Context, api: httpx.AsyncClient) -> Shop:
    sandbox.control("reset")
    sandbox.store(locations=[{"name": "Main"}, {"name": "Other"}])
    for name in ("Main", "Other"):
        sandbox.product(name.upper())
    await bench.given(live())
    found = Shop(sandbox, bench, context, api)
    await found.policy(locations=[found.location("Main")])
    return found


async def test_only_the_lines_of_our_location_become_our_work(shop: Shop) -> None:
    made = await shop.order(Main=2, Other=1)
    assert await status_of(shop.bench, made["id"]) == "waiting"
    placed = await shop.work()
    assert [event.type for event in placed] == ["order.placed.v1", "recipient.recorded.v1"]
    assert [line.wanted for line in placed[0].lines] == [2, 0]


async def test_a_move_adds_and_removes_lines_although_its_webhook_names_no_order(shop: Shop) -> None:
    made = await shop.order(Main=2, Other=1)
    await shop.work()
    shop.steer(made, "assign", location="Main", quantities={"OTHER": 1})
    await shop.hear(made, "moved")
    [updated] = await shop.work()
    assert [line.wanted for line in updated.lines] == [2, 1]
    shop.steer(made, "assign", location="Other", quantities={"MAIN": 1})
    await shop.hear(made, "moved")
    [updated] = await shop.work()
    assert [line.wanted for line in updated.lines] == [1, 1]


async def test_an_order_has_to_leave_when_our_part_of_it_has_to_whatever_another_location_promised(shop: Shop) -> None:
    made = await shop.order(Main=2, Other=1)
    for name, when in (("Main", "2030-01-02T00:00:00Z"), ("Other", "2030-01-01T00:00:00Z")):
        shop.steer(made, "promise", location=name, ship_by=when, deliver_by=when)
    await shop.work()
    shown = (await shop.api.get(f"/orders/{made['name'].lstrip('#')}")).json()
    assert (shown["ship_by"], shown["deliver_by"]) == ("2030-01-02T00:00:00Z", "2030-01-02T00:00:00Z")
    assert {route["ship_by"] for route in shown["routes"]} == {"2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"}
    shop.steer(made, "promise", location="Main", ship_by="2030-01-05T00:00:00Z")
    await shop.hear(made, "rescheduled")
    await shop.work()
    assert (await shop.api.get(f"/orders/{made['name'].lstrip('#')}")).json()["ship_by"] == "2030-01-05T00:00:00Z"


async def test_an_order_of_another_location_is_rejected_until_it_is_moved_to_ours(shop: Shop) -> None:
    made = await shop.order(Other=1)
    assert await shop.work() == []
    shown = (await shop.api.get(f"/orders/{made['name'].lstrip('#')}")).json()
    assert (shown["status"], shown["rejection"]["code"]) == ("rejected", "other_location")
    shop.steer(made, "assign", location="Main")
    await shop.hear(made, "moved")
    assert [event.type for event in await shop.work()] == ["order.placed.v1", "recipient.recorded.v1"]


async def test_fulfillment_orders_that_appear_late_are_waited_for(shop: Shop) -> None:
    lines = [{"sku": "MAIN", "quantity": 2, "location": "Main"}]
    made = shop.sandbox.order(*lines, fulfillment_order_delay=1e9)
    await receive(shop.bench, webhook(made))
    assert await shop.work() == []
    assert (await status_of(shop.bench, made["id"]), await shop.wanted(made)) == ("waiting", [0])
    [row] = await shop.bench.table("orders")
    assert row["refetch_due_at"] is not None
    shop.steer(made, "route")
    await receive(shop.bench, webhook(made | {"updated_at": made["updated_at"]}))
    await shop.hear(made, "moved")
    assert [event.type for event in await shop.work()] == ["order.placed.v1", "recipient.recorded.v1"]
    assert await shop.wanted(made) == [2]


@pytest.mark.parametrize(
    ("begin", "body", "end", "topics", "code"),
    [
        ("hold", {"reason": "INCORRECT_ADDRESS"}, "release", ("placed_on_hold", "hold_released"), "channel_hold"),
        (
            "schedule",
            {"at": "2030-01-01T00:00:00Z"},
            "due",
            ("rescheduled", "scheduled_fulfillment_order_ready"),
            "scheduled",
        ),
    ],
)
async def test_what_the_store_holds_or_schedules_waits_until_it_is_released(
    shop: Shop, begin: str, body: Any, end: str, topics: tuple[str, str], code: str
) -> None:
    """With the standard policy an order's routes are read only after a webhook about them."""
    await shop.policy()
    made = await shop.order(Main=2)
    assert await status_of(shop.bench, made["id"]) == "matching"
    shop.steer(made, begin, **body)
    await shop.hear(made, topics[0])
    [held] = await shop.work()
    assert [hold.code for hold in held.holds] == [code]
    assert (await status_of(shop.bench, made["id"]), await holds_of(shop.bench, made["id"])) == ("waiting", [code])
    shop.steer(made, end)
    await shop.hear(made, topics[1])
    [released] = await shop.work()
    assert (released.type, released.holds) == ("order.released.v1", ())


async def test_what_ships_elsewhere_and_from_here_changes_nothing_that_is_ours(shop: Shop) -> None:
    made = await shop.order(Main=2, Other=1)
    await shop.work()
    for quantities in ({"OTHER": 1}, {"MAIN": 2}):
        shop.steer(made, "fulfill", quantities=quantities)
        await receive(shop.bench, webhook(shop.look(made)))
        assert await shop.work() == []
    assert await shop.wanted(made) == [2, 0]


async def test_a_policy_that_names_a_location_later_takes_back_what_is_assigned_elsewhere(shop: Shop) -> None:
    await shop.policy()
    made = await shop.order(Main=2, Other=1)
    assert await shop.wanted(made) == [2, 1]
    await shop.policy(locations=[shop.location("Main")])
    [updated] = await shop.work()
    assert [line.wanted for line in updated.lines] == [2, 0]
