"""Tracking written back to a real store over HTTP: whatever goes wrong, each parcel is there once."""

from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.fulfillment import ShipmentDispatched, ShipmentVoided, TrackingFailed, TrackingWritten

SHOP = "one.example.com"


class Sold:
    """An order that was sold in the store, requested and accepted; its lines are known by their SKUs."""

    def __init__(self, hub: Any, lines: dict[str, str], name: str) -> None:
        self.hub = hub
        self._lines = lines
        self._name = name

    def package(self, name: str, tracking: str | None = None, **units: int) -> dict[str, Any]:
        lines = [{"line_id": self._lines[sku], "sku": sku, "quantity": n} for sku, n in units.items()]
        number = f"T-{name}" if tracking is None else tracking
        return {"package_ref": name, "carrier": "DHL", "tracking_number": number, "tracking_url": "", "lines": lines}

    async def ship(self, shipment: str, *packages: dict[str, Any]) -> Any:
        return await self.hub.notice("shipment.dispatched", 1, shipment_id=shipment, packages=list(packages))

    def in_store(self) -> Any:
        return self.hub.sandbox.look(f"shopify/{SHOP}/orders/{self._name}")

    def told(self) -> dict[str, dict[str, int]]:
        """What the store knows: units by SKU for each tracking number."""
        skus = {line: sku for sku, line in self._lines.items()}
        return {
            one["tracking_number"]: {skus[str(line["id"])]: line["quantity"] for line in one["line_items"]}
            for one in self.in_store()["fulfillments"]
        }


@pytest.fixture
async def sold(hub: Any) -> Sold:
    return await sell(hub)


async def sell(hub: Any, **more: Any) -> Sold:
    """Two shirts and a mug."""
    hub.sandbox.product("SHIRT", "MUG", webhooks=[])
    lines = [{"sku": "SHIRT", "quantity": 2, "price": "10.00"}, {"sku": "MUG", "quantity": 1, "price": "5.00"}]
    made = hub.sandbox.order(*lines, financial_status="PAID", webhooks=[], **more)
    ids = {line["sku"]: str(line["id"]) for line in made["line_items"]}
    wanted = {ids["SHIRT"]: 2, ids["MUG"]: 1}
    await hub.order(1, external_id=str(made["id"]), skus={line: sku for sku, line in ids.items()}, **wanted)
    await hub.dispatch()
    return Sold(hub, ids, made["name"].removeprefix("#"))


async def test_the_store_learns_the_tracking_of_a_shipment(hub: Any, sold: Sold) -> None:
    [said] = await sold.ship("S1", sold.package("P1", SHIRT=2, MUG=1))
    assert isinstance(said, ShipmentDispatched)
    assert sold.told() == {}  # the intent is committed, nothing is sent by the handler
    [said] = await hub.dispatch()
    assert isinstance(said, TrackingWritten)
    assert not said.adopted
    assert sold.told() == {"T-P1": {"SHIRT": 2, "MUG": 1}}
    assert sold.in_store()["fulfillment_status"] == "fulfilled"


