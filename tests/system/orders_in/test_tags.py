"""The tag that marks what is ours in its store: put there once, and no change of the order when it comes back."""

import pytest

from crossdock.testing.stores import Hub, line, story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_an_order_is_tagged_in_its_store_and_its_own_tag_is_no_change(hub: Hub) -> None:
    """Fails where the policy's tag is not written, replaces the merchant's own, or is content when it comes back."""
    warehouse = hub.warehouse(ships=False)
    store = hub.store("Tags").connect(warehouse)
    store.product("TAGGED", 10)
    hub.crossdock("channel", "policy", store.name, "--set", "written_back.tag=Crossdock")
    order = store.sell(line("TAGGED", 2), tags=["Gift"])
    seen = store.until(order, lambda one: "was put on the order" in " ".join(story(one)), "tagged")
    assert store.look(order)["tags"] == "Crossdock, Gift"
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])

    # The store told of the tag when it was put there: its next word shows that this was heard, too.
    before = seen["updated_at"]
    store.act(order, "change", tags=["Crossdock", "Gift", "VIP"])
    after = store.until(order, lambda one: one["updated_at"] != before, "told of a tag of the merchant")
    assert (after["order_version"], after["content_version"]) == (seen["order_version"], 1)
    assert len(warehouse.asked(order["name"])) == 1
    assert sum("The tag" in said for said in story(after)) == 1
