"""The mirror after all of it: every tab counts what it lists, in every channel, and each order has its story."""

from typing import Any

import pytest

from crossdock.testing.stores import Hub, line, sentences
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAGE = 500


def listed(hub: Hub, **filters: Any) -> list[dict[str, Any]]:
    """Every order of a list, page after page."""
    found: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    while True:
        page = hub.get("/v1/orders", limit=PAGE, **filters, **before)
        found += page["orders"]
        if page["next"] is None:
            return found
        before = {"before": page["next"]}


def test_every_tab_counts_as_many_orders_as_it_lists(hub: Hub) -> None:
    """Runs last of this folder: fails where anything that was done to an order was counted twice, or not at all."""
    warehouse = hub.warehouse()
    store = hub.store("Watched").connect(warehouse)
    store.product("WATCHED", 5)
    ends = {
        "shipped": store.sell(line("WATCHED")),
        "on_hold": store.sell(line("WATCHED", 50)),
        "rejected": store.sell(line("WATCHED"), test=True),
        "cancelled": store.sell(line("WATCHED"), financial_status="PENDING"),
    }
    store.ends(ends["cancelled"], "on_hold")
    store.act(ends["cancelled"], "cancel")
    for status, order in ends.items():
        store.ends(order, status)
    counts = eventually(lambda: settled(hub))
    for one in counts["channels"]:
        for tab, number in ((tab, number) for tab, number in one["tabs"].items() if number):
            orders = listed(hub, channel=one["channel_id"], tab=tab)
            assert len(orders) == number, f"{one['channel']} says {number} under {tab} and lists {len(orders)}"
            assert len({order["order_id"] for order in orders}) == number
    [own] = [one for one in counts["channels"] if one["channel_id"] == store.channel_id]
    assert {tab: n for tab, n in own["tabs"].items() if n} == dict.fromkeys(ends, 1) | {"all": 4}
    for tab, number in counts["tabs"].items():
        assert number == sum(one["tabs"][tab] for one in counts["channels"]) == len(listed(hub, tab=tab))
    assert all(sentences(order) for order in listed(hub, tab="on_hold")), "an order waits and nobody says why"

    said = hub.crossdock("counts")
    assert store.name in said
    shown = hub.crossdock("order", "show", store.id_of(ends["shipped"]))
    places = [shown.index(words) for words in ("imported", "Stock reserved", "Shipped 1 unit")]
    assert places == sorted(places), "a timeline is not told in the order of what happened"


def settled(hub: Hub) -> dict[str, Any] | None:
    """The counts, once two looks a moment apart see the same."""
    first, second = (hub.get("/v1/orders/counts") for _ in range(2))
    return dict(second) if first["channels"] == second["channels"] else None
