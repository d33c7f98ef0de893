"""The run `requests`: what a merchant asks of our fulfillment service is found although no notification came."""

from typing import Any

import httpx
import pytest
from ingest_examples import CHANNEL, NOON, configured, receive, status_of, story_of, webhook
from sqlalchemy import text

from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import ShopifyConnector, serving
from crossdock.contracts.order_ingest import ChannelRequestDecided
from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.service.app import Context
from crossdock.service.runs import worker
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest import workers
from order_ingest.runs import RUNS
from sandbox.testing import Sandbox, eventually

SCOPES = ["read_orders", "read_products", "read_customers", "read_locations", "write_fulfillments",
          "write_merchant_managed_fulfillment_orders", "write_assigned_fulfillment_orders"]  # fmt: skip


class Served:
    """A live channel with our fulfillment service in its store, which calls back into nowhere."""

    def __init__(self, sandbox: Sandbox, bench: HandlerBench, context: Context) -> None:
        self.sandbox, self.bench, self.context = sandbox, bench, context

    async def order(self, *, heard: bool = True) -> Any:
        """An order at our location, of which the hub hears by its webhook, or not."""
        made = self.sandbox.order({"sku": "SHIRT", "quantity": 2, "location": "Hub"})
        eventually(lambda: self.work(made))
        if heard:
            await receive(self.bench, webhook(made))
            await self.read()
        return made

    def work(self, made: Any) -> list[Any]:
        return list(self.sandbox.look(f"shopify/{self.sandbox.shop}/orders/{made['id']}")["fulfillment_orders"])

    def merchant(self, made: Any, what: str) -> None:
        self.sandbox.control(f"shopify/{self.sandbox.shop}/orders/{made['id']}/{what}")

    async def read(self) -> None:
        """Read again what is to be read again."""
        while await workers.refetch(self.context):
            pass

    async def look(self) -> dict[str, Any]:
        """One slot of the run; how it ended. What it found is read."""
        async with self.context.transaction() as tx:
            await tx.run(text("UPDATE integration SET last_slot = last_slot - interval '1 day'"))
            await tx.run(text("UPDATE run SET scheduled_at = scheduled_at - interval '1 day'"))
        await worker.schedule(RUNS, self.context)
        await self.turn()
        rows = [row for row in await self.bench.table("run", order_by="scheduled_at") if row["kind"] == "requests"]
        await self.read()
        return dict(rows[-1])

    async def turn(self) -> None:
        """Turn what is due."""
        while any([await worker.turn(RUNS, "requests", failing, self.context) for failing in (False, True)]):
            pass

    async def match(self) -> None:
        """Every line of every order is matched."""
        for row in await self.bench.table("orders"):
            version = row["progress"]["published"]["content_version"]
            about = {"order_id": row["order_id"], "channel_id": CHANNEL, "placed_at": NOON, "lines": ()}
            said = OrderMatched.model_validate(about | {"content_version": version, "match_version": 1})
            await self.bench.handle("record_milestones", [said])

    def answers(self) -> list[str]:
        told = [event_of(row) for row in self.bench.published if row.type == ChannelRequestDecided.type]
        return [event.answer for event in told if isinstance(event, ChannelRequestDecided)]


@pytest.fixture
async def served(sandbox: Sandbox, bench: HandlerBench, context: Context, api: httpx.AsyncClient) -> Served:
    sandbox.control(f"shopify/{sandbox.shop}", {"settings": {"scopes": SCOPES}}, method="PATCH")
    access = ChannelAccess(f"{sandbox.url}/shopify/{sandbox.shop}", "token", {"timeout_seconds": 5})
    made = await ShopifyConnector().register_service(access, "Hub", "https://hub.example.com/webhooks/shopify/7")
    sandbox.product("SHIRT")
    await bench.handle("learn_channels", [configured()])
    reply = await api.put(f"/channels/{CHANNEL}/policy", json={"service_location": made.location_id})
    assert reply.status_code == 200, reply.text
    return Served(sandbox, bench, context)


def counted(run: dict[str, Any]) -> tuple[str, int, int, int]:
    return run["state"], run["seen"], run["changed"], run["unchanged"]


async def test_a_request_that_nobody_told_of_is_found_read_and_answered_once(served: Served) -> None:
    made = await served.order()
    assert await status_of(served.bench, made["id"]) == "waiting"
    assert counted(await served.look()) == ("finished", 0, 0, 0)
    served.merchant(made, "request")
    assert counted(await served.look()) == ("finished", 1, 1, 0)
    assert "The store requests 2 units to be shipped" in " ".join(await story_of(served.bench))
    assert served.answers() == []  # not before every line is matched

    await served.match()
    assert served.answers() == ["accept"]
    story = await story_of(served.bench)
    assert counted(await served.look()) == ("finished", 1, 0, 1)  # the store has not been told yet: it waits still
    assert await story_of(served.bench) == story
    assert served.answers() == ["accept"]


async def test_an_order_that_was_never_heard_of_comes_in_by_its_request(served: Served) -> None:
    made = await served.order(heard=False)
    served.merchant(made, "request")
    assert counted(await served.look()) == ("finished", 1, 1, 0)
    assert await status_of(served.bench, made["id"]) == "matching"


async def test_requests_are_found_over_all_pages_and_cancellations_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PAGE", 2)
    orders = [await served.order() for _ in range(5)]
    for made in orders:
        served.merchant(made, "request")
    assert counted(await served.look()) == ("finished", 5, 5, 0)
    await served.match()
    assert served.answers() == ["accept"] * 5


async def test_a_store_that_does_not_answer_is_asked_again_and_nothing_is_lost(served: Served) -> None:
    made = await served.order()
    served.merchant(made, "request")
    fault = {"operation": "assignedFulfillmentOrders", "kind": "error_500", "times": 1}
    served.sandbox.control(f"shopify/{served.sandbox.shop}/faults", fault)
    failed = await served.look()
    assert (failed["state"], failed["seen"], bool(failed["problem"])) == ("running", 0, True)
    async with served.context.transaction() as tx:
        await tx.run(text("UPDATE run SET due_at = now() WHERE state = 'running'"))
    await served.turn()
    [over] = [row for row in await served.bench.table("run") if row["run_id"] == failed["run_id"]]
    assert counted(over) == ("finished", 1, 1, 0)


async def test_a_channel_without_our_service_is_not_asked(served: Served, api: httpx.AsyncClient) -> None:
    reply = await api.put(f"/channels/{CHANNEL}/policy", json={})
    assert reply.status_code == 200
    await worker.schedule(RUNS, served.context)
    runs = [row for row in await served.bench.table("run") if row["kind"] == "requests"]
    assert runs == []
