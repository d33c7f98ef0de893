"""Runs on a schedule: once across replicas, across deaths, and what no webhook told is found."""

from typing import Any

import pytest

from crossdock.testing.shared import eventually
from crossdock.testing.stores import Hub, Store, line, story

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
