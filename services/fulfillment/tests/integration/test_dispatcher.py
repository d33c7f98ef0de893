"""Requests to a real 3PL over HTTP: whatever goes wrong, it is asked once."""

import asyncio
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from crossdock.contracts.fulfillment import (
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    FulfillmentRejected,
    FulfillmentRequested,
)
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected
from crossdock.contracts.holds import HoldCode, hold
from crossdock.contracts.order_ingest import Address, Recipient, RecipientRecorded, RecipientRedacted
from crossdock.messaging import faults
from crossdock.messaging.transaction import transaction

DEPOT = UUID(int=8)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def kinds(events: list[Any]) -> list[Any]:
    return [type(event) for event in events]


def fault(hub: Any, endpoint: str, kind: str, **more: Any) -> None:
    hub.sandbox.control("3pl/accounts/depot/faults", {"endpoint": endpoint, "kind": kind} | more)


def behave(hub: Any, **behaviour: Any) -> None:
    hub.sandbox.control("3pl/accounts/depot/behaviour", {"match": "*", "behaviour": behaviour})


async def test_an_order_is_asked_for_over_http_and_taken(hub: Any) -> None:
    said = await hub.order(1, SHIRT=2, MUG=1)
    assert kinds(said) == [FulfillmentRequested]
    assert hub.requests() == []
    said = await hub.dispatch()
    assert said[0].destination == "Depot"
    assert kinds(said) == [FulfillmentAccepted]
    [request] = hub.requests()
    assert request["reference"] == f"{UUID(int=1)}:1"
    assert {line["sku"]: line["quantity"] for line in request["lines"]} == {"SHIRT": 2, "MUG": 1}
    assert request["recipient"]["name"] == "Test Person"
    [row] = await hub.bench.table("request")
    assert (row["fate"], row["external_id"]) == ("accepted", request["id"])


async def test_a_bundle_is_asked_for_by_its_components_though_its_first_content_was_never_seen(hub: Any) -> None:
    await hub.order(1, version=2, BOX=3, bundles={"BOX": {"MUG": 2, "TEA": 1}})
    await hub.dispatch()
    [request] = hub.requests()
    assert {line["sku"]: line["quantity"] for line in request["lines"]} == {"MUG": 6, "TEA": 3}


async def test_a_destination_is_told_what_the_buyer_was_promised(hub: Any) -> None:
    promised = {"service": "Express", "ship_by": NOON, "deliver_by": NOON + timedelta(days=2)}
    await hub.order(1, promised=promised, SHIRT=1)
    await hub.order(2, SHIRT=1)
    await hub.dispatch()
    told = [[one[name] for name in promised] for one in sorted(hub.requests(), key=itemgetter("reference"))]
    assert told == [["Express", "2026-03-01T12:00:00Z", "2026-03-03T12:00:00Z"], [None, None, None]]


async def test_what_was_stored_before_promises_were_known_is_read_and_sent(hub: Any) -> None:
    await hub.order(1, promised={"service": "Express", "ship_by": NOON}, SHIRT=1)
    names = "ARRAY['service', 'ship_by', 'deliver_by']"
    async with transaction(hub.bench.database) as tx:
        await tx.run(text(f"UPDATE write_back SET payload = payload - {names}"))
        sale = f"jsonb_set(order_state, '{{sale}}', (order_state -> 'sale') - {names})"
        await tx.run(text(f"UPDATE desk SET order_state = {sale}"))
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]
    assert hub.requests()[0]["service"] is None


async def test_a_sent_request_is_not_sent_again(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    await hub.pass_time()
    await hub.dispatch()
    await hub.look()
    assert len(hub.requests()) == 1


async def test_a_rejected_request_says_why_and_is_asked_again_only_when_answered(hub: Any) -> None:
    behave(hub, reject="no such SKU here")
    await hub.order(1, SHIRT=1)
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentRejected)
    assert (said.revision, said.reason) == (1, "no such SKU here")
    behave(hub, reject=None)
    assert await hub.bench.handle("follow_orders", [hub.state(1, 2, {"SHIRT": 1}, content=1)]) == []
    answered = hub.state(1, 3, {"SHIRT": 1}, content=1, answered_revision=1)
    assert kinds(await hub.bench.handle("follow_orders", [answered])) == [FulfillmentRequested]
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]


