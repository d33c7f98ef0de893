"""Against a real 3PL over HTTP: a request is asked for once, can be found again and stopped."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from crossdock.channels.errors import AuthExpired, Retryable, Unknown
from crossdock.channels.generic import connector
from crossdock.channels.protocols import ChannelAccess, RequestAnswer, RequestLine, ShipRequest
from sandbox.testing import Sandbox

REQUEST = ShipRequest(
    reference="0190-order:1",
    order_number="#1001",
    recipient={"address": {"name": "Test Person", "street": ["1 Example Street"]}, "note": "left of the gate"},
    lines=(RequestLine("L1", "SKU-A", 2, "Test Shirt"), RequestLine("L2", "SKU-B", 1)),
)


def behave(sandbox: Sandbox, **behaviour: object) -> None:
    sandbox.control("3pl/accounts/hub/behaviour", {"behaviour": behaviour})


def fault(sandbox: Sandbox, endpoint: str, kind: str) -> None:
    sandbox.control("3pl/accounts/hub/faults", {"endpoint": endpoint, "kind": kind})


async def test_a_request_is_accepted_and_carries_all_that_is_needed(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    answer = await connector.submit(warehouse, REQUEST)
    (held,) = sandbox.look("3pl/requests")["requests"]
    assert answer == RequestAnswer("accepted", held["id"])
    assert held["reference"] == "0190-order:1"
    assert held["note"] == "left of the gate"
    assert [(line["line_id"], line["sku"], line["quantity"]) for line in held["lines"]] == [
        ("L1", "SKU-A", 2),
        ("L2", "SKU-B", 1),
    ]


async def test_a_request_carries_what_the_buyer_was_promised(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    berlin = timezone(timedelta(hours=1))
    promised = replace(REQUEST, service="Express", ship_by=datetime(2026, 3, 1, 17, tzinfo=berlin))
    await connector.submit(warehouse, promised)
    (held,) = sandbox.look("3pl/requests")["requests"]
    assert [held[name] for name in ("service", "ship_by", "deliver_by")] == ["Express", "2026-03-01T16:00:00Z", None]


async def test_a_rejection_is_an_answer_with_its_reason(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    behave(sandbox, reject="No such SKU")
    answer = await connector.submit(warehouse, REQUEST)
    assert (answer.state, answer.reason) == ("rejected", "No such SKU")


async def test_a_lost_reply_is_unknown_and_the_reference_finds_the_request(
    sandbox: Sandbox, warehouse: ChannelAccess
) -> None:
    fault(sandbox, "submit", "lose_reply")
    with pytest.raises(Unknown):
        await connector.submit(warehouse, REQUEST)
    found = await connector.status(warehouse, REQUEST.reference)
    assert found is not None
    assert found.state == "accepted"
    assert found.external_id == sandbox.look("3pl/requests")["requests"][0]["id"]


async def test_a_server_error_is_unknown_and_the_reference_finds_nothing(
    sandbox: Sandbox, warehouse: ChannelAccess
) -> None:
    fault(sandbox, "submit", "error_500")
    with pytest.raises(Unknown):
        await connector.submit(warehouse, REQUEST)
    assert await connector.status(warehouse, REQUEST.reference) is None


async def test_two_requests_with_one_reference_are_told(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    await connector.submit(warehouse, REQUEST)
    await connector.submit(warehouse, REQUEST)
    found = await connector.status(warehouse, REQUEST.reference)
    assert found is not None
    assert "2 requests with this reference" in found.reason


async def test_a_cancellation_says_how_many_units_it_stopped(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    answer = await connector.submit(warehouse, REQUEST)
    sandbox.control(f"3pl/requests/{answer.external_id}/ship", {"packages": [[{"line_id": "L1", "quantity": 1}]]})
    stopped = await connector.cancel(warehouse, answer.external_id, REQUEST.reference)
    assert stopped.state == "cancelled"
    assert {line.line_id: line.quantity for line in stopped.cancelled} == {"L1": 1, "L2": 1}
    assert await connector.cancel(warehouse, answer.external_id, REQUEST.reference) == stopped
    status = await connector.status(warehouse, REQUEST.reference)
    assert status is not None
    assert (status.state, status.cancelled) == ("cancelled", stopped.cancelled)


async def test_a_refused_cancellation_is_an_answer_with_its_reason(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    behave(sandbox, refuse_cancellation="Already on the packing table")
    answer = await connector.submit(warehouse, REQUEST)
    refused = await connector.cancel(warehouse, answer.external_id, REQUEST.reference)
    assert (refused.state, refused.reason, refused.cancelled) == ("refused", "Already on the packing table", ())


async def test_a_cancellation_whose_reply_is_lost_is_unknown_and_its_outcome_can_be_read(
    sandbox: Sandbox, warehouse: ChannelAccess
) -> None:
    answer = await connector.submit(warehouse, REQUEST)
    fault(sandbox, "cancel", "lose_reply")
    with pytest.raises(Unknown):
        await connector.cancel(warehouse, answer.external_id, REQUEST.reference)
    status = await connector.status(warehouse, REQUEST.reference)
    assert status is not None
    assert status.state == "cancelled"
    assert sum(line.quantity for line in status.cancelled) == 3


async def test_a_wrong_token_is_told_apart(sandbox: Sandbox, warehouse: ChannelAccess) -> None:
    with pytest.raises(AuthExpired):
        await connector.submit(ChannelAccess(warehouse.base_url, "old", {}), REQUEST)


async def test_a_warehouse_that_cannot_be_reached_took_nothing(warehouse: ChannelAccess) -> None:
    with pytest.raises(Retryable):
        await connector.submit(ChannelAccess("http://127.0.0.1:9/3pl", "token", {}), REQUEST)
