"""The plan finds every difference between what is declared and what a broker has, and applying it leaves none."""

from urllib.parse import urlsplit

import pytest

from crossdock.local.servers import Broker as Server
from crossdock.messaging.topology import (
    DEAD_LETTERS,
    DEAD_LETTERS_ARGUMENTS,
    QUEUE_ARGUMENTS,
    Change,
    LiveExchange,
    LiveQueue,
    LiveTopology,
    Management,
    ManagementAway,
    Queue,
    Topology,
    plan,
    queue_name,
)

QUEUE = queue_name("inventory", "reserve_stock")
TOPOLOGY = Topology(
    exchanges=("events", "internal"),
    queues=(Queue(QUEUE, (("events", "order.matched.v1"), ("internal", "channel.configured.v1"))),),
)
WHOLE = LiveTopology(
    exchanges={
        "events": LiveExchange("topic", durable=True),
        "internal": LiveExchange("topic", durable=True),
        DEAD_LETTERS: LiveExchange("fanout", durable=True),
        "amq.topic": LiveExchange("topic", durable=True),
    },
    queues={
        QUEUE: LiveQueue(durable=True, arguments=dict(QUEUE_ARGUMENTS)),
        DEAD_LETTERS: LiveQueue(durable=True, arguments=dict(DEAD_LETTERS_ARGUMENTS)),
    },
    bindings=frozenset(
        {
            ("", QUEUE, QUEUE),
            ("", DEAD_LETTERS, DEAD_LETTERS),
            ("events", "order.matched.v1", QUEUE),
            ("internal", "channel.configured.v1", QUEUE),
            (DEAD_LETTERS, "", DEAD_LETTERS),
        }
    ),
)


def live(
    exchanges: dict[str, LiveExchange] | None = None,
    queues: dict[str, LiveQueue] | None = None,
    bindings: frozenset[tuple[str, str, str]] | None = None,
) -> LiveTopology:
    return LiveTopology(
        WHOLE.exchanges if exchanges is None else exchanges,
        WHOLE.queues if queues is None else queues,
        WHOLE.bindings if bindings is None else bindings,
    )


def test_a_queue_is_named_after_its_service_and_handler() -> None:
    assert queue_name("order-ingest", "take_webhook") == "order-ingest.take-webhook"


def test_nothing_is_planned_when_the_broker_has_everything() -> None:
    assert plan(TOPOLOGY, WHOLE) == []


def test_an_empty_broker_gets_exchanges_before_queues_and_queues_before_bindings() -> None:
    changes = plan(TOPOLOGY, LiveTopology({}, {}, frozenset()))
    assert [change.kind for change in changes] == (
        ["create exchange"] * 3 + ["create queue", "bind"] + ["create queue", "bind", "bind"]
    )
    assert not any(change.by_hand for change in changes)


@pytest.mark.parametrize(
    ("found", "change"),
    [
        (
            live(queues={DEAD_LETTERS: WHOLE.queues[DEAD_LETTERS], QUEUE: LiveQueue(False, dict(QUEUE_ARGUMENTS))}),
            Change("replace queue", QUEUE),
        ),
        (
            live(queues={**WHOLE.queues, QUEUE: LiveQueue(True, {**QUEUE_ARGUMENTS, "x-queue-type": "classic"})}),
            Change("replace queue", QUEUE),
        ),
        (
            live(queues={**WHOLE.queues, QUEUE: LiveQueue(True, {**QUEUE_ARGUMENTS, "x-message-ttl": 1000})}),
            Change("replace queue", QUEUE),
        ),
        (live(queues={DEAD_LETTERS: WHOLE.queues[DEAD_LETTERS]}), Change("create queue", QUEUE)),
        (
            live(bindings=WHOLE.bindings - {("events", "order.matched.v1", QUEUE)}),
            Change("bind", QUEUE, "events", "order.matched.v1"),
        ),
        (
            live(bindings=WHOLE.bindings | {("events", "order.placed.v1", QUEUE)}),
            Change("unbind", QUEUE, "events", "order.placed.v1"),
        ),
        (
            live(exchanges={**WHOLE.exchanges, "events": LiveExchange("fanout", durable=True)}),
            Change("replace exchange", "events"),
        ),
        (
            live(queues={**WHOLE.queues, "inventory.gone-handler": LiveQueue(True, {})}),
            Change("remove queue", "inventory.gone-handler"),
        ),
    ],
)
def test_each_difference_is_one_change(found: LiveTopology, change: Change) -> None:
    assert plan(TOPOLOGY, found) == [change]
    assert change.name in str(change)


def test_what_belongs_to_others_is_left_alone() -> None:
    others = {**WHOLE.queues, "warehouse.their-queue": LiveQueue(True, {}), "plain": LiveQueue(False, {})}
    assert plan(TOPOLOGY, live(queues=others)) == []


@pytest.fixture
def management(broker: Server, vhost: str) -> Management:
    return Management(
        broker.management_url.replace("://", f"://{broker.user}:{broker.password}@"),
        urlsplit(vhost).path.removeprefix("/"),
    )


async def test_applying_the_plan_leaves_nothing_to_plan(management: Management) -> None:
    assert await management.apply(TOPOLOGY, plan(TOPOLOGY, await management.live())) == []
    assert plan(TOPOLOGY, await management.live()) == []
    smaller = Topology(TOPOLOGY.exchanges, (Queue(QUEUE, TOPOLOGY.queues[0].bindings[:1]),))
    changes = plan(smaller, await management.live())
    assert changes == [Change("unbind", QUEUE, "internal", "channel.configured.v1")]
    assert await management.apply(smaller, changes) == []
    assert plan(smaller, await management.live()) == []


async def test_what_would_lose_messages_is_left_for_a_person(management: Management, vhost: str) -> None:
    bigger = Topology(TOPOLOGY.exchanges, (*TOPOLOGY.queues, Queue("inventory.old-handler", ())))
    await management.apply(bigger, plan(bigger, await management.live()))
    changes = plan(TOPOLOGY, await management.live())
    assert await management.apply(TOPOLOGY, changes) == [Change("remove queue", "inventory.old-handler")]
    assert "inventory.old-handler" in (await management.live()).queues


async def test_depths_name_every_queue(management: Management) -> None:
    await management.apply(TOPOLOGY, plan(TOPOLOGY, await management.live()))
    depths = await management.depths()
    assert set(depths) == {QUEUE, DEAD_LETTERS}
    assert (depths[QUEUE].ready, depths[QUEUE].unacked, depths[QUEUE].consumers) == (0, 0, 0)


async def test_an_absent_management_api_is_told_in_one_sentence_without_the_password(broker: Server) -> None:
    url = broker.management_url.replace("://", "://someone:secret@")
    with pytest.raises(ManagementAway, match="refused the user name or password") as refused:
        await Management(url).live()
    with pytest.raises(ManagementAway, match="does not answer") as silent:
        await Management("http://someone:secret@127.0.0.1:1").live()
    good = broker.management_url.replace("://", f"://{broker.user}:{broker.password}@")
    with pytest.raises(ManagementAway, match="no virtual host nowhere"):
        await Management(good, "nowhere").live()
    assert "secret" not in f"{refused.value} {silent.value}"
