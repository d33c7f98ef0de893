"""What changes after an order came in: edits, cancellations and refunds, before and after the warehouse has it."""

import time
from collections import Counter
from typing import Any

import pytest

from crossdock.testing.stores import Hub, Store, Warehouse, line, sentences, story
from crossdock.testing.waiting import eventually

NEXT_SECOND = 1.1
"""What a store tells has whole seconds."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def opened(hub: Hub, name: str, sku: str, units: int = 10) -> tuple[Store, Warehouse]:
    """A live store with units of a SKU to sell, and a warehouse that ships only when it is told to."""
    warehouse = hub.warehouse(ships=False)
    store = hub.store(name).connect(warehouse)
    store.product(sku, units)
    return store, warehouse


def shipped(store: Store, warehouse: Warehouse, order: dict[str, Any]) -> None:
    """Let the warehouse ship an order, and the store hear of it."""
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])
    for request in warehouse.asked(order["name"]):
        if request["state"] == "accepted":
            warehouse.ship(request)
    store.ends(order, "shipped")
    store.told(order)


def says(store: Store, order: dict[str, Any], words: str) -> dict[str, Any]:
    """The hub's view of an order once its timeline says so."""
    return store.until(order, lambda one: any(words in said for said in story(one)), words)


def states(warehouse: Warehouse, order: dict[str, Any]) -> list[str]:
    return [str(one["state"]) for one in warehouse.asked(order["name"])]


def test_an_edit_before_the_request_is_applied_and_only_the_newest_is_asked_for(hub: Hub) -> None:
    """Fails where the request asks for what was sold first, or stock is reserved for what nobody wants any more."""
    store, warehouse = opened(hub, "Edits", "EDITED", 3)
    order = store.sell(line("EDITED", 5))
    assert sentences(store.ends(order, "on_hold")) == ["Unable to reserve inventory: 5 of EDITED, 3 available at Main"]
    store.act(order, "edit", quantities={"EDITED": 2})
    seen = store.ends(order, "outstanding")
    warehouse.takes(order["name"])
    assert "Line 1 (EDITED) was lowered from 5 to 2 units" in story(seen)
    assert warehouse.units(order["name"]) == [{"EDITED": 2}]
    assert hub.stock("EDITED") == (3, 2)


def test_an_edit_after_the_request_stops_it_and_asks_for_what_is_left(hub: Hub) -> None:
    """Fails where the warehouse is left with the old quantity, both requests stand, or freed units stay reserved."""
    store, warehouse = opened(hub, "Rethinks", "RETHOUGHT")
    order = store.sell(line("RETHOUGHT", 4))
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])
    store.act(order, "edit", quantities={"RETHOUGHT": 1})
    eventually(lambda: states(warehouse, order) == ["cancelled", "accepted"])
    assert warehouse.units(order["name"]) == [{"RETHOUGHT": 4}, {"RETHOUGHT": 1}]
    eventually(lambda: hub.stock("RETHOUGHT") == (10, 1))

    store.act(order, "edit", quantities={"RETHOUGHT": 3})
    eventually(lambda: states(warehouse, order) == ["cancelled", "accepted", "accepted"])
    assert warehouse.units(order["name"])[1:] == [{"RETHOUGHT": 1}, {"RETHOUGHT": 2}]
    shipped(store, warehouse, order)
    assert hub.stock("RETHOUGHT") == (7, 0)


def test_a_cancellation_after_the_request_ends_as_the_warehouse_answers(hub: Hub) -> None:
    """Fails where an order is called cancelled before anybody stopped it, or a refusal is not told."""
    store, warehouse = opened(hub, "Cancels", "CANCELLED")
    stopped, refused = store.sell(line("CANCELLED", 2)), store.sell(line("CANCELLED", 3))
    warehouse.behave(refused["name"], refuse_cancellation="It is on the truck")
    for order in (stopped, refused):
        store.ends(order, "outstanding")
        warehouse.takes(order["name"])
        store.act(order, "cancel")
    store.ends(stopped, "cancelled")
    assert states(warehouse, stopped) == ["cancelled"]
    seen = says(store, refused, "The cancellation was refused for version 2: 3 units stand")
    assert seen["status"] != "cancelled", "what still may leave is not cancelled"
    eventually(lambda: hub.stock("CANCELLED") == (10, 3))
    [request] = warehouse.asked(refused["name"])
    warehouse.ship(request)
    store.ends(refused, "cancelled_shipped_anyway")
    assert hub.stock("CANCELLED") == (7, 0)


