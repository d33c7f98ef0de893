"""A redaction reaches every copy in every service, its report says so, and nothing that comes again brings it back.

The net (`crossdock.testing.planted.forms_of`) looks into every column of every table of every schema.
"""

import json
import time
from typing import Any

import pytest

from crossdock.testing.planted import forms_of
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLANTED = ("Zoe Plantedperson", "zoe.plantedperson@example.com", "77 Plantedlane", "555 010 4477", "a planted wish")
TABLES = """
    SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema IN ('gateway', 'order_ingest', 'sku_matcher', 'inventory', 'fulfillment')
      AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version' AND table_name NOT LIKE 'inbox%'
"""


def caught(world: World) -> set[str]:
    """The tables that hold a planted value in any form."""
    forms = [form for value in PLANTED for form in forms_of(value)]
    found = set()
    for (table,) in world.sql(TABLES):
        rows = world.sql(f"SELECT lower(to_jsonb(t)::text) FROM {table} AS t")
        if any(form in row[0] for row in rows for form in forms):
            found.add(table)
    return found


def of_planted(payload: dict[str, Any]) -> dict[str, Any]:
    """The order as somebody places it whose data is planted everywhere."""
    name, email, street, phone, wish = PLANTED
    customer = {"id": 991_100_417, "email": email, "phone": phone, "first_name": name}
    address = {"name": name, "address1": street, "phone": phone, "city": "Sampletown", "zip": "00000"}
    return payload | {
        "email": email,
        "note": wish,
        "customer": customer,
        "shipping_address": address | {"country_code": "US"},
        "billing_address": address,
    }


def settled(world: World, request: str) -> dict[str, Any]:
    """A request about people, once every service has reported."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        shown: dict[str, Any] = world.market.call("GET", f"/v1/privacy/requests/{request}")
        if shown["state"] == "done":
            return shown
        time.sleep(0.3)
    raise AssertionError(f"the redaction was not done: {shown}")


def test_a_redaction_reaches_every_copy_and_nothing_brings_it_back(world: World) -> None:
    market = world.market
    [sold] = world.prepare(1)
    # Newer than what the store itself would say when it is asked: it knows nothing of what was planted.
    order = of_planted(json.loads(sold.body)) | {"updated_at": "2030-01-01T00:00:00Z"}
    market.post("orders/create", order)
    unreadable = [line | {"quantity": "many"} for line in order["line_items"]]
    market.post("orders/updated", order | {"line_items": unreadable})

    def is_known() -> bool:
        return "fulfillment.recipient" in caught(world) and "order_ingest.parked_message" in caught(world)

    world.wait_for(is_known, "the order did not come to fulfillment")
    held = caught(world)
    world.say(f"planted values stand in {', '.join(sorted(held))}")
    assert held >= {"order_ingest.recipient", "gateway.delivery_body", "fulfillment.recipient"}

    customer = {"id": 991_100_417, "email": PLANTED[1], "phone": PLANTED[3]}
    market.post("customers/redact", {"customer": customer, "orders_to_redact": [order["id"]]})

    def is_asked() -> bool:
        return bool(market.call("GET", "/v1/privacy/requests?limit=1")["requests"])

    world.wait_for(is_asked, "the request did not come")
    [request] = market.call("GET", "/v1/privacy/requests?limit=1")["requests"]
    report = settled(world, request["request_id"])
    world.say(json.dumps(report["services"]))
    assert report["remaining"] == {"orders": 1, "not_redacted": 0, "recipients": 0}
    assert report["services"]["gateway"]["removed"]["deliveries"] >= 3
    world.wait_for(lambda: caught(world) == set(), f"planted values are left in {caught(world)}")

    market.post("orders/updated", order)
    market.post("orders/updated", order | {"updated_at": "2031-01-01T00:00:00Z"})
    world.wait_for(lambda: caught(world) == set(), "a webhook that came again brought somebody back", 20)
    time.sleep(8)
    assert caught(world) == set()
    world.discard_parked("order-ingest")
