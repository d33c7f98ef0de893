"""The tag that marks what is ours in its store: put there once, and no change of the order when it comes back."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from crossdock.testing.stores import Hub, line, story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


at = datetime.fromisoformat


def test_an_order_is_tagged_in_its_store_and_its_own_tag_is_no_change(hub: Hub) -> None:
    """Fails where the policy's tag is not written, replaces the merchant's own, or is content when it comes back."""
    warehouse = hub.warehouse(ships=False)
    store = hub.store("Tags").connect(warehouse)
    store.product("TAGGED", 10)
    hub.crossdock("channel", "policy", store.name, "--set", "written_back.tag=Crossdock")
    order = store.sell(line("TAGGED", 2), tags=["Gift"])
    store.until(order, lambda one: "was put on the order" in " ".join(story(one)), "tagged")
    assert store.look(order)["tags"] == "Crossdock, Gift"
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])

    def told(one: Mapping[str, Any]) -> bool:
        return at(one["updated_at"]) == at(store.look(order)["updated_at"])

    seen = store.until(order, told, "told of the hub's own tag")
    time.sleep(1)  # the store dates its changes to the second: the next one must not fall into the same
    store.act(order, "change", tags=["Crossdock", "Gift", "VIP"])
    after = store.until(order, told, "told of a tag of the merchant")
    assert (after["order_version"], after["content_version"]) == (seen["order_version"], 1)
    assert len(warehouse.asked(order["name"])) == 1
    assert sum("The tag" in said for said in story(after)) == 1
