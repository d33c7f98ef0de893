"""Tags written to a real store over HTTP: each order that became ours once, and nothing ever waits for a tag."""

from typing import Any
from uuid import UUID

import pytest

from crossdock.channels.registry import connector
from crossdock.contracts.fulfillment import OrderTagFailed, OrderTagged, TrackingWritten
from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.order_ingest import PolicyChanged
from fulfillment.deciding import decide

SHOP = "one.example.com"
STORE = UUID(int=7)


class Taggable:
    """An order of two shirts that lies in the store with a tag of the merchant."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        hub.sandbox.product("SHIRT", webhooks=[])
        made = hub.sandbox.order({"sku": "SHIRT", "quantity": 2}, tags=["vip"], financial_status="PAID", webhooks=[])
        self.id, self.line = str(made["id"]), str(made["line_items"][0]["id"])

    async def told(self, version: int = 1, tag: str = "Crossdock", **more: Any) -> None:
        """A state of the order arrives; nothing is sent by the handler."""
        state = self.hub.state(1, version, {self.line: 2}, external_id=self.id, tag=tag, content=1, **more)
        await self.hub.bench.handle("follow_orders", [state])

    async def requested(self) -> None:
        """The order is reserved, requested and accepted."""
        await self.hub.order(1, external_id=self.id, skus={self.line: "SHIRT"}, **{self.line: 2})
        await self.hub.dispatch()

    async def ship(self, name: str = "P1") -> None:
        """A parcel with one shirt leaves."""
        line = {"line_id": self.line, "sku": "SHIRT", "quantity": 1}
        parcel = {"package_ref": name, "carrier": "DHL", "tracking_number": f"T-{name}", "lines": [line]}
        await self.hub.notice("shipment.dispatched", 1, shipment_id=f"S-{name}", packages=[parcel])

    @property
    def in_store(self) -> Any:
        return self.hub.sandbox.look(f"shopify/{SHOP}/orders/{self.id}")

    @property
    def tags(self) -> str:
        return str(self.in_store["tags"])

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": operation, "kind": kind} | more)


@pytest.fixture
def order(hub: Any) -> Taggable:
    return Taggable(hub)


async def test_an_order_that_became_ours_is_tagged_once_beside_the_tags_of_others(hub: Any, order: Taggable) -> None:
    await order.told()
    assert order.tags == "vip"
    [said] = await hub.dispatch_tags()
    assert isinstance(said, OrderTagged)
    assert (said.tag, said.adopted) == ("Crossdock", False)
    assert order.tags == "Crossdock, vip"
    await order.told(version=2)
    await hub.pass_time()
    assert await hub.dispatch_tags() == []
    assert len(await hub.writes("tag")) == 1


async def test_an_order_without_a_tag_is_left_alone(hub: Any, order: Taggable) -> None:
    await order.told(tag="")
    await hub.dispatch_tags()
    assert (await hub.writes("tag"), order.tags) == ([], "vip")


async def test_a_lost_reply_is_looked_for_and_the_tag_that_is_there_is_adopted(hub: Any, order: Taggable) -> None:
    order.fault("tagsAdd", "lose_reply")
    await order.told()
    assert await hub.dispatch_tags() == []
    await hub.pass_time()
    assert await hub.dispatch_tags() == []
    [said] = await hub.look()
    assert isinstance(said, OrderTagged)
    assert (said.adopted, said.evidence) == (True, "the order has the tag")


async def test_a_failure_before_acting_is_looked_at_and_then_tagged(hub: Any, order: Taggable) -> None:
    order.fault("tagsAdd", "error_500")
    await order.told()
    await hub.dispatch_tags()
    assert [row["state"] for row in await hub.writes("tag")] == ["in_doubt"]
    await hub.pass_time()
    await hub.look()
    assert [type(event) for event in await hub.dispatch_tags()] == [OrderTagged]
    assert order.tags == "Crossdock, vip"


async def test_a_refused_tag_is_told_and_stops_neither_the_request_nor_the_tracking(hub: Any, order: Taggable) -> None:
    await order.told(tag="x" * 41)
    [said] = await hub.dispatch_tags()
    assert isinstance(said, OrderTagFailed)
    assert "too long" in said.reason
    await order.requested()
    await order.ship()
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]


async def test_tracking_does_not_wait_for_a_tag_in_doubt(hub: Any, order: Taggable) -> None:
    order.fault("tagsAdd", "lose_reply")
    await order.requested()
    await order.told(version=2)
    await hub.dispatch_tags()
    assert [row["state"] for row in await hub.writes("tag")] == ["in_doubt"]
    await order.ship()
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]


async def test_the_budget_that_is_kept_for_others_rests_tags_alone(
    hub: Any, order: Taggable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket 40 % full: tags stop at half, tracking at a tenth."""
    monkeypatch.setattr(connector("shopify").client, "_shops", {})
    await order.requested()
    hub.sandbox.control(
        f"shopify/{SHOP}", {"bucket": {"maximum": 1000, "restore": 1, "available": 400}}, method="PATCH"
    )
    await order.ship()
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]  # teaches how full the bucket is
    await order.told(version=2)
    assert await hub.dispatch_tags() == []
    [row] = await hub.writes("tag")
    assert (row["state"], "kept for more urgent calls" in row["reason"]) == ("pending", True)
    store = next(one for one in await hub.bench.table("channel") if one["name"] == "Store")
    assert store["tags_resume_at"] > row["created_at"]
    await order.ship("P2")
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]
    assert order.tags == "vip"