async def test_two_packages_of_one_shipment_are_written_one_after_the_other(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", SHIRT=1), sold.package("P2", SHIRT=1, MUG=1))
    said = await hub.dispatch()
    said += await hub.dispatch()
    assert [event.package_ref for event in said] == ["P1", "P2"]
    assert sold.told() == {"T-P1": {"SHIRT": 1}, "T-P2": {"SHIRT": 1, "MUG": 1}}


async def test_a_partial_shipment_leaves_the_rest_open_in_the_store(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    await hub.dispatch()
    assert sold.in_store()["fulfillment_status"] == "partial"
    await sold.ship("S2", sold.package("P2", SHIRT=1, MUG=1))
    await hub.dispatch()
    assert sold.in_store()["fulfillment_status"] == "fulfilled"


async def test_a_notice_told_twice_is_written_once(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", SHIRT=2))
    assert await sold.ship("S1", sold.package("P1", SHIRT=2)) == []
    await hub.dispatch()
    await hub.dispatch()
    assert sold.told() == {"T-P1": {"SHIRT": 2}}


async def test_a_lost_reply_of_the_store_is_looked_for_and_adopted(hub: Any, sold: Sold) -> None:
    hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": "fulfillmentCreate", "kind": "lose_reply"})
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    assert await hub.dispatch() == []
    await hub.pass_time()
    assert await hub.dispatch() == []
    [said] = await hub.look()
    assert isinstance(said, TrackingWritten)
    assert said.adopted
    assert said.evidence
    assert sold.told() == {"T-P1": {"SHIRT": 1}}  # one shirt remained: a second call would have shipped it too


async def test_a_failure_before_acting_is_looked_at_and_then_written(hub: Any, sold: Sold) -> None:
    hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": "fulfillmentCreate", "kind": "error_500"})
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    await hub.dispatch()
    await hub.pass_time()
    await hub.look()
    [said] = await hub.dispatch()
    assert isinstance(said, TrackingWritten)
    assert sold.told() == {"T-P1": {"SHIRT": 1}}


async def test_fulfillment_orders_that_appear_late_are_waited_for(hub: Any) -> None:
    sold = await sell(hub, fulfillment_order_delay=3600)
    await sold.ship("S1", sold.package("P1", SHIRT=2, MUG=1))
    assert await hub.dispatch() == []
    [row] = await hub.writes("tracking")
    assert row["state"] == "pending"
    assert "not made the fulfillment orders" in row["reason"]
    hub.sandbox.control("clock", {"advance": 3601})
    await hub.pass_time()
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]


async def test_a_throttled_store_rests_as_long_as_it_asks(hub: Any, sold: Sold) -> None:
    hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": "*", "kind": "http_429"})
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    assert await hub.dispatch() == []
    store = next(row for row in await hub.bench.table("channel") if row["name"] == "Store")
    assert store["resume_at"] > (await hub.writes("tracking"))[0]["created_at"]
    await hub.pass_time()
    assert [type(event) for event in await hub.dispatch()] == [TrackingWritten]


async def test_a_shipment_that_the_store_has_no_room_for_needs_a_person(hub: Any, sold: Sold) -> None:
    hub.sandbox.control(f"shopify/{SHOP}/orders/{sold.in_store()['name'][1:]}/fulfill", {})
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    [said] = await hub.dispatch()
    assert isinstance(said, TrackingFailed)
    assert "nothing left to fulfill" in said.reason


async def test_a_shipment_voided_before_the_store_was_told_is_never_written(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    [said] = await hub.notice("shipment.voided", 1, shipment_id="S1", reship=True)
    assert isinstance(said, ShipmentVoided)
    assert await hub.dispatch() == []
    assert sold.told() == {}


async def test_a_shipment_voided_after_the_store_was_told_asks_a_person_to_remove_it(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", SHIRT=1))
    await hub.dispatch()
    said = await hub.notice("shipment.voided", 1, shipment_id="S1", reship=True)
    assert isinstance(said[0], ShipmentVoided)
    assert isinstance(said[1], TrackingFailed)
    assert "remove its fulfillment" in said[1].reason


async def test_a_parcel_without_tracking_number_is_not_taken_for_its_twin(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", "", SHIRT=1))
    await hub.dispatch()
    hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": "fulfillmentCreate", "kind": "error_500"})
    await sold.ship("S2", sold.package("P2", "", SHIRT=1))
    await hub.dispatch()
    await hub.pass_time()
    assert await hub.look() == []
    [_, twin] = await hub.writes("tracking")
    assert (twin["state"], twin["look_count"]) == ("in_doubt", 1)
    assert "another parcel" in twin["reason"]


async def test_notices_that_name_nothing_of_ours_are_parked_with_a_sentence(hub: Any, sold: Sold) -> None:
    package = sold.package("P1", SHIRT=1)
    bad: list[dict[str, Any]] = [
        {"reference": "nonsense"},
        {"reference": f"{UUID(int=99)}:1"},
        {"reference": f"{UUID(int=1)}:7"},
        {"packages": [package | {"lines": [{"line_id": "404", "sku": "CAP", "quantity": 1}]}]},
    ]
    for more in bad:
        said = await hub.notice("shipment.dispatched", 1, **({"shipment_id": "S1", "packages": [package]} | more))
        assert said == []
    parked = await hub.bench.table("parked_message", order_by="parked_at")
    assert [row["handler"] for row in parked] == ["receive_notices"] * 4
    assert "does not have" in parked[-1]["reason"]
    assert await hub.bench.table("shipment") == []


async def test_a_shipment_of_too_much_is_parked_only_after_a_look(hub: Any, sold: Sold) -> None:
    from fulfillment import workers

    assert await sold.ship("S1", sold.package("P1", SHIRT=3)) == []
    await hub.turn(workers.inspect_excess)
    assert await hub.bench.table("parked_message") == []  # its void may be on its way
    await hub.pass_time()
    await hub.turn(workers.inspect_excess)
    [parked] = await hub.bench.table("parked_message")
    assert "3 of line" in parked["reason"]
    assert "Depot says that the request is accepted" in parked["reason"]
    assert await hub.bench.table("doubt") == []
    assert await hub.bench.table("shipment") == []


async def test_a_shipment_of_too_much_is_explained_by_its_void(hub: Any, sold: Sold) -> None:
    from fulfillment import workers

    await sold.ship("S1", sold.package("P1", SHIRT=2))
    await sold.ship("S2", sold.package("P2", SHIRT=2))
    said = await hub.notice("shipment.voided", 1, shipment_id="S1", reship=True)
    assert ShipmentDispatched in [type(event) for event in said]
    await hub.pass_time()
    await hub.turn(workers.inspect_excess)
    assert await hub.bench.table("parked_message") == []
    await hub.dispatch()
    assert sold.told() == {"T-P2": {"SHIRT": 2}}


async def test_what_no_look_can_tell_is_handed_to_a_person_once(hub: Any, sold: Sold) -> None:
    await sold.ship("S1", sold.package("P1", "", SHIRT=1))
    await hub.dispatch()
    hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": "fulfillmentCreate", "kind": "error_500"})
    await sold.ship("S2", sold.package("P2", "", SHIRT=1))
    await hub.dispatch()
    await hub.pass_time()
    await hub.age_doubts()
    [said] = await hub.look()
    assert isinstance(said, TrackingFailed)
    assert "then decide" in said.reason
    await hub.pass_time()
    assert await hub.look() == []  # still looked at, told once
    [_, twin] = await hub.writes("tracking")
    assert (twin["state"], twin["needs_person"]) == ("in_doubt", True)
    assert await hub.dispatch() == []


async def test_where_nobody_outside_keeps_the_channel_goods_leave_and_nobody_is_told(hub: Any) -> None:
    state = hub.state(1, 1, {"SHIRT": 1}).model_copy(update={"channel_kind": "manual"})
    await hub.bench.handle("follow_orders", [state])
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    parcel = {"package_ref": "P1", "lines": [{"line_id": "SHIRT", "sku": "SHIRT", "quantity": 1}]}
    said = await hub.notice("shipment.dispatched", 1, shipment_id="S1", packages=[parcel])
    assert [type(event) for event in said] == [ShipmentDispatched]
    assert await hub.writes("tracking") == []
