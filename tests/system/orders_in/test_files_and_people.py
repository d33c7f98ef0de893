"""Orders from a CSV file and from a person's hand: checked first, taken once, shipped like any other."""

import json
from pathlib import Path

import pytest

from crossdock.testing.stores import Hub, sentences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

HEADER = "order_number,currency,sku,quantity,name,street1,city,country"
PERSON = "Test Person,1 Example Street,Sampletown,IE"
ROWS = (
    f"PO-1,EUR,PAPER,2,{PERSON}",
    "PO-1,EUR,INK,1,,,,",
    f"PO-2,EUR,PAPER,0,{PERSON}",
    "PO-3,EUR,PAPER,1,,,,",
    'PO-4,EUR,PAPER,1,"=HYPERLINK(""http://example.com"")",1 Example Street,Sampletown,IE',
    f"PO-5,EUR,UNHEARD,1,{PERSON}",
)


def test_a_file_is_checked_row_by_row_then_what_is_right_is_taken_once_and_ships(hub: Hub, tmp_path: Path) -> None:
    """Fails where a dry run creates something, one wrong row keeps others out, a repetition makes orders twice, or such
    orders are not matched, reserved and shipped like those of stores."""
    warehouse = hub.warehouse()
    channel = hub.typed_channel("Fair", warehouse)
    for sku, units in (("PAPER", 10), ("INK", 10)):
        hub.call("POST", "/v1/skus", {"sku": sku})
        hub.count(sku, units)
    template, file, result = tmp_path / "template.csv", tmp_path / "orders.csv", tmp_path / "result.csv"
    hub.crossdock("orders", "template", str(template))
    assert set(HEADER.split(",")) <= set(template.read_text(encoding="utf-8-sig").splitlines()[0].split(","))
    file.write_text("\n".join((HEADER, *ROWS)) + "\n")

    arguments = ("orders", "import", str(file), "--channel", "Fair", "--json", "--result", str(result))
    dry = json.loads(hub.crossdock(*arguments, "--dry-run", code=1))
    assert (dry["state"], dry["will_create"], dry["created"]) == ("checked", 3, 0)
    assert {(row["row"], row["field"]) for row in dry["wrong"]} >= {(4, "quantity")}
    assert {row["order_number"] for row in dry["wrong"]} == {"PO-2", "PO-3"}
    assert hub.get("/v1/orders", channel=channel)["orders"] == []

    taken = json.loads(hub.crossdock(*arguments, code=1))
    assert (taken["state"], taken["created"], taken["duplicates"]) == ("finished_partially", 3, 0)
    assert "PO-2" in result.read_text(encoding="utf-8-sig")
    shipped = hub.ends(channel, "PO-1", "shipped")
    assert shipped["shipments"][0]["packages"][0]["write_back"] == {"state": "not_needed"}
    [asked] = warehouse.asked("PO-1")
    assert {one["sku"]: one["quantity"] for one in asked["lines"]} == {"PAPER": 2, "INK": 1}
    assert asked["recipient"]["name"] == "Test Person"
    hub.ends(channel, "PO-4", "shipped")
    assert warehouse.asked("PO-4")[0]["recipient"]["name"].startswith("=HYPERLINK"), "text stays as it was given"
    [told] = sentences(hub.ends(channel, "PO-5", "on_hold"))
    assert told.endswith("no channel lists SKU UNHEARD, and nobody has added it")

    again = json.loads(hub.crossdock(*arguments, code=1))
    assert (again["created"], again["duplicates"]) == (0, 3)
    assert sorted(one["number"] for one in hub.get("/v1/orders", channel=channel)["orders"]) == ["PO-1", "PO-4", "PO-5"]
    assert hub.stock("PAPER") == (7, 0)


def test_an_order_typed_by_hand_meets_the_same_validator_is_made_once_and_can_be_cancelled(hub: Hub) -> None:
    """Fails where typed orders are judged by other rules, a repeated call makes another order, or nobody can cancel."""
    warehouse = hub.warehouse(ships=False)
    channel = hub.typed_channel("Phone", warehouse)
    hub.call("POST", "/v1/skus", {"sku": "TYPED"})
    hub.count("TYPED", 5)
    fields = ("currency=EUR", "name=Test Person", "street1=1 Example Street", "city=Sampletown", "country=IE")
    given = [word for field in fields for word in ("--set", field)]
    create = ("order", "create", "--channel", "Phone", "--set", "order_number=TEL-1", *given)
    refused = hub.crossdock(*create, "--line", "TYPED:0", code=1)
    assert "quantity" in refused
    for _ in range(2):
        hub.crossdock(*create, "--line", "TYPED:2:19.90", "--key", "call-1")
    assert [one["number"] for one in hub.get("/v1/orders", channel=channel)["orders"]] == ["TEL-1"]
    hub.ends(channel, "TEL-1", "outstanding")
    warehouse.takes("TEL-1")
    assert warehouse.units("TEL-1") == [{"TYPED": 2}]
    assert "TEL-1" in hub.crossdock(*create, "--line", "TYPED:1", code=1), "the number is there already"

    hub.crossdock("order", "cancel", "TEL-1")
    hub.ends(channel, "TEL-1", "cancelled")
    assert [one["state"] for one in warehouse.asked("TEL-1")] == ["cancelled"]
    assert hub.stock("TYPED") == (5, 0)