async def test_a_reply_lost_after_acting_is_looked_for_and_adopted_not_sent_again(hub: Any) -> None:
    fault(hub, "submit", "lose_reply")
    await hub.order(1, SHIRT=1)
    assert await hub.dispatch() == []
    assert [row["state"] for row in await hub.writes()] == ["in_doubt"]
    await hub.pass_time()
    assert await hub.dispatch() == []  # in doubt: nothing is sent before the look
    [said] = await hub.look()
    assert isinstance(said, FulfillmentAccepted)
    assert "has request" in said.evidence
    assert len(hub.requests()) == 1
    [row] = await hub.writes()
    assert (row["state"], row["external_id"]) == ("done", hub.requests()[0]["id"])
    assert [one["how"] for one in row["evidence"]] == ["call", "look"]


async def test_a_time_out_before_acting_is_looked_for_not_found_and_sent_once_more(hub: Any) -> None:
    fault(hub, "submit", "timeout", seconds=1.0)
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    assert [row["state"] for row in await hub.writes()] == ["in_doubt"]
    await hub.pass_time()
    assert await hub.look() == []
    assert [row["state"] for row in await hub.writes()] == ["pending"]
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]
    assert len(hub.requests()) == 1


async def test_a_failure_before_acting_may_have_acted_so_it_is_looked_at_first(hub: Any) -> None:
    fault(hub, "submit", "error_500")
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    assert [row["state"] for row in await hub.writes()] == ["in_doubt"]
    await hub.pass_time()
    await hub.look()
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]
    assert len(hub.requests()) == 1


async def test_a_process_that_died_between_committing_and_sending_sends_once(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    async with transaction(hub.bench.database) as tx:
        await tx.run(text("UPDATE write_back SET state = 'sending', lease_token = gen_random_uuid(), deadline = now()"))
    await hub.pass_time()
    assert await hub.dispatch() == []  # never straight back to pending
    await hub.look()
    [row] = await hub.writes()
    assert (row["state"], [one["how"] for one in row["evidence"]]) == ("pending", ["call", "look"])
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]
    assert len(hub.requests()) == 1


async def test_a_process_that_died_after_sending_adopts_what_it_did(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    async with transaction(hub.bench.database) as tx:
        await tx.run(text("UPDATE write_back SET state = 'sending', deadline = now()"))
        await tx.run(text("UPDATE request SET fate = 'sent', external_id = ''"))
    await hub.pass_time()
    assert kinds(await hub.look()) == [FulfillmentAccepted]
    assert len(hub.requests()) == 1


async def test_a_call_that_broke_off_is_looked_for(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.order(1, SHIRT=1)
    await hub.order(2, SHIRT=1)
    with monkeypatch.context() as broken:
        broken.setitem(faults.armed, "after_send", faults.Fault("raise"))
        assert await hub.dispatch() == []
    assert [row["state"] for row in await hub.writes()] == ["sending", "sending"]
    await hub.pass_time()
    assert kinds(await hub.look()) == [FulfillmentAccepted, FulfillmentAccepted]
    assert len(hub.requests()) == 2


async def test_two_dispatchers_at_once_send_each_request_once(hub: Any) -> None:
    for number in range(1, 21):
        await hub.order(number, SHIRT=1)
    await asyncio.gather(hub.dispatch(), hub.dispatch(), hub.dispatch())
    assert sorted(request["reference"] for request in hub.requests()) == sorted(
        f"{UUID(int=number)}:1" for number in range(1, 21)
    )


async def test_a_3pl_that_is_away_delays_and_loses_nothing(hub: Any) -> None:
    reachable = dict(hub.access._paths)
    hub.access._paths[DEPOT] = "http://127.0.0.1:9"
    await hub.order(1, SHIRT=1)
    assert await hub.dispatch() == []
    [row] = await hub.writes()
    assert (row["state"], row["attempt"]) == ("pending", 1)
    assert "could not be reached" in row["reason"]
    assert await hub.dispatch() == []  # not yet: it waits
    hub.access._paths = reachable
    await hub.pass_time()
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]


async def test_an_expired_token_is_fetched_anew_once(hub: Any) -> None:
    hub.access.tokens[DEPOT] = ["old", "depot-token"]
    await hub.order(1, SHIRT=1)
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]
    assert hub.access.refused == [DEPOT]


