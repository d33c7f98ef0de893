"""The hub as a fulfillment service of a store: what the merchant requests is accepted and shipped, what is called back
is given back or refused, and a notification that is lost is found by the poll.

Each outcome is read from the store and the warehouse, not from the hub alone.
"""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCOPES = ["read_orders", "read_products", "read_customers", "read_locations", "write_fulfillments",
          "write_merchant_managed_fulfillment_orders", "write_assigned_fulfillment_orders"]  # fmt: skip
NOTICE_PAUSE = 1.2
"""A minute of the sandbox, and a little: no second notification comes sooner."""


class Served:
    """The store with the hub as its fulfillment service."""

    def __init__(self, world: World, channel: str, location: str) -> None:
        self.world, self.market, self.channel, self._location = world, world.market, channel, location
        self.shop = f"/shopify/{world.market.shop}"

    def place(self, **behaviour: Any) -> str:
        """An order at the service's location, which the warehouse will treat so; its number."""
        line = {"sku": "SHIRT-M", "quantity": 2, "location": self._location}
        name = str(self.market.control("POST", f"{self.shop}/orders", {"lines": [line]})["name"])
        if behaviour:
            body = {"match": name, "behaviour": behaviour}
            self.market.control("POST", f"/3pl/accounts/{self.market.account}/behaviour", body)
        self.wait(name, "waiting")
        return name.lstrip("#")

    def ask(self, number: str, what: str) -> None:
        """The merchant requests the fulfillment, or that it stops."""
        time.sleep(NOTICE_PAUSE)
        self.market.control("POST", f"{self.shop}/orders/{number}/{what}")

    def work(self, number: str) -> dict[str, Any]:
        """The newest fulfillment order, as the store knows it."""
        shown = self.market.control("GET", f"{self.shop}/orders/{number}")
        return dict(shown["fulfillment_orders"][-1])

    def answered(self, number: str, request_status: str) -> dict[str, Any]:
        """Wait until the store has this answer; the newest answer."""
        otherwise = f"order {number}: the request did not become {request_status}"
        self.world.wait_for(lambda: self.work(number)["request_status"] == request_status, otherwise)
        return dict(self.work(number)["answers"][-1])

    def wait(self, number: str, *statuses: str) -> dict[str, Any]:
        """Wait until the hub says that an order stands so."""

        def stands() -> bool:
            reply = self.market._hub.get(f"/v1/orders/{number.lstrip('#')}")
            return bool(reply.is_success and reply.json()["status"] in statuses)

        self.world.wait_for(stands, f"order {number} did not become {' or '.join(statuses)}")
        return dict(self.market.call("GET", f"/v1/orders/{number.lstrip('#')}"))

    def asked_warehouse(self, number: str) -> list[dict[str, Any]]:
        return [one for one in self.market.requests() if one["order_number"].lstrip("#") == number]


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    market = world.market
    path = f"/shopify/{market.shop}"
    before = market.control("GET", path)["settings"]["scopes"]
    market.control("PATCH", path, {"settings": {"scopes": SCOPES}})
    with world.started_with("gateway", PUBLIC_URL=market.gateway_url):
        yield from registered(world)
    market.control("DELETE", f"{path}/subscriptions")
    market.control("PATCH", path, {"settings": {"scopes": before}})


def registered(world: World) -> Iterator[Served]:
    """The service, until nobody needs it any more."""
    market = world.market
    channel = next(one["id"] for one in market.call("GET", "/v1/channels") if one["name"] == "Store")
    # Another name each time: the location of a service that ended stays the merchant's, with its name.
    name = f"Crossdock {uuid4().hex[:6]}"
    market.call("POST", f"/v1/channels/{channel}/service", {"name": name})
    integrations = "/v1/services/order-ingest/integrations"

    def is_polled() -> bool:
        return any(one["kind"] == "requests" for one in market.call("GET", integrations)["integrations"])

    world.wait_for(is_polled, "the service's requests are not asked for")
    yield Served(world, channel, name)
    market.call("DELETE", f"/v1/channels/{channel}/service")
    market.call("PUT", f"/v1/channels/{channel}/policy", {})


def test_requests_are_answered_and_worked_on_and_called_back(served: Served) -> None:
    """Leave the answers out of fulfillment's dispatcher, and the store waits for ever; leave the settlement out of the
    decision, and what the warehouse keeps would be given back."""
    shipped = served.place()
    assert served.asked_warehouse(shipped) == []
    served.ask(shipped, "request")
    assert served.answered(shipped, "ACCEPTED")["answer"] == "accept"
    order = served.wait(shipped, "shipped", "delivered")
    served.world.wait_for(lambda: served.work(shipped)["status"] == "CLOSED", "the store does not know of the parcel")
    assert [one["state"] for one in order["channel_requests"]] == ["done"]
    story = " ".join(entry["sentence"] for entry in order["timeline"])
    assert "The store requests 2 units to be shipped" in story
    assert "The store was told: the request is accepted" in story

    given_back = served.place(ship_after=None)
    served.ask(given_back, "request")
    served.wait(given_back, "outstanding")
    served.ask(given_back, "request-cancellation")
    assert served.answered(given_back, "CANCELLATION_ACCEPTED")["answer"] == "accept_cancellation"
    served.wait(given_back, "cancelled")
    [request] = served.asked_warehouse(given_back)
    assert request["state"] == "cancelled"

    kept = served.place(ship_after=None, refuse_cancellation="it is packed")
    served.ask(kept, "request")
    served.wait(kept, "outstanding")
    served.ask(kept, "request-cancellation")
    refused = served.answered(kept, "CANCELLATION_REJECTED")
    assert refused["message"] == "2 of 2 units have left or can no longer be stopped"
    order = served.wait(kept, "outstanding")
    assert [line["wanted"] for line in order["lines"]] == [2]
    assert len(served.asked_warehouse(kept)) == 1


def test_a_request_whose_notification_is_lost_is_found_by_the_poll(served: Served) -> None:
    with served.world.started_with("order-ingest", POLL_SECONDS="4", POLL_GRACE_SECONDS="1"):
        number = served.place(ship_after=None)
        source = f"shopify:{served.market.shop}"
        served.market.control("PUT", f"/misbehaviour/{source}", {"drop_rate": 1.0})
        served.ask(number, "request")
        path = f"/deliveries?source={source}&topic=fulfillment_order_notification&state=dropped"
        assert served.market.control("GET", path)["count"] == 1
        served.market.control("PUT", f"/misbehaviour/{source}", {"drop_rate": 0.0})
        assert served.answered(number, "ACCEPTED")["answer"] == "accept"
        served.wait(number, "outstanding")
