"""Which SKU a line is: what the listings say, and what a person says where they say nothing or too much."""

import time

import pytest

from crossdock.testing.stores import Hub, line, sentences

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