async def test_a_token_that_stays_refused_makes_the_whole_channel_wait(hub: Any) -> None:
    hub.access.tokens[DEPOT] = ["wrong"]
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    await hub.order(2, SHIRT=1)
    hub.access.tokens[DEPOT] = ["depot-token"]
    assert await hub.dispatch() == []
    assert hub.requests() == []
    await hub.pass_time()
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted] * 2


async def test_an_accepted_cancellation_settles_what_stands(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    assert await hub.cancel(1) == []  # nothing is settled before the 3PL has answered
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentCancelled)
    assert (said.content_version, said.standing) == (2, ())
    assert hub.requests()[0]["state"] == "cancelled"


async def test_a_refused_cancellation_says_what_will_leave(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    behave(hub, refuse_cancellation="already packed", ship_after=None)
    await hub.cancel(1)
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentCancelRefused)
    assert {line.line_id: line.quantity for line in said.standing} == {"SHIRT": 2}


async def test_a_reduction_stops_the_request_and_asks_for_the_rest(hub: Any) -> None:
    await hub.order(1, SHIRT=3)
    await hub.dispatch()
    await hub.order(1, version=2, SHIRT=1)
    expected: list[Any] = [FulfillmentCancelled, FulfillmentRequested, FulfillmentAccepted]
    assert kinds(await hub.dispatch()) == expected
    assert [(one["state"], one["lines"][0]["quantity"]) for one in hub.requests()] == [
        ("cancelled", 3),
        ("accepted", 1),
    ]


async def test_a_cancellation_never_overtakes_its_request(hub: Any) -> None:
    fault(hub, "submit", "lose_reply")
    await hub.order(1, SHIRT=1)
    await hub.dispatch()
    assert await hub.cancel(1) == []
    await hub.pass_time()
    await hub.dispatch()
    assert hub.requests()[0]["state"] == "accepted"  # the request is in doubt: nobody asks to stop it yet
    await hub.look()
    assert kinds(await hub.dispatch()) == [FulfillmentCancelled]
    assert hub.requests()[0]["state"] == "cancelled"


