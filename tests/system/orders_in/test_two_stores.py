"""Several stores in one installation sell one stock: whoever comes first gets it, and each store hears of its own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crossdock.testing.stores import Hub, Store, line, sentences, tracking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SKUS = [f"LAST-{n}" for n in range(6)]


def counted(hub: Hub, store: Store) -> dict[str, int]:
    tabs: dict[str, int] = hub.get("/v1/orders/counts", channel=store.channel_id)["tabs"]
    return {tab: orders for tab, orders in tabs.items() if orders}


def test_two_stores_meet_at_the_last_units_and_exactly_one_order_of_each_pair_gets_them(hub: Hub) -> None:
    """Fails where reservations do not lock their stock, counts are not kept by channel, or a parcel finds its order by
    number: both stores number theirs alike."""
    warehouse = hub.warehouse()
    stores = [hub.store(name).connect(warehouse) for name in ("North", "South")]
    for sku in SKUS:
        hub.count(sku, 2)
        for store in stores:
            store.product(sku)
    with ThreadPoolExecutor(2) as buyers:
        sold = {sku: list(buyers.map(Store.sell, stores, [line(sku, 2)] * 2)) for sku in SKUS}
    assert sold[SKUS[0]][0]["name"] == sold[SKUS[0]][1]["name"]

    won: Counter[str] = Counter()
    late: list[tuple[str, Store, Any]] = []
    for sku, pair in sold.items():
        views = [store.ends(order, "shipped", "on_hold") for store, order in zip(stores, pair, strict=True)]
        assert sorted(one["status"] for one in views) == ["on_hold", "shipped"], sku
        for store, order, one in zip(stores, pair, views, strict=True):
            if one["status"] == "shipped":
                won[store.name] += 1
                [parcel] = [package for shipment in one["shipments"] for package in shipment["packages"]]
                assert store.told(order) == [parcel["tracking_number"]]
            else:
                late.append((sku, store, order))
                assert sentences(one) == [f"Unable to reserve inventory: 2 of {sku}, 0 available at Main"]
                assert tracking(store.look(order)) == []
    assert {sku: hub.stock(sku) for sku in SKUS} == dict.fromkeys(SKUS, (0, 0))
    for store in stores:
        wins = won[store.name]
        tabs = {"shipped": wins, "on_hold": len(SKUS) - wins, "all": len(SKUS)}
        assert counted(hub, store) == {tab: orders for tab, orders in tabs.items() if orders}

    sku, store, order = late[0]
    hub.count(sku, 2)
    seen = store.ends(order, "shipped")
    assert store.told(order) == [seen["shipments"][0]["packages"][0]["tracking_number"]]
    assert Counter(len(warehouse.asked(str(one["name"]))) for one in sold[sku]) == {2: 2}
