"""Promise 3: each event's effect happens once, however often it is delivered.

Seen to fail without the inbox (CROSSDOCK_TEST_WITHOUT=inbox): of three messages that always fail, seven were parked
(sent 20 accepted 20 applied 20 lost 0 duplicated 0 oversold 0 parked 7 left in queues 0). The first two tests hold
without it too, because an order's own data absorb what comes again: docs/architecture/messages.md says what does not.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import orjson
import pytest

from crossdock.messaging.envelope import outgoing
from crossdock.messaging.faults import EXIT_CODE
from crossdock.testing.factories import matched
from crossdock.testing.subscriber import Heard, Subscriber
from crossdock.testing.system import Death
from crossdock.testing.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ONCE = (
    "order.placed.v1",
    "order.matched.v1",
    "stock.reserved.v1",
    "fulfillment.requested.v1",
    "fulfillment.accepted.v1",
    "shipment.dispatched.v1",
    "tracking.written.v1",
)
"""What a subscriber hears of every order that is shipped whole."""

FAILING = 3


@pytest.fixture
def subscriber(world: World) -> Iterator[Subscriber]:
    """Somebody who gets every public event from here on."""
    listening = Subscriber(world.system)
    yield listening
    listening.leave()


def test_every_webhook_ten_times_in_shuffled_order_has_one_effect(world: World) -> None:
    with world.selling(60, per_second=150, times=10) as traffic:
        pass
    assert traffic.requests == 600
    verdict = world.settle(traffic)
    assert verdict.ok, verdict


def test_messages_delivered_again_after_their_commit_have_one_effect(world: World, subscriber: Subscriber) -> None:
    """Processes die after they committed and before the broker knows it, and after they published and before they
    know it themselves: everything in hand is delivered or published a second time. A subscriber may get a message
    again, but never the same news under another id."""
    system = world.system
    names = ("order-ingest", "sku-matcher", "inventory", "fulfillment")
    for name in names:
        system.configure(name, FAULTS="before_ack=exit@0.1,after_publish=exit@0.1")
    system.restart(*names)
    deaths: list[Death] = []
    system.on_death = deaths.append
    with world.selling(600, per_second=10) as traffic:
        end = time.monotonic() + 60
        while len(deaths) < 12 and time.monotonic() < end:
            time.sleep(0.1)
        traffic.stop()
    system.back_to_normal()
    verdict = world.settle(traffic)
    heard = subscriber.heard()
    world.say(f"a subscriber got {len(heard)} messages, {len({one.message_id for one in heard})} different ones")
    assert {death.code for death in deaths} == {EXIT_CODE}
    assert len(deaths) >= 12
    assert verdict.ok, verdict
    assert _told_under_two_ids(heard) == []
    news = Counter({(one.type, one.order_id, one.message_id): 1 for one in heard if one.type in ONCE})
    orders = {one.order_id for one in heard if one.type == ONCE[0]}
    assert len(orders) == verdict.applied
    told = Counter((type_, order_id) for type_, order_id, _ in news)
    assert told == Counter({(type_, order_id): 1 for type_ in ONCE for order_id in orders})


def test_a_failing_message_delivered_again_is_put_off_and_parked_once(world: World) -> None:
    """The process dies after it put off a failing message's next attempt and before the broker knows it. Nothing in
    the message's own data tells that its next attempt is on its way already: the inbox alone does."""
    system = world.system
    died: list[Death] = []

    def disarm_after_the_second(death: Death) -> None:
        if death.code == EXIT_CODE:
            died.append(death)
        if len(died) == 2:
            system.configure("inventory", FAULTS=None)

    with world.started_with("inventory", alteration="=quick-retries", FAULTS="before_ack=exit"):
        system.stop("inventory", hold=True)
        system.on_death = disarm_after_the_second
        for number in range(1, FAILING + 1):
            failing = outgoing(matched(number, **{"NUL\0NUL": 1}), source="test", cause=None, traceparent=None)
            properties = {"message_id": str(failing.message_id), "type": failing.type}
            world.publish("inventory.reserve-stock", properties, failing.body)
        with world.selling(20, per_second=40) as traffic:
            pass
        system.release("inventory")
        world.wait_for(lambda: len(died) == 2, "inventory did not die twice", 60)
        verdict = world.settle(traffic)
        parked = world.parked("inventory")
    world.discard_parked("inventory")
    assert (verdict.applied, verdict.lost, verdict.duplicated, verdict.parked) == (20, 0, 0, FAILING), verdict
    assert len({one["origin_id"] for one in parked}) == FAILING


def _told_under_two_ids(heard: list[Heard]) -> list[str]:
    """News of an order that came under more than one id."""
    ids = defaultdict(set)
    for one in heard:
        if one.order_id:
            content = {name: value for name, value in one.content.items() if name != "occurred_at"}
            ids[one.type, orjson.dumps(content, option=orjson.OPT_SORT_KEYS)].add(one.message_id)
    return [f"{type_}: {len(several)} ids" for (type_, _), several in ids.items() if len(several) > 1]
