"""The 3PL: requests, shipments in packages and parts, cancellations, voids, and replies that get lost."""

import base64
import json
from typing import Any

import httpx
import pytest

from sandbox.testing import Receiver, Sandbox

SECRET = "whsec_" + base64.b64encode(b"a secret of the 3PL").decode()
BEARER = {"Authorization": "Bearer 3pl-token"}


class Warehouse:
    """An account and its client."""

    def __init__(self, sandbox: Sandbox, receiver: Receiver) -> None:
        self.sandbox, self.receiver = sandbox, receiver
        account = {"name": "main", "token": "3pl-token", "secret": SECRET, "callback_url": receiver.url}
        sandbox.control("3pl/accounts", account)
        self.behave(ship_after=None)

    def behave(self, match: str = "*", **behaviour: Any) -> None:
        self.sandbox.control("3pl/accounts/main/behaviour", {"match": match, "behaviour": behaviour})

    def fault(self, **given: Any) -> None:
        self.sandbox.control("3pl/accounts/main/faults", given)

    def submit(self, reference: str = "REF-1", key: str | None = None, through: httpx.Client | None = None) -> Any:
        lines = [{"line_id": "1", "sku": "SHIRT-M", "quantity": 3}, {"line_id": "2", "sku": "HAT", "quantity": 1}]
        body = {"reference": reference, "order_number": "#1001", "recipient": {"name": "Test Person"}, "lines": lines}
        client = through or self.sandbox.http
        reply = client.post("/3pl/v1/requests", json=body, headers=BEARER | ({"Idempotency-Key": key} if key else {}))
        assert reply.status_code == 201, reply.text
        return reply.json()

    def find(self, reference: str = "REF-1") -> list[Any]:
        found = self.sandbox.http.get(f"/3pl/v1/requests?reference={reference}", headers=BEARER).json()
        return list(found["requests"])

    def cancel(self, number: str) -> httpx.Response:
        return self.sandbox.http.post(f"/3pl/v1/requests/{number}/cancel", headers=BEARER)

    def notices(self) -> list[Any]:
        self.sandbox.settle()
        return [json.loads(one.body) for one in self.receiver.received]


@pytest.fixture
def warehouse(sandbox: Sandbox, receiver: Receiver) -> Warehouse:
    return Warehouse(sandbox, receiver)


def test_a_wrong_bearer_token_is_refused(warehouse: Warehouse) -> None:
    reply = warehouse.sandbox.http.get("/3pl/v1/requests", headers={"Authorization": "Bearer other"})
    assert reply.status_code == 401


def test_the_same_reference_twice_makes_two_requests_and_the_lookup_finds_both(warehouse: Warehouse) -> None:
    made = [warehouse.submit()["id"] for _ in range(2)]
    assert [one["id"] for one in warehouse.find()] == made
    assert warehouse.find("REF-2") == []


def test_an_idempotency_key_counts_only_where_the_account_allows_it(warehouse: Warehouse) -> None:
    assert warehouse.submit(key="k")["id"] != warehouse.submit(key="k")["id"]
    warehouse.sandbox.control("3pl/accounts/main", {"idempotency": True}, "PATCH")
    assert warehouse.submit(key="k2")["id"] == warehouse.submit(key="k2")["id"]


def test_a_request_is_rejected_at_once_or_later(warehouse: Warehouse) -> None:
    warehouse.behave("REF-NOW", reject="Unknown SKU")
    warehouse.behave("REF-LATER", reject="Bad address", reject_after=0.02)
    assert warehouse.submit("REF-NOW") | {"state": "rejected", "reason": "Unknown SKU"} == warehouse.find("REF-NOW")[0]
    assert warehouse.submit("REF-LATER")["state"] == "accepted"
    (notice,) = warehouse.notices()
    assert (notice["type"], notice["reference"], notice["reason"]) == ("request.rejected", "REF-LATER", "Bad address")


def test_it_ships_in_parts_as_told_and_leaves_the_rest(warehouse: Warehouse) -> None:
    steps = [
        {"after": 0.01, "packages": [[{"sku": "SHIRT-M", "quantity": 1}], [{"sku": "SHIRT-M", "quantity": 1}]]},
        {"after": 0.05, "packages": [[{"sku": "HAT", "quantity": 1}]]},
    ]
    warehouse.behave("#1001", steps=steps)
    warehouse.submit()
    notices = warehouse.notices()
    assert [len(one["packages"]) for one in notices] == [2, 1]
    numbers = [package["tracking_number"] for one in notices for package in one["packages"]]
    assert len(set(numbers)) == 3
    assert [(line["shipped"], line["quantity"]) for line in warehouse.find()[0]["lines"]] == [(2, 3), (1, 1)]


