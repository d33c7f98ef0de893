"""Runs on a schedule: once across replicas, across deaths, and what no webhook told is found."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Any

import pytest

from crossdock.testing.stores import Hub, Store, line, story
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

RUNS = "/v1/services/order-ingest/runs"


def integration(hub: Hub, store: Store, kind: str) -> dict[str, Any]:
    listed = hub.get("/v1/services/order-ingest/integrations")["integrations"]
    [found] = [one for one in listed if (one["channel_id"], one["kind"]) == (store.channel_id, kind)]
    return dict(found)


def runs(hub: Hub, store: Store, kind: str) -> list[dict[str, Any]]:
    found = integration(hub, store, kind)["integration_id"]
    return list(hub.get(RUNS, integration=found, limit=200)["runs"])


def test_the_daily_refetch_finds_a_change_that_nobody_told(hub: Hub) -> None:
    """Fails where the days before are not read again, or reading them takes what is known as changed."""
    warehouse = hub.warehouse(ships=False)
    store = hub.store("Nightly").connect(warehouse)
    store.product("NIGHTLY", 10)
    changed, same = store.sell(line("NIGHTLY", 3)), store.sell(line("NIGHTLY"))
    for order in (changed, same):
        store.ends(order, "outstanding")
        warehouse.takes(order["name"])
    version = store.ends(same, "outstanding")["order_version"]
    store.act(changed, "edit", quantities={"NIGHTLY": 1}, webhooks=[])
    hub.crossdock("integration", "start", f"{store.name}/daily_refetch")
    run = eventually(lambda: next((one for one in runs(hub, store, "daily_refetch") if one["ended_at"]), None))
    assert run is not None
    assert (run["state"], run["seen"], run["changed"], run["unchanged"]) == ("finished", 2, 1, 1)
    eventually(lambda: warehouse.units(changed["name"]) == [{"NIGHTLY": 3}, {"NIGHTLY": 1}])
    seen = store.ends(changed, "outstanding")
    assert "Line 1 (NIGHTLY) was lowered from 3 to 1 unit" in story(seen)
    assert store.ends(same, "outstanding")["order_version"] == version


def test_two_replicas_run_each_slot_once_and_one_goes_on_without_the_other(hub: Hub) -> None:
    """Fails where a run is turned by whoever sees it (each would read the orders again), a slot is queued by both, or
    the schedule belongs to one process."""
    warehouse = hub.warehouse()
    store = hub.store("Replicas").connect(warehouse)
    store.product("REPLICA", 10)
    for order in [store.sell(line("REPLICA")) for _ in range(3)]:
        store.ends(order, "shipped")
        store.told(order)

    def ended(since: datetime) -> list[dict[str, Any]]:
        """The runs of slots after a time that are over, oldest first."""
        found = [one for one in runs(hub, store, "orders") if one["ended_at"] and one["cause"] == "schedule"]
        found = [one for one in found if datetime.fromisoformat(one["scheduled_at"]) > since]
        return sorted(found, key=itemgetter("scheduled_at"))

    def polls() -> int:
        """Every call that the store answered; beside polls there are next to none."""
        return int(store.control("GET", "")["spent"]["answered"])

    with hub.system.one_more("order-ingest"):
        began, before = datetime.now(UTC), polls()
        hub.crossdock("integration", "set", f"{store.name}/orders", "--every", "1")
        eventually(lambda: len(ended(began)) >= 6)
        hub.system.kill("order-ingest", hold=True)
        alone = datetime.now(UTC)
        hub.system.release("order-ingest")
        hub.system.wait_ready("order-ingest")
        eventually(lambda: len(ended(alone)) >= 3)
        hub.crossdock("integration", "set", f"{store.name}/orders", "--disable")
        over, after = ended(began), polls()
    slots = [datetime.fromisoformat(one["scheduled_at"]) for one in over]
    assert len(set(slots)) == len(slots)
    assert all((later - slot) % timedelta(seconds=1) == timedelta(0) for slot, later in pairwise(slots))
    assert {(one["state"], one["imported"], one["changed"]) for one in over} <= {("finished", 0, 0), ("stopped", 0, 0)}
    assert after - before < 1.5 * len(over), f"{after - before} calls for {len(over)} runs"


def test_a_backlog_that_dies_with_its_process_goes_on_and_brings_each_order_in_once(hub: Hub) -> None:
    """Fails where the place is lost with the process, or an order that a webhook told meanwhile comes in twice."""
    warehouse = hub.warehouse()
    store = hub.store("Backlog").connect(warehouse)
    store.product("BACKLOG", 2000)
    unpaid = {"lines": [line("BACKLOG")], "financial_status": "PENDING"}
    store.control("POST", "/archive", {"count": 900, "order": unpaid})
    new = store.sell(line("BACKLOG"))
    wanted = {"channel_id": store.channel_id, "request": {"since": "2020-01-01T00:00:00Z"}, "accept_limits": True}
    run_id = hub.call("POST", "/v1/backlog", wanted)["run_id"]
    eventually(lambda: hub.get(f"{RUNS}/{run_id}")["seen"] >= 250)
    hub.system.kill("order-ingest")
    hub.system.wait_ready("order-ingest")
    run = eventually(lambda: one if (one := hub.get(f"{RUNS}/{run_id}"))["ended_at"] else None, 100)
    assert run is not None
    assert (run["state"], run["seen"], run["failed"]) == ("finished", 901, 0)
    store.ends(new, "shipped")
    tabs = hub.get("/v1/orders/counts", channel=store.channel_id)["tabs"]
    assert {tab: orders for tab, orders in tabs.items() if orders} == {"on_hold": 900, "shipped": 1, "all": 901}
    eventually(lambda: hub.stock("BACKLOG") == (1999, 900))