def test_each_kind_of_refund_is_told_as_what_it_is_and_moves_stock_once(hub: Hub) -> None:
    """Fails where a refund moves stock that did not come back, or moves it again when its webhook comes again."""
    store, warehouse = opened(hub, "Refunds", "BACK", 20)
    returned, kept, sorry, early = (store.sell(line("BACK", 2)) for _ in range(4))
    store.ends(early, "outstanding")
    warehouse.takes(early["name"])
    store.act(early, "refund", lines=[{"line": "BACK", "quantity": 1, "restock_type": "cancel"}])
    eventually(lambda: states(warehouse, early) == ["cancelled", "accepted"])
    for order in (returned, kept, sorry, early):
        shipped(store, warehouse, order)
    assert hub.stock("BACK") == (13, 0)

    store.act(returned, "refund", lines=[{"line": "BACK", "quantity": 1, "restock_type": "return"}])
    store.act(kept, "refund", lines=[{"line": "BACK", "quantity": 1, "restock_type": "no_restock"}])
    store.act(sorry, "refund", amount="1.50")
    told = {
        "1 unit came back and go to stock": returned,
        "1 unit had shipped and do not go back to stock": kept,
        "money alone, no goods move": sorry,
        "1 unit that had not shipped are no longer wanted": early,
    }
    for words, order in told.items():
        says(store, order, words)
    eventually(lambda: hub.stock("BACK") == (14, 0))
    for number in (one["number"] for one in hub.control("GET", "/deliveries?topic=refunds/create")["deliveries"]):
        hub.control("POST", f"/deliveries/{number}/again")
    before = store.ends(returned, "shipped")["updated_at"]
    time.sleep(NEXT_SECOND)
    store.act(returned, "change", note="Thank you")
    store.until(returned, lambda one: one["updated_at"] != before, "told once more")
    assert [move for move in hub.ledger("BACK") if move[0] == "returned"] == [("returned", 1)]
    for order in (returned, kept, sorry, early):
        seen = store.view(order)
        assert seen is not None
        assert seen["status"] == "shipped"
        assert sum("Refund" in said for said in story(seen)) == 1
    assert hub.stock("BACK") == (14, 0)


def test_an_exchange_takes_goods_back_and_ships_the_new_ones(hub: Hub) -> None:
    """Fails where added lines are not asked for, what shipped before is asked for again, or stock moves twice."""
    store, warehouse = opened(hub, "Swaps", "SMALL")
    store.product("LARGE", 10)
    late, early = store.sell(line("SMALL", 2)), store.sell(line("SMALL", 2))
    shipped(store, warehouse, late)
    store.ends(early, "outstanding")
    warehouse.takes(early["name"])
    for order, kind in ((late, "return"), (early, "cancel")):
        store.act(order, "edit", add=[line("LARGE")])
        back = {"line": "SMALL", "quantity": 1, "restock_type": kind}
        store.act(order, "refund", lines=[back], amount="0")
    says(store, late, "came back for other goods")
    eventually(lambda: still_asked(warehouse, late) == {"SMALL": 2, "LARGE": 1})
    eventually(lambda: still_asked(warehouse, early) == {"SMALL": 1, "LARGE": 1})
    eventually(lambda: (hub.stock("SMALL"), hub.stock("LARGE")) == ((9, 1), (10, 2)))

    for order in (late, early):
        for request in warehouse.asked(order["name"]):
            if request["state"] == "accepted" and not request["shipments"]:
                warehouse.ship(request)
        store.ends(order, "shipped")
    assert (hub.stock("SMALL"), hub.stock("LARGE")) == ((8, 0), (8, 0))
    assert [move for move in hub.ledger("SMALL") if move[0] == "returned"] == [("returned", 1)]


def still_asked(warehouse: Warehouse, order: dict[str, Any]) -> dict[str, int]:
    """Units by SKU in the requests for an order that were not stopped."""
    units: Counter[str] = Counter()
    for request in warehouse.asked(order["name"]):
        if request["state"] == "accepted":
            for one in request["lines"]:
                units[one["sku"]] += one["quantity"] - one["cancelled"]
    return dict(units)


def test_a_new_address_reaches_the_warehouse_before_the_parcel_does(hub: Hub) -> None:
    """Fails where the request keeps the old address, or the order is asked for twice."""
    store, warehouse = opened(hub, "Moves house", "HOUSE")
    order = store.sell(line("HOUSE"))
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])
    address = order["shipping_address"] | {"address1": "9 Other Street", "city": "Elsewhere"}
    store.act(order, "change", shipping_address=address)
    eventually(lambda: states(warehouse, order) == ["cancelled", "accepted"])
    first, second = (one["recipient"] for one in warehouse.asked(order["name"]))
    assert "9 Other Street" not in str(first)
    assert "9 Other Street" in str(second)
    shipped(store, warehouse, order)
    assert hub.stock("HOUSE") == (9, 0)