async def test_a_channel_that_only_observes_is_tagged_when_it_goes_live(hub: Any, order: Taggable) -> None:
    about = {"channel_id": STORE, "kind": "shopify", "name": "Store", "settings": {}}
    await hub.bench.handle("learn_channels", [ChannelConfigured(channel_version=2, mode="observe", **about)])
    await order.told()
    assert await hub.dispatch_tags() == []
    assert order.tags == "vip"
    await hub.bench.handle("learn_channels", [ChannelConfigured(channel_version=3, mode="live", **about)])
    assert [type(event) for event in await hub.dispatch_tags()] == [OrderTagged]


async def test_a_channel_that_takes_no_tags_says_so_and_one_kept_here_needs_none(hub: Any) -> None:
    depot = hub.state(1, 1, {"SHIRT": 1}, tag="Crossdock").model_copy(
        update={"channel_id": UUID(int=8), "channel_kind": "generic"}
    )
    await hub.bench.handle("follow_orders", [depot])
    [said] = await hub.dispatch_tags()
    assert isinstance(said, OrderTagFailed)
    assert "cannot do this" in said.reason
    manual = hub.state(2, 1, {"SHIRT": 1}, tag="Crossdock").model_copy(update={"channel_kind": "manual"})
    await hub.bench.handle("follow_orders", [manual])
    assert len(await hub.writes("tag")) == 1


async def test_a_person_may_have_a_failed_tag_tried_again(hub: Any, order: Taggable) -> None:
    await order.told(tag="x" * 41)
    await hub.dispatch_tags()
    [row] = await hub.writes("tag")
    async with hub.context.transaction() as tx:
        await decide(tx, row["id"], "retry", "")
    assert [type(event) for event in await hub.dispatch_tags()] == [OrderTagFailed]
    [row] = await hub.writes("tag")
    assert (row["state"], row["attempt"]) == ("failed", 2)


@pytest.mark.parametrize("policies", [[], [True], [True, False]])
async def test_the_customer_is_told_of_a_parcel_as_the_newest_policy_says(
    hub: Any, order: Taggable, policies: list[bool]
) -> None:
    await order.requested()
    await order.ship()
    changes = [
        PolicyChanged(channel_id=STORE, policy_version=number, notify_customer=told)
        for number, told in enumerate(policies, 1)
    ]
    for change in reversed(changes):
        await hub.bench.handle("learn_policies", [change])
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]
    assert bool(order.in_store["customer_notified"]) == (policies[-1:] == [True])
