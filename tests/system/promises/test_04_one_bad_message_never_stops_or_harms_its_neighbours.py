"""Promise 4: one bad message never stops or harms its neighbours.

Seen to fail with CROSSDOCK_TEST_WITHOUT=…
isolation (a batch in which something goes wrong is parked whole):
    unreadable:      sent 56 accepted 56 applied 8 lost 48 duplicated 0 oversold 0 parked 56 left in queues 0
    always fails:    sent 40 accepted 40 applied 18 lost 22 duplicated 0 oversold 0 parked 23 left in queues 0
parking (what cannot be handled is tried until it can):
    unreadable:      sent 56 accepted 56 applied 5 lost 51 duplicated 0 oversold 0 parked 0 left in queues 68
    not decoded:     sent 40 accepted 40 applied 4 lost 36 duplicated 0 oversold 0 parked 0 left in queues 51
    always fails:    sent 40 accepted 40 applied 40 lost 0 duplicated 0 oversold 0 parked 0 left in queues 1
    ends a process:  sent 30 accepted 30 applied 11 lost 19 duplicated 0 oversold 0 parked 0 left in queues 32
marks (nobody remembers with which message a process died):
    ends a process:  sent 30 accepted 30 applied 0 lost 30 duplicated 0 oversold 0 parked 0 left in queues 41
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest

from crossdock.messaging.envelope import new_id, outgoing
from crossdock.storage.partitions import first_id
from crossdock.testing.checker import check
from crossdock.testing.factories import matched
from crossdock.testing.market import Traffic
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BATCH = 8
RECEIVE = "order-ingest.receive-orders"
WEBHOOK = "webhook.orders.received.v1"


@pytest.fixture(autouse=True)
def nothing_stays_parked(world: World) -> Iterator[None]:
    yield
    for service in ("order-ingest", "inventory"):
        world.discard_parked(service)


def test_a_poison_webhook_at_every_position_is_parked_alone(world: World) -> None:
    """Eight webhooks, one of them unreadable, eight times over, the unreadable one a place later each time: they wait
    in the queue until a consumer takes them eight at a time."""
    system = world.system
    system.configure("order-ingest", BATCH_SIZE=str(BATCH))
    system.stop("order-ingest", hold=True)
    orders = iter(world.prepare(BATCH * (BATCH - 1)))
    traffic, poisons = Traffic(), set()
    for bad in range(BATCH):
        for position in range(BATCH):
            if position == bad:
                poisons.add(world.market.post("orders/create", {"id": 7, "line_items": "none"}))
            else:
                world.market.tell(traffic, next(orders))
    began = time.monotonic()
    system.release("order-ingest")
    verdict = world.settle(traffic)
    world.say(f"neighbours of {len(poisons)} poison messages done in {time.monotonic() - began:.1f} s")
    assert (verdict.applied, verdict.lost, verdict.duplicated) == (BATCH * (BATCH - 1), 0, 0), verdict
    parked = world.parked("order-ingest")
    assert {_delivery(world, one) for one in parked} == poisons
    assert len(parked) == BATCH


def test_messages_that_cannot_be_decoded_are_parked_and_the_others_go_on(world: World) -> None:
    good = {"message_id": str(new_id()), "type": WEBHOOK}
    yesteryear = str(first_id((datetime.now(UTC) - timedelta(days=400)).date()))
    broken = [
        (good, b"\x00\xff no JSON"),
        (good | {"message_id": str(new_id())}, b"{}"),
        (good | {"message_id": str(uuid4())}, b"{}"),
        (good | {"message_id": yesteryear}, b"{}"),
        (good | {"message_id": str(new_id()), "type": "unheard.of.v1"}, b"{}"),
        ({"type": WEBHOOK}, b"{}"),
        ({}, b""),
    ]
    with world.selling(40, per_second=20) as traffic:
        for properties, body in broken:
            world.publish(RECEIVE, properties, body)
            time.sleep(0.2)
    verdict = world.settle(traffic)
    assert (verdict.applied, verdict.lost, verdict.duplicated, verdict.parked) == (40, 0, 0, len(broken)), verdict


def test_a_message_that_always_fails_is_parked_after_its_attempts_and_the_others_go_on(world: World) -> None:
    """Postgres refuses a NUL in a text; nothing before the handler's own statement can know. It waits among
    forty others in the queue, so that a consumer takes them together."""
    system = world.system
    event = matched(1, **{"NUL\0NUL": 1})
    failing = outgoing(event, source="test", cause=None, traceparent=None)
    properties = {"message_id": str(failing.message_id), "type": failing.type}
    with world.started_with("inventory", alteration="=quick-retries"):
        system.stop("inventory", hold=True)
        with world.selling(40, per_second=40) as traffic:
            time.sleep(0.8)
            world.publish("inventory.reserve-stock", properties, failing.body)
        system.release("inventory")
        verdict = world.settle(traffic)
        assert (verdict.applied, verdict.lost, verdict.duplicated) == (40, 0, 0), verdict
        end = time.monotonic() + 20
        while not (parked := world.parked("inventory")) and time.monotonic() < end:
            time.sleep(0.2)
    assert [(one["attempt"], one["origin_id"]) for one in parked] == [(2, str(failing.message_id))]


def test_a_message_that_kills_the_process_is_found_and_parked_and_the_others_go_on(world: World) -> None:
    system = world.system
    system.configure("order-ingest", world.altered("=deadly-messages"))
    system.stop("order-ingest", hold=True)
    traffic = Traffic()
    for n, order in enumerate(world.prepare(30)):
        world.market.tell(traffic, order)
        if n == 10:
            deadly = world.market.post("orders/create", {"id": 8, "note": "deadly", "line_items": []})
    deaths = len(system.deaths)
    system.release("order-ingest")
    verdict = world.settle(traffic)
    assert (verdict.applied, verdict.lost, verdict.duplicated) == (30, 0, 0), verdict
    end = time.monotonic() + 60
    while not (parked := world.parked("order-ingest")) and time.monotonic() < end:
        time.sleep(0.5)
    assert [_delivery(world, one) for one in parked] == [deadly]
    assert "died 3 times" in parked[0]["reason"]
    assert len(system.deaths) - deaths == 5
    assert check(system, world.market, traffic).applied == 30


def _delivery(world: World, parked: dict[str, str]) -> str:
    """The store's id of the delivery that a parked message is about."""
    shown = world.market.call("GET", f"/v1/services/order-ingest/parked/{parked['id']}")
    return str(orjson.loads(shown["body"])["external_delivery_id"])
