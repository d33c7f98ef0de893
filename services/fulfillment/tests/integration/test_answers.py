"""Answers to a merchant's requests, given to a real store over HTTP: each request is answered once."""

from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.fulfillment import ChannelRequestAnswered, ChannelRequestFailed
from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.order_ingest import ChannelRequestDecided
from sandbox.testing import eventually

STORE = UUID(int=7)
SHOP = "one.example.com"
REGISTER = 'mutation { fulfillmentServiceCreate(name: "Hub") { userErrors { message } } }'
SCOPES = ["read_orders", "read_products", "write_fulfillments", "write_assigned_fulfillment_orders"]


class Asked:
    """An order of the store of which the merchant requested the fulfillment from our service."""

    def __init__(self, hub: Any, made: Any) -> None:
        self.hub, self.made = hub, made
        self.path = f"shopify/{SHOP}/orders/{made['id']}"

    def work(self) -> Any:
        return self.hub.sandbox.look(self.path)["fulfillment_orders"][0]

    def steer(self, what: str) -> None:
        self.hub.sandbox.control(f"{self.path}/{what}")

    def fault(self, field: str, kind: str) -> None:
        self.hub.sandbox.control(f"shopify/{SHOP}/faults", {"operation": field, "kind": kind})

    async def decide(self, answer: str, message: str = "", request: str = "") -> None:
        work = self.work()
        about = {"route_id": str(work["id"]), "request_id": request or str(work["requests"][-1]["id"])}
        event = {"order_id": UUID(int=1), "channel_id": STORE, "answer": answer, "message": message}
        await self.hub.bench.handle("answer_requests", [ChannelRequestDecided.model_validate(event | about)])


@pytest.fixture
async def asked(hub: Any) -> Asked:
    hub.sandbox.control(f"shopify/{SHOP}", {"settings": {"scopes": SCOPES}}, "PATCH")
    hub.sandbox.graphql(REGISTER)
    hub.sandbox.product("SHIRT", webhooks=[])
    made = hub.sandbox.order({"sku": "SHIRT", "quantity": 2, "location": "Hub"}, webhooks=[])
    found = Asked(hub, made)
    eventually(lambda: hub.sandbox.look(found.path)["fulfillment_orders"])
    found.steer("request")
    return found


async def test_an_answer_is_given_by_the_dispatcher_and_told(asked: Asked) -> None:
    await asked.decide("accept", "we ship it")
    assert asked.work()["answers"] == []
    [said] = await asked.hub.dispatch()
    assert (type(said), said.answer, said.adopted) == (ChannelRequestAnswered, "accept", False)
    assert asked.work()["answers"] == [{"answer": "accept", "message": "we ship it", "reason": ""}]
    assert asked.work()["request_status"] == "ACCEPTED"


async def test_an_answer_that_is_decided_again_is_given_once(asked: Asked) -> None:
    await asked.decide("accept")
    await asked.decide("accept")
    assert len(await asked.hub.dispatch()) == 1
    assert len(await asked.hub.writes("answer")) == 1


async def test_a_lost_reply_is_looked_for_and_adopted(asked: Asked) -> None:
    asked.fault("fulfillmentOrderAcceptFulfillmentRequest", "lose_reply")
    await asked.decide("accept")
    assert await asked.hub.dispatch() == []
    await asked.hub.pass_time()
    [said] = await asked.hub.look()
    assert (said.adopted, bool(said.evidence)) == (True, True)
    assert len(asked.work()["answers"]) == 1


async def test_a_failure_before_acting_is_looked_at_and_then_written(asked: Asked) -> None:
    asked.fault("fulfillmentOrderRejectFulfillmentRequest", "error_500")
    await asked.decide("reject", "It is a test order")
    await asked.hub.dispatch()
    await asked.hub.pass_time()
    assert await asked.hub.look() == []
    [said] = await asked.hub.dispatch()
    assert isinstance(said, ChannelRequestAnswered)
    assert asked.work()["answers"] == [{"answer": "reject", "message": "It is a test order", "reason": "OTHER"}]


async def test_an_answer_that_nobody_waits_for_any_more_is_not_given(asked: Asked) -> None:
    await asked.decide("accept")
    asked.steer("request-cancellation")
    [said] = await asked.hub.dispatch()
    assert (said.overtaken, "waits for no answer" in said.evidence) == (True, True)
    assert asked.work()["answers"] == []


async def test_what_the_store_refuses_is_told_with_its_reason(asked: Asked) -> None:
    asked.hub.sandbox.control(
        f"shopify/{SHOP}", {"settings": {"scopes": ["read_assigned_fulfillment_orders"]}}, "PATCH"
    )
    await asked.decide("accept")
    [said] = await asked.hub.dispatch()
    assert isinstance(said, ChannelRequestFailed)
    assert "lacks a scope" in said.reason


async def test_a_channel_that_observes_is_told_nothing(asked: Asked) -> None:
    observes = {"channel_id": STORE, "channel_version": 2, "kind": "shopify", "name": "Store", "mode": "observe"}
    await asked.hub.bench.handle("learn_channels", [ChannelConfigured.model_validate(observes)])
    await asked.decide("accept")
    assert await asked.hub.dispatch() == []
    assert asked.work()["answers"] == []