async def test_a_cancellation_whose_reply_was_lost_is_adopted_with_its_quantities(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    fault(hub, "cancel", "lose_reply")
    await hub.cancel(1)
    assert await hub.dispatch() == []
    await hub.pass_time()
    [said] = await hub.look()
    assert isinstance(said, FulfillmentCancelled)
    assert said.standing == ()


async def test_a_cancellation_that_did_not_arrive_is_asked_again(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    fault(hub, "cancel", "error_500")
    await hub.cancel(1)
    await hub.dispatch()
    await hub.pass_time()
    await hub.look()
    assert kinds(await hub.dispatch()) == [FulfillmentCancelled]


async def test_a_recipient_redacted_before_the_request_left_is_never_sent(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    await hub.bench.handle("follow_orders", [RecipientRedacted(order_id=UUID(int=1), recipient_version=2)])
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentRejected)
    assert "redacted" in said.reason
    assert hub.requests() == []
    assert [(row["recipient"], row["redacted"]) for row in await hub.bench.table("recipient")] == [(None, True)]


def moved(version: int, city: str, **more: Any) -> RecipientRecorded:
    """The recipient of order 1, at another address."""
    address = Address(name="Test Person", street=("2 Test Street",), city=city, country="IE")
    return RecipientRecorded(
        order_id=UUID(int=1), recipient_version=version, recipient=Recipient(address=address, **more)
    )


async def test_an_order_whose_address_changes_is_stopped_and_shipped_to_the_new_one(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    assert await hub.bench.handle("follow_orders", [moved(2, "Newtown")]) == []
    requested, taken = await hub.dispatch()
    assert isinstance(requested, FulfillmentRequested)
    assert isinstance(taken, FulfillmentAccepted)
    assert [(one["state"], one["recipient"].get("city", "")) for one in hub.requests()] == [
        ("cancelled", ""),
        ("accepted", "Newtown"),
    ]
    await hub.bench.handle("follow_orders", [moved(3, "Newtown", note="Ring twice")])
    assert await hub.dispatch() == []


async def test_a_destination_that_does_not_stop_ships_to_the_old_address_and_this_is_told(hub: Any) -> None:
    behave(hub, refuse_cancellation="already packed")
    await hub.order(1, SHIRT=2)
    await hub.dispatch()
    await hub.bench.handle("follow_orders", [moved(2, "Newtown")])
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentCancelRefused)
    assert (said.old_address, said.content_version) == ((1,), 1)
    assert len(hub.requests()) == 1


async def test_a_request_that_was_not_sent_yet_is_sent_to_the_new_address_alone(hub: Any) -> None:
    await hub.order(1, SHIRT=2)
    await hub.bench.handle("follow_orders", [moved(2, "Newtown")])
    await hub.dispatch()
    await hub.dispatch()
    assert [one["recipient"]["city"] for one in hub.requests()] == ["Newtown"]


async def test_a_channel_that_only_observes_gets_nothing(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    about = {"channel_id": DEPOT, "kind": "generic", "name": "Depot", "settings": {"role": "destination"}}
    await hub.bench.handle("learn_channels", [ChannelConfigured(channel_version=2, mode="observe", **about)])
    assert await hub.dispatch() == []
    assert hub.requests() == []
    await hub.bench.handle("learn_channels", [ChannelConfigured(channel_version=3, mode="live", **about)])
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]


async def test_a_disconnected_destination_is_never_written_to(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    await hub.bench.handle("learn_channels", [ChannelDisconnected(channel_id=DEPOT, channel_version=2)])
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentRejected)
    assert "disconnected" in said.reason
    assert hub.requests() == []


async def test_an_order_that_waited_for_a_destination_goes_when_there_is_one(hub: Any) -> None:
    from fulfillment import workers

    await hub.bench.handle("learn_channels", [ChannelDisconnected(channel_id=DEPOT, channel_version=2)])
    assert await hub.order(1, SHIRT=1) == []
    assert await hub.turn(workers.find_destinations) == []
    about = {"channel_id": DEPOT, "kind": "generic", "name": "Depot", "settings": {"role": "destination"}}
    await hub.bench.handle("learn_channels", [ChannelConfigured(channel_version=3, mode="live", **about)])
    assert kinds(await hub.turn(workers.find_destinations)) == [FulfillmentRequested]
    assert kinds(await hub.dispatch()) == [FulfillmentAccepted]


async def test_an_order_cancelled_before_its_request_left_is_never_asked_for(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    await hub.cancel(1)
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentCancelled)
    assert said.standing == ()
    assert hub.requests() == []


async def test_an_order_held_before_its_request_left_is_asked_for_once_it_is_released(hub: Any) -> None:
    await hub.order(1, SHIRT=1)
    held = hub.state(1, 2, {"SHIRT": 1}, content=1, holds=(hold(HoldCode.PAYMENT),))
    await hub.bench.handle("follow_orders", [held])
    assert await hub.dispatch() == []
    assert hub.requests() == []
    await hub.bench.handle("follow_orders", [hub.state(1, 3, {"SHIRT": 1}, content=1)])
    [said] = await hub.dispatch()
    assert isinstance(said, FulfillmentAccepted)
    assert said.revision == 2
