"""Fulfillment's HTTP API: what an operator sees of an order, and what a person decides."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from crossdock.contracts.fulfillment import FulfillmentAccepted, FulfillmentRejected, TrackingWritten
from crossdock.service import errors, tokens
from crossdock.testing.bench import event_of
from fulfillment import api

ORDER = UUID(int=1)


@pytest.fixture
async def http(hub: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors.install(app)
    app.include_router(api.router(hub.context))
    token = tokens.issue("k" * 32, issuer="gateway", audience="fulfillment")
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", headers=headers) as client:
        yield client


async def doubtful(hub: Any) -> dict[str, Any]:
    """A request whose reply was lost."""
    hub.sandbox.control("3pl/accounts/depot/faults", {"endpoint": "submit", "kind": "lose_reply"})
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    [write] = await hub.writes()
    found: dict[str, Any] = write
    return found


async def test_nobody_is_let_in_without_a_token_of_a_service(http: httpx.AsyncClient) -> None:
    reply = await http.get("/requests", params={"order_id": str(ORDER)}, headers={"authorization": "Bearer nonsense"})
    assert reply.status_code == 401


async def test_an_orders_desk_shows_requests_shipments_and_writes_without_personal_data(
    hub: Any, http: httpx.AsyncClient
) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    package = {
        "package_ref": "P1",
        "carrier": "DHL",
        "tracking_number": "T1",
        "lines": [{"line_id": "SHIRT", "sku": "SHIRT", "quantity": 1}],
    }
    await hub.notice("shipment.dispatched", 1, shipment_id="S1", packages=[package])
    reply = await http.get(f"/orders/{ORDER}/fulfillment")
    desk = reply.json()
    assert [(one["fate"], one["destination"], one["lines"]) for one in desk["requests"]] == [
        ("accepted", "Depot", {"SHIRT": 2})
    ]
    assert desk["shipments"][0]["packages"][0]["tracking_number"] == "T1"
    assert [(one["kind"], one["state"]) for one in desk["write_backs"]] == [("submit", "done"), ("tracking", "pending")]
    assert "Test Person" not in reply.text
    assert (await http.get("/requests", params={"order_id": str(ORDER)})).json() == desk["requests"]


async def test_an_order_says_what_its_request_waits_for(hub: Any, http: httpx.AsyncClient) -> None:
    await hub.bench.handle("follow_orders", [hub.state(1, 1, {"SHIRT": 1})])
    desk = (await http.get(f"/orders/{ORDER}/fulfillment")).json()
    assert desk["waits_for"] == "its stock to be reserved"


async def test_an_unknown_order_is_told_in_one_sentence(http: httpx.AsyncClient) -> None:
    reply = await http.get(f"/orders/{ORDER}/fulfillment")
    assert reply.status_code == 404
    assert reply.json()["message"] == f"There is no order {ORDER}."


async def test_writes_in_doubt_are_listed_with_their_evidence(hub: Any, http: httpx.AsyncClient) -> None:
    await doubtful(hub)
    [write] = (await http.get("/write-backs", params={"state": "in_doubt"})).json()
    assert write["channel"] == "Depot"
    assert "may have happened" in write["evidence"][0]["note"]
    after = await http.get("/write-backs", params={"state": "in_doubt", "after": write["id"]})
    assert after.json() == []


async def test_a_person_who_saw_it_done_says_so_and_nothing_is_sent(hub: Any, http: httpx.AsyncClient) -> None:
    write = await doubtful(hub)
    reply = await http.post(f"/write-backs/{write['id']}/decide", json={"decision": "done", "external_id": "REQ-9"})
    assert reply.json()["state"] == "done"
    said = event_of(hub.bench.published[-1])
    assert isinstance(said, FulfillmentAccepted)
    assert said.evidence == "a person found that it had happened"
    assert await hub.dispatch() == []
    assert len(hub.requests()) == 1


async def test_a_person_who_saw_it_not_done_has_it_sent_again(hub: Any, http: httpx.AsyncClient) -> None:
    write = await doubtful(hub)
    await http.post(f"/write-backs/{write['id']}/decide", json={"decision": "retry"})
    assert [type(event) for event in await hub.dispatch()] == [FulfillmentAccepted]
    assert len(hub.requests()) == 2  # the person was wrong: that is what the look is for


async def test_a_request_given_up_waits_for_an_answer_like_a_rejection(hub: Any, http: httpx.AsyncClient) -> None:
    write = await doubtful(hub)
    await http.post(f"/write-backs/{write['id']}/decide", json={"decision": "give_up"})
    assert isinstance(event_of(hub.bench.published[-1]), FulfillmentRejected)


async def test_what_is_done_cannot_be_decided_again(hub: Any, http: httpx.AsyncClient) -> None:
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    [write] = await hub.writes()
    reply = await http.post(f"/write-backs/{write['id']}/decide", json={"decision": "retry"})
    assert (reply.status_code, reply.json()["code"]) == (409, "nothing_to_decide")
    unknown = await http.post(f"/write-backs/{ORDER}/decide", json={"decision": "retry"})
    assert unknown.status_code == 404


async def test_only_the_destination_can_say_what_a_cancellation_stopped(hub: Any, http: httpx.AsyncClient) -> None:
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    hub.sandbox.control("3pl/accounts/depot/faults", {"endpoint": "cancel", "kind": "lose_reply"})
    await hub.cancel(1)
    await hub.dispatch()
    [write] = await hub.writes("cancel")
    reply = await http.post(f"/write-backs/{write['id']}/decide", json={"decision": "done"})
    assert (reply.status_code, reply.json()["code"]) == (422, "quantities_unknown")


async def test_tracking_that_failed_can_be_settled_by_a_person(hub: Any, http: httpx.AsyncClient) -> None:
    hub.sandbox.product("SHIRT", webhooks=[])
    made = hub.sandbox.order({"sku": "SHIRT", "quantity": 1, "price": "10.00"}, webhooks=[], financial_status="PAID")
    line = str(made["line_items"][0]["id"])
    await hub.order(1, external_id="1", skus={line: "SHIRT"}, **{line: 1})  # the store knows no order 1
    await hub.dispatch()
    packed = [{"line_id": line, "sku": "SHIRT", "quantity": 1}]
    package = {"package_ref": "P1", "tracking_number": "T1", "lines": packed}
    await hub.notice("shipment.dispatched", 1, shipment_id="S1", packages=[package])
    await hub.dispatch()
    [failed] = (await http.get("/write-backs", params={"state": "failed"})).json()
    assert "does not know the order" in failed["reason"]
    await http.post(f"/write-backs/{failed['id']}/decide", json={"decision": "done", "external_id": "F1"})
    assert isinstance(event_of(hub.bench.published[-1]), TrackingWritten)
