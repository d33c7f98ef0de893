"""What a warehouse's mode means for the orders that it is to ship."""

import pytest

from crossdock.testing.stores import Hub, line, sentences
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_an_order_whose_warehouse_only_observes_says_so_and_goes_on_when_it_is_live(hub: Hub) -> None:
    """Fails where the order is called outstanding while nobody asks the warehouse, or is not released with it."""
    warehouse = hub.warehouse()
    store = hub.store("Waits").connect(warehouse)
    store.product("WAITING", 10)
    hub.call("PATCH", f"/v1/channels/{warehouse.channel_id}", {"mode": "observe"})
    path, preview = f"/v1/channels/{warehouse.channel_id}/go-live", {"orders": "all", "preview": True}
    eventually(lambda: hub.client.post(path, json=preview).is_success)  # order-ingest has heard that it observes
    order = store.sell(line("WAITING", 2))
    held = store.ends(order, "on_hold")
    assert sentences(held) == [f"Warehouse {warehouse.name} only observes: no request is sent to it"]
    eventually(lambda: hub.stock("WAITING") == (10, 2))
    assert warehouse.asked(order["name"]) == []

    hub.crossdock("channel", "go-live", warehouse.name, "--yes")
    store.ends(order, "shipped")
    assert warehouse.units(order["name"]) == [{"WAITING": 2}]
