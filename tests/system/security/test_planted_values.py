"""What customers write and what opens doors shows nowhere: not in a log, an error, a public event, a reason, a metric.

Each value is planted with a mark of its own, through orders, notices, malformed payloads and every error path that a
caller can reach; then everything that was said is searched for the marks. Marks that must be found in the same places
show that the search finds what is there.

Seen to fail: while errors quoted the kind of a channel and the number of an order that were asked for. It would fail
with the text of errors in the log, and with a destination's reason told as it stands.
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from crossdock.cli.stack import SERVICES
from crossdock.contracts.base import utc_now
from crossdock.storage.roles import roles_of
from crossdock.testing.forgeries import sign_as_shopify, sign_as_standard_webhooks
from crossdock.testing.waiting import eventually

pytestmark = pytest.mark.timeout(400)

PERSONAL = {
    "name": "Plantedname", "last": "Plantedlast", "company": "Plantedcompany", "street": "Plantedstreet",
    "street2": "Plantedfloor", "city": "Plantedcity", "postcode": "PL4NT3D", "email": "planted.mail@example.com",
    "phone": "+15550133777", "note": "Plantednote", "attribute": "Plantedattribute", "property": "Plantedproperty",
    "address": "198.51.100.77", "billing": "Plantedbilling", "gift": "Plantedgift",
}  # fmt: skip
MALFORMED, ASKED, OPENED = "Plantedmalformed", "Plantedquery", "Plantedsecret"

ADDRESS = {
    "first_name": PERSONAL["name"], "last_name": PERSONAL["last"], "name": f"{PERSONAL['name']} {PERSONAL['last']}",
    "company": PERSONAL["company"], "address1": f"1 {PERSONAL['street']}", "address2": PERSONAL["street2"],
    "city": PERSONAL["city"], "zip": PERSONAL["postcode"], "phone": PERSONAL["phone"], "country_code": "US",
    "country": "United States", "province": "New York", "province_code": "NY",
}  # fmt: skip


def order(sku: str, **more: Any) -> dict[str, Any]:
    """An order full of personal data."""
    line = {"sku": sku, "quantity": 1, "properties": {"Engraving": PERSONAL["property"]}}
    return {
        "lines": [line],
        "email": PERSONAL["email"],
        "phone": PERSONAL["phone"],
        "note": f"For {PERSONAL['name']}: {PERSONAL['note']}",
        "note_attributes": {"Gift message": f"{PERSONAL['attribute']} {PERSONAL['gift']}"},
        "customer": {"first_name": PERSONAL["name"], "last_name": PERSONAL["last"], "email": PERSONAL["email"]},
        "shipping_address": ADDRESS,
        "billing_address": ADDRESS | {"company": PERSONAL["billing"]},
    } | more


def broken(payload: dict[str, Any]) -> Iterator[Any]:
    """The payload with a mark where something else belongs, one place after another."""
    wrong: list[Any] = [MALFORMED, [MALFORMED], {"value": MALFORMED}, f"{MALFORMED}\u0000", 10**400]
    for name in payload:
        yield payload | {name: wrong[len(name) % len(wrong)]}
    for name in payload["line_items"][0]:
        yield payload | {"line_items": [payload["line_items"][0] | {name: MALFORMED}]}
    for name in payload["shipping_address"]:
        yield payload | {"shipping_address": payload["shipping_address"] | {name: {"deep": [MALFORMED]}}}
    yield [MALFORMED]
    yield MALFORMED


def sell_everything(guarded: Any) -> list[dict[str, Any]]:
    """Orders that ship, that nobody can match, that lack stock, that are cancelled, and that the warehouse rejects."""
    market = guarded.market
    shop = f"/shopify/{market.shop}/orders"
    made = [market.control("POST", shop, order("SHIRT-M")) for _ in range(3)]
    made.append(market.control("POST", shop, order("SHIRT-M") | {"lines": [{"title": "Odd", "custom": True}]}))
    short = order("MUG-BLUE")
    short["lines"][0]["quantity"] = 100_000
    made.append(market.control("POST", shop, short))
    cancelled = market.control("POST", shop, order("SHIRT-M"))
    market.control("POST", f"{shop}/{cancelled['id']}/cancel", {})
    reason = f"{PERSONAL['name']} {PERSONAL['last']} in {PERSONAL['city']} ({PERSONAL['phone']}) cannot be reached"
    warehouse = f"/3pl/accounts/{market.account}/behaviour"
    with guarded.client as hub:
        eventually(lambda: all(status_of(hub, one) == "shipped" for one in made[:3]))
        market.control("POST", warehouse, {"behaviour": {"reject": reason}})
        made.append(market.control("POST", shop, order("SHIRT-M")))
        eventually(lambda: status_of(hub, made[-1]) == "on_hold")
    market.control("POST", warehouse, {"behaviour": {"reject": None}})
    return made


def status_of(hub: Any, made: dict[str, Any]) -> str:
    found = hub.get("/v1/orders", params={"number": made["name"]}).json()["orders"]
    return str(found[0]["status"]) if found else ""


def deliver(guarded: Any, topic: str, raw: bytes, **other: str) -> None:
    """One signed webhook of the store, with other headers where they are given."""
    market = guarded.market
    headers = sign_as_shopify(raw, market.secrets[0].encode(), utc_now())
    headers |= {"x-shopify-topic": topic, "x-shopify-webhook-id": str(uuid4()), "x-shopify-shop-domain": market.shop}
    with guarded.client as hub:
        hub.post("/webhooks/shopify", content=raw, headers=headers | other)


def send_nonsense(guarded: Any, payload: dict[str, Any]) -> None:
    """Webhooks that are signed and cannot be read, and some that are not signed."""
    for topic in ("orders/create", "orders/updated", "orders/cancelled", "refunds/create", "customers/redact"):
        for number, body in enumerate(broken(payload)):
            if topic == "customers/redact" and isinstance(body, dict) and isinstance(body.get("customer"), dict):
                continue  # names somebody after all, who would be redacted
            if topic == "orders/create" or number % 7 == 0:
                deliver(guarded, topic, json.dumps(body).encode())
    for raw in (f'{{"id": "{MALFORMED}", '.encode(), MALFORMED.encode(), b"\xff\xfe" + MALFORMED.encode()):
        deliver(guarded, "orders/create", raw)
    raw = json.dumps(payload).encode()
    deliver(guarded, "orders/create", raw, **{"x-shopify-hmac-sha256": OPENED})
    deliver(guarded, "orders/create", raw, **{"x-shopify-shop-domain": f"{ASKED}.example"})
    with guarded.client as hub:
        [warehouse] = [one for one in hub.get("/v1/channels").json() if one["kind"] == "generic"]
        for notice in ({"type": "shipment.dispatched", "packages": MALFORMED}, {"type": MALFORMED}, [MALFORMED]):
            raw = json.dumps(notice).encode()
            headers = sign_as_standard_webhooks(raw, guarded.market.secrets[2].encode(), utc_now())
            hub.post(warehouse["webhook_path"], content=raw, headers=headers)
            hub.post(warehouse["webhook_path"], content=raw, headers=headers | {"webhook-signature": f"v1,{OPENED}"})


def ask_wrongly(guarded: Any) -> None:
    """Calls of the API that are refused, with marks in the path, the query, the headers and the body."""
    channel = {"kind": "shopify", "name": "Other", "shop": "other.myshopify.com"}
    wrong_channels: list[dict[str, Any]] = [
        {"secrets": {"access_token": [OPENED]}},
        {"secrets": {"access_token": OPENED + "\u0000"}},
        {"settings": {"note": OPENED + "\u0000"}},
        {"settings": {"password": OPENED}},
        {"settings": OPENED},
        {"shop": f"{OPENED}.example"},
        {"base_url": f"https://user:{OPENED}@example.com"},
        {"kind": OPENED},
        {"mode": OPENED},
    ]
    with guarded.client as hub:
        for wrong in wrong_channels:
            assert hub.post("/v1/channels", json=channel | wrong).status_code == 422
        for headers in ({"authorization": f"Bearer {OPENED}"}, {"authorization": f"Basic {OPENED}"}):
            assert hub.get("/v1/orders", headers=headers).status_code == 401
        for path in ("orders", "orders/{}/recipient", "orders/{}/match", "stock/{}/ledger", "reservations/{}", "{}"):
            hub.get(f"/v1/{path.format(ASKED)}", params={"number": ASKED * 20, "limit": ASKED, "order_id": ASKED})
            hub.get(f"/v1/{path.format(PERSONAL['email'])}", params={"status": PERSONAL["name"]})
        hub.put(f"/v1/stock/{ASKED}", json={"on_hand": ASKED})
        hub.put("/v1/stock/SHIRT-M", json={"on_hand": 1, "as_of": ASKED})
        hub.post("/v1/skus", json={"sku": ASKED + "\u0001", "title": [ASKED]})
        hub.post(f"/v1/orders/{ASKED}/retry")
        hub.post("/v1/skus", content=f'{{"sku": "{ASKED}'.encode(), headers={"content-type": "application/json"})
        hub.post(f"/v1/write-backs/{ASKED}/decide", json={"decision": ASKED})
        for service in SERVICES:
            for one in hub.get(f"/v1/services/{service}/parked").json()[:3]:
                path = f"/v1/services/{service}/parked/{one['id']}"
                hub.put(f"{path}/body", json={"body": [MALFORMED]})
                hub.post(f"{path}/replay")


def secrets_of(guarded: Any) -> dict[str, str]:
    """Everything that opens a door of this installation."""
    stack = guarded.system.stack
    names = ["api key", "service key", "sealing key"]
    owned = [roles_of(stack.database, service) for service in SERVICES]
    names += [f"role {role}" for both in owned for role in (both.owner, both.runtime)]
    found = {name: stack.secret(name) for name in names}
    return found | {f"of the market {n}": secret for n, secret in enumerate(guarded.market.secrets)}


def why_parked(guarded: Any) -> tuple[list[dict[str, Any]], str]:
    """Every parked message, and all that is told of them beside their own bodies and headers."""
    with guarded.client as hub:
        listed = [(name, one) for name in SERVICES for one in hub.get(f"/v1/services/{name}/parked").json()]
        whole = [hub.get(f"/v1/services/{name}/parked/{one['id']}").json() for name, one in listed]
    told = [{key: value for key, value in one.items() if key not in ("body", "headers")} for one in whole]
    return whole, json.dumps(told)


@pytest.fixture(scope="session")
def places(guarded: Any) -> dict[str, str]:
    """Everything that was said anywhere, after everything went right and wrong that can."""
    made = sell_everything(guarded)
    send_nonsense(guarded, made[0])
    with guarded.client as hub:
        eventually(lambda: hub.get("/v1/services/order-ingest/parked").json())
        ask_wrongly(guarded)
        orders = [hub.get(f"/v1/orders/{one['name'].lstrip('#')}").text for one in made]
        orders += [hub.get("/v1/orders").text, hub.get("/v1/status").text]
    eventually(lambda: "shipment.dispatched" in guarded.subscriber.text())
    return {
        "the logs": guarded.logs(),
        "the API's errors": "\n".join(guarded.errors),
        "the public events": guarded.subscriber.text(),
        "the reasons of parked messages": why_parked(guarded)[1],
        "the metrics": guarded.metrics(),
        "the orders as operators see them": "\n".join(orders),
    }


def test_nothing_personal_shows_anywhere(places: dict[str, str]) -> None:
    marks = [*PERSONAL.values(), MALFORMED, ASKED]
    found = [f"{mark} in {place}" for place, said in places.items() for mark in marks if mark.lower() in said.lower()]
    assert found == []


def test_nothing_that_opens_a_door_shows_anywhere(guarded: Any, places: dict[str, str]) -> None:
    marks = secrets_of(guarded) | {"a planted secret": OPENED}
    found = [f"{name} in {place}" for place, said in places.items() for name, mark in marks.items() if mark in said]
    assert found == []


def test_the_search_finds_what_is_there(guarded: Any, places: dict[str, str]) -> None:
    """What must be found, so that a search of nothing cannot pass; and the personal data where it belongs."""
    with guarded.client as hub:
        channels = {one["kind"]: one["id"] for one in hub.get("/v1/channels").json()}
        order_id = hub.get("/v1/orders").json()["orders"][-1]["order_id"]
        recipient = hub.get(f"/v1/orders/{order_id}/recipient").text
    assert channels["shopify"] in places["the logs"]
    assert all(f'"service":"{name}"' in places["the logs"] for name in SERVICES)
    assert "limit: int parsing" in places["the API's errors"]
    assert "SHIRT-M" in places["the public events"]
    assert "fulfillment.rejected.v1" in places["the public events"]
    assert "order-ingest" in places["the reasons of parked messages"]
    assert "webhook_refused_total" in places["the metrics"]
    assert "MUG-BLUE" in places["the orders as operators see them"]
    assert PERSONAL["street"] in recipient
    bodies = [b64decode(json.loads(one["body"])["body"]) for one in why_parked(guarded)[0]]
    assert any(MALFORMED.encode() in body for body in bodies)
