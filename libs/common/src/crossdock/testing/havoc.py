"""What can be broken in a running system: every fault is a context that breaks something on entry, is over when its
body runs, and leaves nothing broken behind.

The body is where a caller measures how long the system takes to catch up.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import httpx

from crossdock.cli.stack import SERVICES
from crossdock.messaging.envelope import new_id
from crossdock.messaging.faults import EXIT_CODE
from crossdock.storage.roles import roles_of
from crossdock.testing.market import Traffic
from crossdock.testing.system import SERVERS, Death
from crossdock.testing.world import World

RELAY = ("before_publish", "after_publish")
BATCH = ("before_claim", "after_commit", "before_ack", "after_handler", "after_ack")
DISPATCHER = ("before_sending", "after_sending", "after_send", "before_record")
STEPS: Mapping[str, tuple[str, ...]] = {
    "gateway": RELAY,
    "order-ingest": BATCH + RELAY,
    "sku-matcher": BATCH + RELAY,
    "inventory": BATCH + RELAY,
    "fulfillment": BATCH + RELAY + DISPATCHER,
}
"""The steps at which each service can be made to die, raise or stall."""

CONSUMERS = ("order-ingest", "sku-matcher", "inventory", "fulfillment")
QUEUES = {
    "order-ingest": "order-ingest.receive-orders",
    "sku-matcher": "sku-matcher.match-orders",
    "inventory": "inventory.reserve-stock",
    "fulfillment": "fulfillment.follow-orders",
}
GARBAGE = "garbage.v1"
OUTAGE_SECONDS = 5.0
CHANCE = 0.3


@dataclass
class Scene:
    """Where a fault happens: a world, what is being sold in it, and the dice."""

    world: World
    traffic: Traffic
    dice: random.Random


Fault = Callable[[Scene, str], AbstractContextManager[None]]


@contextmanager
def kill(scene: Scene, target: str) -> Iterator[None]:
    """SIGKILL; a server stays away for up to five seconds."""
    system = scene.world.system
    if target in SERVERS:
        system.kill(target, hold=True)
        time.sleep(scene.dice.uniform(0, OUTAGE_SECONDS))
        system.release(target)
    else:
        system.kill(target)
    yield


@contextmanager
def lose_node(scene: Scene, _: str) -> Iterator[None]:
    """SIGKILL every service, one right after the other, as when the machine that they share is lost."""
    for name in scene.dice.sample(SERVICES, len(SERVICES)):
        scene.world.system.kill(name)
    yield


@contextmanager
def die(scene: Scene, target: str) -> Iterator[None]:
    """SIGKILL a service, whose next life ends hard at one step of its work: `inventory at after_commit`."""
    system = scene.world.system
    name, _, step = target.partition(" at ")
    died: list[Death] = []

    def disarm(death: Death) -> None:
        if (death.name, death.code) == (name, EXIT_CODE):
            died.append(death)
            system.configure(name, FAULTS=None)

    system.on_death = disarm
    system.configure(name, FAULTS=f"{step}=exit@{CHANCE}")
    system.kill(name)
    try:
        scene.world.wait_for(lambda: bool(died), f"{name} did not come to {step}", 60)
    finally:
        system.configure(name, FAULTS=None)
    yield


@contextmanager
def stumble(scene: Scene, target: str) -> Iterator[None]:
    """A step of a service raises at times, and another takes a second now and then."""
    steps = BATCH[:2] if target in CONSUMERS else RELAY
    faults = f"{steps[0]}=raise@0.05,{RELAY[1]}=stall:1@0.2"
    with scene.world.started_with(target, FAULTS=faults):
        time.sleep(OUTAGE_SECONDS)
    yield


@contextmanager
def replace(scene: Scene, target: str) -> Iterator[None]:
    """A deploy: a second process is ready before the first gets SIGTERM."""
    with scene.world.system.one_more(target):
        scene.world.system.stop(target)
        scene.world.system.wait_ready(target)
    yield


@contextmanager
def disconnect(scene: Scene, target: str) -> Iterator[None]:
    """The server ends every connection, three times."""
    end = end_database_connections if target == "postgres" else close_broker_connections
    for _ in range(3):
        end(scene.world)
        time.sleep(scene.dice.uniform(0.5, 1.5))
    yield


@contextmanager
def network(scene: Scene, target: str) -> Iterator[None]:
    """Between a service and both its servers: slow, then silent with open connections, then cut, then gone."""
    with scene.world.links(target) as links:
        each = list(links[target].values())
        for link in each:
            link.slow(0.02)
        time.sleep(2)
        for link in each:
            link.slow(0.0)
            link.swallow()
        time.sleep(OUTAGE_SECONDS)
        for link in each:
            link.swallow(False)
            link.cut()
        time.sleep(1)
        for link in each:
            link.refuse()
        time.sleep(2)
        for link in each:
            link.listen()
        yield


@contextmanager
def clock(scene: Scene, target: str) -> Iterator[None]:
    """The clock of a service jumps ten minutes ahead, back, ten minutes behind, and back."""
    with scene.world.started_with(target, alteration="=jumping-clock"):
        time.sleep(2 * OUTAGE_SECONDS)
    yield


@contextmanager
def unbind(scene: Scene, target: str) -> Iterator[None]:
    """Somebody removes the bindings of a queue; the service makes them again within a minute by itself. Played where a
    type has one subscriber: with several, the broker takes the message for routed."""
    remove_bindings(scene.world, target)
    yield


@contextmanager
def refuse(scene: Scene, target: str) -> Iterator[None]:
    """The database takes no writes of a service: a grant is missing, or it is read-only."""
    name, _, how = target.partition(": ")
    with {"missing grant": missing_grant, "read-only": read_only}[how](scene.world, name):
        time.sleep(OUTAGE_SECONDS)
    yield


@contextmanager
def garbage(scene: Scene, target: str) -> Iterator[None]:
    """Messages that nobody can read, between good ones: they are parked, and given up by a person."""
    world, number = scene.world, scene.dice.randint(3, 8)
    for _ in range(number):
        world.publish(QUEUES[target], {"message_id": str(new_id()), "type": GARBAGE}, scene.dice.randbytes(40))
        time.sleep(0.1)
    world.wait_for(lambda: len(_garbage_parked(world, target)) == number, f"{target} parked other messages", 60)
    for one in _garbage_parked(world, target):
        world.market.call("POST", f"/v1/services/{target}/parked/{one}/discard")
    yield


@contextmanager
def duplicates(scene: Scene, _: str) -> Iterator[None]:
    """The last forty webhooks come ten times more, shuffled."""
    told = scene.traffic.accepted_orders[-40:]
    with scene.world.market.selling(told, per_second=150, times=10, seed=scene.dice.randint(0, 999)):
        pass
    yield


@contextmanager
def lost_replies(scene: Scene, target: str) -> Iterator[None]:
    """The warehouse or the store acts, and its reply is lost, late, or never comes."""
    market = scene.world.market
    for kind in ("lose_reply", "act_late", "timeout", "error_500"):
        fault = {"kind": kind, "times": scene.dice.randint(1, 4), "seconds": 6.0}
        if target == "warehouse":
            market.control("POST", f"/3pl/accounts/{market.account}/faults", fault | {"endpoint": "submit"})
        else:
            market.control("POST", f"/shopify/{market.shop}/faults", fault | {"operation": "fulfillmentCreate"})
    time.sleep(OUTAGE_SECONDS)
    yield


FAULTS: Mapping[str, tuple[Fault, Sequence[str]]] = {
    "kill": (kill, (*SERVICES, *SERVERS)),
    "die": (die, tuple(f"{name} at {step}" for name, steps in STEPS.items() for step in steps)),
    "node": (lose_node, ("every service",)),
    "stumble": (stumble, SERVICES),
    "replace": (replace, SERVICES),
    "disconnect": (disconnect, SERVERS),
    "network": (network, SERVICES),
    "clock": (clock, SERVICES),
    "unbind": (unbind, (QUEUES["order-ingest"],)),
    "refuse": (refuse, tuple(f"{name}: {how}" for name in CONSUMERS for how in ("missing grant", "read-only"))),
    "garbage": (garbage, CONSUMERS),
    "duplicates": (duplicates, ("webhooks",)),
    "lost replies": (lost_replies, ("warehouse", "store")),
}
"""Every fault and what it can happen to."""


@contextmanager
def missing_grant(world: World, service: str) -> Iterator[None]:
    """The runtime role of a service may not write its inbox."""
    role = roles_of(world.system.stack.database, service).runtime
    schema = service.replace("-", "_")
    world.sql(f'REVOKE INSERT ON {schema}.inbox FROM "{role}"')
    try:
        yield
    finally:
        world.sql(f'GRANT INSERT ON {schema}.inbox TO "{role}"')


@contextmanager
def read_only(world: World, service: str) -> Iterator[None]:
    """Every transaction of a service is read-only."""
    role = roles_of(world.system.stack.database, service).runtime
    world.sql(f'ALTER ROLE "{role}" SET default_transaction_read_only = on')
    end_database_connections(world)
    try:
        yield
    finally:
        world.sql(f'ALTER ROLE "{role}" RESET default_transaction_read_only')
        end_database_connections(world)


def end_database_connections(world: World) -> int:
    """Postgres ends every connection of the services; returns how many."""
    ended = world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'crossdock-%' AND pid <> pg_backend_pid()"
    )
    return len(ended)


def close_broker_connections(world: World) -> int:
    """RabbitMQ closes every connection; returns how many."""
    with httpx.Client(base_url=f"{world.system.management_url}/api/", timeout=20, trust_env=False) as management:
        names = [connection["name"] for connection in management.get("connections").json()]
        for name in names:
            management.delete(f"connections/{name}")
    return len(names)


def remove_bindings(world: World, queue: str) -> int:
    """Remove what leads messages of the exchanges into a queue; returns how many bindings there were."""
    with httpx.Client(base_url=f"{world.system.management_url}/api/", timeout=20, trust_env=False) as management:
        found = [one for one in management.get(f"queues/%2F/{queue}/bindings").json() if one["source"]]
        for one in found:
            path = f"bindings/%2F/e/{one['source']}/q/{queue}/{one['properties_key']}"
            management.delete(path).raise_for_status()
    return len(found)


def _garbage_parked(world: World, service: str) -> list[str]:
    return [one["id"] for one in world.parked(service) if GARBAGE in one["reason"]]