def test_what_has_not_left_is_cancelled(warehouse: Warehouse) -> None:
    number = warehouse.submit()["id"]
    warehouse.sandbox.control("3pl/requests/REF-1/ship", {"packages": [[{"sku": "SHIRT-M", "quantity": 2}]]})
    reply = warehouse.cancel(number)
    assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")
    assert {one["line_id"]: one["quantity"] for one in reply.json()["cancelled"]} == {"1": 1, "2": 1}
    assert warehouse.cancel(number).json()["cancelled"] == reply.json()["cancelled"]
    late = warehouse.sandbox.http.post("/_control/3pl/requests/REF-1/ship")
    assert late.status_code == 409


def test_a_cancellation_is_refused_when_told_or_when_all_has_left(warehouse: Warehouse) -> None:
    warehouse.behave("REF-1", refuse_cancellation="Already on the packing table")
    reply = warehouse.cancel(warehouse.submit()["id"])
    assert (reply.status_code, reply.json()["state"]) == (409, "refused")
    assert reply.json()["reason"] == "Already on the packing table"
    number = warehouse.submit("REF-2")["id"]
    warehouse.sandbox.control("3pl/requests/REF-2/ship")
    assert warehouse.cancel(number).json()["reason"] == "Everything has left the warehouse."


def test_a_voided_shipment_is_shipped_again_or_cancelled(warehouse: Warehouse) -> None:
    warehouse.submit()
    warehouse.sandbox.control("3pl/requests/1001/ship")
    warehouse.behave(ship_after=0.01)
    warehouse.sandbox.control("3pl/requests/1001/void", {"reship": True})
    kinds = [(one["type"], one.get("reship")) for one in warehouse.notices()]
    assert sorted(kinds, key=str) == [
        ("shipment.dispatched", None),
        ("shipment.dispatched", None),
        ("shipment.voided", True),
    ]
    warehouse.sandbox.control("3pl/requests/1001/void", {"reship": False})
    assert [(line["shipped"], line["cancelled"]) for line in warehouse.find()[0]["lines"]] == [(0, 3), (0, 1)]


def test_delivery_and_the_warehouses_own_cancellation_are_told(warehouse: Warehouse) -> None:
    warehouse.submit()
    warehouse.sandbox.control("3pl/requests/1001/ship", {"packages": [[{"line_id": "1", "quantity": 3}]]})
    warehouse.sandbox.settle()
    warehouse.sandbox.control("3pl/requests/1001/deliver")
    warehouse.sandbox.settle()
    warehouse.sandbox.control("3pl/requests/1001/cancel", {"reason": "Lost"})
    notices = warehouse.notices()
    assert [one["type"] for one in notices] == ["shipment.dispatched", "shipment.delivered", "request.cancelled"]
    assert {one["line_id"]: one["quantity"] for one in notices[2]["cancelled"]} == {"1": 0, "2": 1}


@pytest.mark.parametrize("endpoint", ["submit", "cancel"])
def test_a_lost_reply_really_acted(warehouse: Warehouse, endpoint: str) -> None:
    number = warehouse.submit("REF-0")["id"]
    warehouse.fault(endpoint=endpoint, kind="lose_reply", match="REF-*")
    with pytest.raises(httpx.RemoteProtocolError):
        warehouse.submit("REF-1") if endpoint == "submit" else warehouse.cancel(number)
    if endpoint == "submit":
        assert len(warehouse.find("REF-1")) == 1
    else:
        assert warehouse.find("REF-0")[0]["state"] == "cancelled"


def test_a_request_may_arrive_after_the_caller_gave_up(warehouse: Warehouse) -> None:
    warehouse.fault(endpoint="submit", kind="act_late", seconds=0.3)
    url = warehouse.sandbox.url
    with httpx.Client(base_url=url, timeout=0.1) as hasty, pytest.raises(httpx.ReadTimeout):
        warehouse.submit("REF-1", through=hasty)
    assert warehouse.find() == []
    warehouse.sandbox.settle()
    assert len(warehouse.find()) == 1


def test_an_error_before_acting_did_nothing(warehouse: Warehouse) -> None:
    warehouse.fault(endpoint="submit", kind="error_500")
    with pytest.raises(AssertionError, match="internal"):
        warehouse.submit()
    assert warehouse.find() == []
    assert warehouse.submit()["state"] == "accepted"


def test_notices_may_come_twice_with_one_id(warehouse: Warehouse) -> None:
    warehouse.submit()
    warehouse.sandbox.control("misbehaviour/3pl:main", {"duplicate_next": 1}, "PUT")
    warehouse.sandbox.control("3pl/requests/1001/ship")
    first, second = warehouse.notices()
    assert first == second
    assert len({one.headers["webhook-id"] for one in warehouse.receiver.received}) == 1


def test_a_retried_notice_is_stamped_anew(warehouse: Warehouse) -> None:
    warehouse.receiver.reply = lambda count: 503 if count == 0 else 200
    warehouse.submit()
    warehouse.sandbox.control("clock", {"speed": 50})
    warehouse.sandbox.control("3pl/requests/1001/ship")
    warehouse.notices()
    first, second = warehouse.receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
