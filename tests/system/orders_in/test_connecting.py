"""Connecting a store: its merchant approves, it observes, it goes live; it is uninstalled, and begins anew."""

import re

import httpx
import pytest

from crossdock.testing.stores import Hub, Store, line, sentences, story
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def approve(hub: Hub, store: Store) -> None:
    """Connect a store as a person does: the command prints a page, the merchant approves there."""
    said = hub.crossdock(
        "channel", "connect", "shopify", "--shop", store.domain, "--name", store.name, "--base-url", store.base_url,
        "--client-id", store.client_id, CROSSDOCK_CLIENT_SECRET=store.secret,
    )  # fmt: skip
    link = re.search(r"http\S+/admin/oauth/authorize\S+", said)
    assert link, said
    page = httpx.get(link.group(), follow_redirects=True, timeout=20, trust_env=False)
    assert (page.status_code, "is connected" in page.text) == (200, True), page.text
    [found] = [one for one in hub.get("/v1/channels") if one["shop"] == store.domain]
    assert (found["mode"], found["state"]) == ("observe", "connected")
    store.channel_id = found["id"]


def subscriptions(store: Store) -> set[str]:
    return {one["topic"] for one in store.control("GET", "")["subscriptions"]}


def test_an_approved_store_is_only_observed_until_it_goes_live_with_the_orders_that_were_named(hub: Hub) -> None:
    """Fails where a new channel sends anything, subscribes to nothing by itself, or goes live with all orders."""
    warehouse, store = hub.warehouse(), hub.store("Approved")
    approve(hub, store)
    hub.call("PATCH", f"/v1/channels/{store.channel_id}", {"settings": {"destination": warehouse.channel_id}})
    eventually(lambda: subscriptions(store) >= {"ORDERS_CREATE", "ORDERS_UPDATED", "PRODUCTS_CREATE"})
    store.product("OBSERVED", 10)
    ours, theirs = store.sell(line("OBSERVED")), store.sell(line("OBSERVED"))
    for order in (ours, theirs):
        seen = store.until(order, lambda one: one["status"] == "on_hold" and one["lines"], "held")
        assert sentences(seen) == [f"Channel {store.name} only observes: nothing is sent to the warehouse"]
    eventually(lambda: hub.stock("OBSERVED") == (10, 2))
    assert warehouse.asked(ours["name"]) == warehouse.asked(theirs["name"]) == []

    said = hub.crossdock("channel", "go-live", store.name, "--order", store.id_of(ours), "--yes")
    assert "1 open orders become ours, 1 are left out." in said
    store.ends(ours, "shipped")
    store.told(ours)
    left_out = store.ends(theirs, "rejected")
    assert left_out["rejection"]["sentence"] == "It was left out when the channel went live"
    assert warehouse.asked(theirs["name"]) == []
    assert hub.stock("OBSERVED") == (9, 0), "what is not ours must not keep stock"

    hub.crossdock("order", "bring-in", store.id_of(theirs))
    store.ends(theirs, "shipped")


def test_a_store_that_uninstalls_the_app_is_disconnected_and_approving_again_connects_the_same_channel(
    hub: Hub,
) -> None:
    """Fails where an uninstall goes unheard, a second approval makes a second channel, or it forgets its orders."""
    warehouse, store = hub.warehouse(), hub.store("Leaves")
    approve(hub, store)
    hub.call("PATCH", f"/v1/channels/{store.channel_id}", {"settings": {"destination": warehouse.channel_id}})
    hub.take_live(store.channel_id)
    eventually(lambda: subscriptions(store) >= {"ORDERS_CREATE", "PRODUCTS_CREATE", "APP_UNINSTALLED"})
    store.product("LEAVING", 10)
    before = store.sell(line("LEAVING"))
    store.ends(before, "shipped")
    store.told(before)
    channel = store.channel_id

    store.control("POST", "/uninstall")
    eventually(lambda: hub.get(f"/v1/channels/{channel}")["state"] == "disconnected")
    unheard = store.sell(line("LEAVING", 2))
    approve(hub, store)
    assert store.channel_id == channel
    eventually(lambda: subscriptions(store) >= {"ORDERS_CREATE", "PRODUCTS_CREATE", "APP_UNINSTALLED"})
    again = store.sell(line("LEAVING", 3))
    assert store.ends(again, "on_hold")["holds"], "it observes again: nobody said yet what becomes ours"
    assert warehouse.asked(again["name"]) == []
    hub.take_live(channel)
    store.ends(again, "shipped")
    hub.crossdock("integration", "start", f"{store.name}/orders")
    store.ends(unheard, "shipped")
    assert store.ends(before, "shipped")["order_version"]
    assert hub.stock("LEAVING") == (4, 0)


def test_a_reset_makes_lost_subscriptions_anew_and_finds_what_they_missed_and_changes_nothing_else(hub: Hub) -> None:
    """Fails where a reset reads nothing again, subscribes twice, or takes known orders as changed."""
    warehouse = hub.warehouse()
    store = hub.store("Forgetful").connect(warehouse)
    store.product("FORGOTTEN", 10)
    heard = store.sell(line("FORGOTTEN"))
    known = store.ends(heard, "shipped")
    store.told(heard)
    wanted = subscriptions(store)
    store.control("DELETE", "/subscriptions")
    unheard = store.sell(line("FORGOTTEN", 2))
    assert store.view(unheard) is None

    assert "begins anew" in hub.crossdock("channel", "reset", store.name, "--yes")
    assert subscriptions(store) == wanted
    assert len(store.control("GET", "")["subscriptions"]) == len(wanted)
    hub.crossdock("integration", "start", f"{store.name}/orders")
    found = store.ends(unheard, "shipped")
    assert "Found by reconciliation" in story(found)
    again = store.view(heard)
    assert again is not None
    assert (again["order_version"], again["content_version"]) == (known["order_version"], known["content_version"])
    assert len(warehouse.asked(heard["name"])) == 1
