"""Which SKU a line is: what the listings say, and what a person says where they say nothing or too much."""

import time

import pytest

from crossdock.testing.stores import Hub, line, sentences
from crossdock.testing.waiting import eventually

NEXT_SECOND = 1.1
"""What a store tells has whole seconds: what happens within one is not told apart."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_line_without_a_sku_waits_until_a_person_says_what_it_is(hub: Hub) -> None:
    """Fails where such a line is guessed by its title, left out, or its order is not judged again."""
    warehouse = hub.warehouse()
    store = hub.store("Nameless").connect(warehouse)
    store.product("NAMED", 10)
    wrap = {"custom": True, "title": "Gift wrap", "quantity": 2, "price": "3.00", "requires_shipping": True}
    order = store.sell(line("NAMED"), wrap)
    assert sentences(store.ends(order, "on_hold")) == ["Line 2 (Gift wrap) has no SKU"]
    assert warehouse.asked(order["name"]) == []
    assert hub.stock("NAMED") == (10, 0), "an order is reserved whole or not at all"

    said = hub.crossdock("order", "assign", store.id_of(order), "2", "NAMED", "--quantity", "2")
    assert "The order goes on." in said
    store.ends(order, "shipped")
    assert sum(sum(one.values()) for one in warehouse.units(order["name"])) == 5
    assert hub.stock("NAMED") == (5, 0)


def test_a_sku_that_was_doubled_when_the_order_was_placed_waits_for_a_person_who_maps_it(hub: Hub) -> None:
    """Fails where one of two listings is taken by guess, or is taken once the other is gone: who knows what sold?"""
    warehouse = hub.warehouse()
    store = hub.store("Twins").connect(warehouse)
    sold_one = store.product("TWIN", 10)
    other = store.product("TWIN")
    order = store.sell({"variant_id": sold_one["variants"][0]["id"], "quantity": 3})
    told = "Line 1 (TWIN / TWIN): 2 listings carried SKU TWIN when the order was placed"
    assert sentences(store.ends(order, "on_hold")) == [told]

    time.sleep(NEXT_SECOND)
    variant = {"id": other["variants"][0]["id"], "sku": "OTHER-TWIN"}
    store.control("POST", "/products", {"id": other["id"], "title": "TWIN", "variants": [variant]})
    about = {"channel": store.channel_id}
    eventually(lambda: [len(hub.get("/v1/listings", sku=sku, **about)) for sku in ("TWIN", "OTHER-TWIN")] == [1, 1])
    new = store.sell(line("TWIN"))
    store.ends(new, "shipped")  # so the order that was doubled has been judged again, too
    seen = store.ends(order, "on_hold")
    assert (sentences(seen), warehouse.asked(order["name"])) == ([told], [])

    hub.crossdock("mapping", "set", store.channel_id, str(sold_one["variants"][0]["id"]), "TWIN")
    store.ends(order, "shipped")
    assert warehouse.units(order["name"]) == [{"TWIN": 3}]
    assert hub.stock("TWIN") == (6, 0)


def test_a_line_whose_listing_comes_later_goes_on_by_itself(hub: Hub) -> None:
    """Fails where orders that wait for a SKU are not found when a listing brings it."""
    warehouse = hub.warehouse()
    store = hub.store("Early").connect(warehouse)
    shell = store.product("", requires_shipping=True)
    sold = store.sell({"variant_id": shell["variants"][0]["id"], "quantity": 1})
    [told] = sentences(store.ends(sold, "on_hold"))
    assert told.endswith("has no SKU")
    hub.count("LATE", 3)
    time.sleep(NEXT_SECOND)
    variant = {"id": shell["variants"][0]["id"], "sku": "LATE"}
    store.control("POST", "/products", {"id": shell["id"], "title": "Nameless", "variants": [variant]})
    store.ends(sold, "shipped")
    assert warehouse.units(sold["name"]) == [{"LATE": 1}]
