"""What a channel's policy lets in: what waits, what is rejected and comes in later, what counts as cancelled."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossdock.testing.stores import Hub, Store, Warehouse, line, sentences, story
from crossdock.testing.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def opened(hub: Hub, name: str, sku: str, **more: object) -> tuple[Store, Warehouse]:
    """A live store with ten units of a SKU to sell, and its warehouse."""
    warehouse = hub.warehouse()
    store = hub.store(name, **more).connect(warehouse)
    store.product(sku, 10)
    return store, warehouse


def apply(hub: Hub, folder: Path, store: Store, *settings: str) -> str:
    """Bring the store's policy to what a file says; what the command showed first."""
    file = folder / "policy.yaml"
    text = "".join(f"\n      {one}" for one in settings)
    file.write_text(f'channels:\n  "{store.name}":\n    policy:{text}\n')
    shown = hub.crossdock("apply", "-f", str(file), "--dry-run")
    assert shown == hub.crossdock("apply", "-f", str(file), "--dry-run"), "a dry run changed something"
    hub.crossdock("apply", "-f", str(file), "--yes")
    return shown


def test_an_unpaid_order_waits_for_its_payment_and_an_old_one_for_a_person(hub: Hub) -> None:
    """Fails where a hold does not keep the request back, or what ends it goes unnoticed."""
    store, warehouse = opened(hub, "Careful", "CAREFUL")
    unpaid = store.sell(line("CAREFUL"), financial_status="PENDING")
    long_ago = (datetime.now(UTC) - timedelta(days=100)).isoformat(timespec="seconds")
    old = store.sell(line("CAREFUL"), created_at=long_ago)
    assert sentences(store.ends(unpaid, "on_hold")) == ["Waiting for payment"]
    told = "Placed 100 days before it was imported, and the channel's policy takes 90 at most"
    assert sentences(store.ends(old, "on_hold")) == [told]
    eventually(lambda: hub.stock("CAREFUL") == (10, 2))
    assert warehouse.asked(unpaid["name"]) == warehouse.asked(old["name"]) == []

    store.act(unpaid, "pay")
    store.ends(unpaid, "shipped")
    assert warehouse.asked(old["name"]) == []
    hub.crossdock("order", "approve", store.id_of(old))
    store.ends(old, "shipped")


def test_a_rejected_order_comes_in_when_a_person_or_another_policy_says_so(hub: Hub, tmp_path: Path) -> None:
    """Fails where a rejected order is forgotten, told to anybody, keeps stock, or is not judged again."""
    store, warehouse = opened(hub, "Choosy", "CHOOSY")
    first, second = (store.sell(line("CHOOSY"), test=True) for _ in range(2))
    for order in (first, second):
        assert store.ends(order, "rejected")["rejection"]["sentence"] == "It is a test order"
    assert warehouse.asked(first["name"]) == []
    assert hub.stock("CHOOSY") == (10, 0)

    hub.crossdock("order", "bring-in", store.id_of(first))
    store.ends(first, "shipped")
    assert store.ends(second, "rejected")
    shown = apply(hub, tmp_path, store, "test_orders: true")
    assert "test_orders" in shown
    assert "max_age_days" not in shown, "the difference names what does not change"
    assert "Not rejected any more: it comes in" in story(store.ends(second, "shipped"))


def test_an_order_at_another_location_is_not_ours_until_its_merchant_moves_it_to_us(hub: Hub, tmp_path: Path) -> None:
    """Fails where routes are not read, a move goes unheard, or the units of other locations are asked for too."""
    store, warehouse = opened(hub, "Spread", "SPREAD", locations=("Main", "Shop floor"))
    apply(hub, tmp_path, store, f'locations: ["{store.location("Main")}"]')
    elsewhere = store.sell(line("SPREAD", 2, location="Shop floor"))
    split = store.sell(line("SPREAD", 1, location="Main"), line("SPREAD", 3, location="Shop floor"))
    seen = store.ends(elsewhere, "rejected")
    assert seen["rejection"]["sentence"] == "The store assigned it to a location that is not ours"
    store.ends(split, "shipped")
    assert warehouse.units(split["name"]) == [{"SPREAD": 1}]

    store.act(elsewhere, "assign", location="Main")
    store.ends(elsewhere, "shipped")
    assert warehouse.units(elsewhere["name"]) == [{"SPREAD": 2}]


def test_a_status_that_the_policy_counts_as_cancelled_cancels(hub: Hub) -> None:
    """Fails where only the store's own cancellation counts, or stock stays reserved for what is cancelled."""
    store, warehouse = opened(hub, "Strict", "STRICT")
    warehouse.behave("*", ship_after=None)
    hub.crossdock("channel", "policy", store.name, "--set", 'cancel_statuses=["refunded"]')
    order = store.sell(line("STRICT", 2))
    store.ends(order, "outstanding")
    warehouse.takes(order["name"])
    eventually(lambda: hub.stock("STRICT") == (10, 2))
    store.act(order, "refund", amount=order["total_price"])
    seen = store.ends(order, "cancelled")
    assert "Taken as cancelled: its channel says that it is refunded" in story(seen)
    assert [one["state"] for one in warehouse.asked(order["name"])] == ["cancelled"]
    eventually(lambda: hub.stock("STRICT") == (10, 0))
