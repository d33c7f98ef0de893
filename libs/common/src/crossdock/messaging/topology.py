"""Exchanges, queues and bindings as data, and their difference from what a broker has; nothing is deleted unasked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx

DEAD_LETTERS = "dead-letters"

# A quorum queue's own limit would dead-letter the innocent neighbours of a message that kills a process (measured:
# whole windows of 5 at limit 3), so it is out of reach; without the argument RabbitMQ 4 would drop after 20.
QUEUE_ARGUMENTS: Mapping[str, str | int] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 10_000,
    "x-dead-letter-exchange": DEAD_LETTERS,
}
# Nothing lies behind this queue: reading it and putting messages back must not use them up.
DEAD_LETTERS_ARGUMENTS: Mapping[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A handler's queue; a binding is (exchange, routing key)."""

    name: str
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """What one service, or all of them, need: durable topic exchanges and quorum queues."""

    exchanges: tuple[str, ...]
    queues: tuple[Queue, ...]


@dataclass(frozen=True, slots=True)
class DeclaredExchange:
    """An exchange to declare."""

    name: str
    type: Literal["topic", "fanout"]


@dataclass(frozen=True, slots=True)
class DeclaredQueue:
    """A queue to declare."""

    name: str
    arguments: Mapping[str, str | int]
    bindings: tuple[tuple[str, str], ...]


def exchanges_of(topology: Topology) -> list[DeclaredExchange]:
    """Every exchange to declare, the one for dead letters first."""
    return [DeclaredExchange(DEAD_LETTERS, "fanout"), *(DeclaredExchange(name, "topic") for name in topology.exchanges)]


def queues_of(topology: Topology) -> list[DeclaredQueue]:
    """Every queue to declare, the one for dead letters first."""
    return [
        DeclaredQueue(DEAD_LETTERS, DEAD_LETTERS_ARGUMENTS, ((DEAD_LETTERS, ""),)),
        *(DeclaredQueue(queue.name, QUEUE_ARGUMENTS, queue.bindings) for queue in topology.queues),
    ]


def queue_name(service: str, handler: str) -> str:
    """The queue of a handler: ("inventory", "reserve_stock") -> "inventory.reserve-stock"."""
    return f"{service}.{handler.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class LiveExchange:
    """An exchange as the broker has it."""

    type: str
    durable: bool


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """A queue as the broker has it."""

    durable: bool
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveTopology:
    """What a virtual host has; a binding is (exchange, routing key, queue)."""

    exchanges: Mapping[str, LiveExchange]
    queues: Mapping[str, LiveQueue]
    bindings: frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """One step from what is to what should be. Steps `by_hand` would lose messages and are only reported."""

    kind: Literal[
        "create exchange", "create queue", "bind", "unbind", "replace exchange", "replace queue", "remove queue"
    ]
    name: str
    exchange: str = ""
    routing_key: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a person has to do it."""
        return self.kind in ("replace exchange", "replace queue", "remove queue")

    def __str__(self) -> str:
        match self.kind:
            case "bind" | "unbind":
                return (
                    f"{self.kind} queue {self.name}: {self.routing_key or 'everything'} from exchange {self.exchange}"
                )
            case "replace exchange" | "replace queue":
                what = self.kind.removeprefix("replace ")
                return (
                    f"{what} {self.name} exists with another type or other arguments:"
                    f" stop its service, let the queue run empty, delete the {what}, then apply again"
                )
            case "remove queue":
                return f"queue {self.name} belongs to no handler and only grows: move its messages, then delete it"
            case _:
                return f"{self.kind} {self.name}"


def plan(topology: Topology, live: LiveTopology) -> list[Change]:
    """What has to change for the broker to have exactly `topology`; empty when it has.

    Queues of other services are left alone: one is reported only when its service has other queues in `topology`.
    """
    changes: list[Change] = []
    for exchange in exchanges_of(topology):
        had = live.exchanges.get(exchange.name)
        if had is None:
            changes.append(Change("create exchange", exchange.name))
        elif had != LiveExchange(exchange.type, durable=True):
            changes.append(Change("replace exchange", exchange.name))
    wanted = queues_of(topology)
    for queue in wanted:
        changes += _plan_queue(queue, live)
    names = {queue.name for queue in wanted}
    services = {queue.name.partition(".")[0] for queue in topology.queues}
    for name in sorted(live.queues.keys() - names):
        service, dot, _ = name.partition(".")
        if dot and service in services:
            changes.append(Change("remove queue", name))
    return changes


def _plan_queue(queue: DeclaredQueue, live: LiveTopology) -> list[Change]:
    changes: list[Change] = []
    had = live.queues.get(queue.name)
    if had is None:
        changes.append(Change("create queue", queue.name))
    elif not had.durable or dict(had.arguments) != dict(queue.arguments):
        changes.append(Change("replace queue", queue.name))
    bound = {(exchange, key) for exchange, key, name in live.bindings if name == queue.name and exchange}
    wanted = set(queue.bindings)
    changes += [Change("bind", queue.name, exchange, key) for exchange, key in sorted(wanted - bound)]
    changes += [Change("unbind", queue.name, exchange, key) for exchange, key in sorted(bound - wanted)]
    return changes


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of a queue that wait, messages delivered and not settled, and its consumers."""

    ready: int
    unacked: int
    consumers: int


class ManagementAway(Exception):
    """The management API did not do what was asked; the text is one sentence for a person."""


class Management:
    """One virtual host of a broker through its management API (HTTP, RabbitMQ 3.10 to 4.x)."""

    def __init__(self, url: str, vhost: str = "/"):
        """`url` carries the credentials, such as http://user:password@host:15672."""
        parts = urlsplit(url)
        self._where = f"{parts.hostname}:{parts.port or 15672}"
        self._url = url.rstrip("/")
        self._vhost = quote(vhost, safe="")
        self._vhost_name = vhost

    async def live(self) -> LiveTopology:
        """What the virtual host has now."""
        async with self._client() as client:
            exchanges = await self._get(client, f"exchanges/{self._vhost}")
            queues = await self._get(client, f"queues/{self._vhost}?disable_stats=true&enable_queue_totals=true")
            bindings = await self._get(client, f"bindings/{self._vhost}")
        return LiveTopology(
            exchanges={each["name"]: LiveExchange(each["type"], each["durable"]) for each in exchanges},
            queues={each["name"]: LiveQueue(each["durable"], each["arguments"]) for each in queues},
            bindings=frozenset(
                (each["source"], each["routing_key"], each["destination"])
                for each in bindings
                if each["destination_type"] == "queue"
            ),
        )

    async def depths(self) -> dict[str, Depth]:
        """The depth of every queue; the broker refreshes these figures about every 5 s."""
        async with self._client() as client:
            queues = await self._get(client, f"queues/{self._vhost}")
        return {
            each["name"]: Depth(
                ready=each.get("messages_ready", 0),
                unacked=each.get("messages_unacknowledged", 0),
                consumers=each.get("consumers", 0),
            )
            for each in queues
        }

    async def apply(self, topology: Topology, changes: list[Change]) -> list[Change]:
        """Make the changes that lose nothing; those left for a person are returned."""
        exchanges = {exchange.name: exchange for exchange in exchanges_of(topology)}
        queues = {queue.name: queue for queue in queues_of(topology)}
        async with self._client() as client:
            for change in changes:
                match change.kind:
                    case "create exchange":
                        body: dict[str, Any] = {"type": exchanges[change.name].type, "durable": True}
                        await self._send(client, "PUT", f"exchanges/{self._vhost}/{_path(change.name)}", body)
                    case "create queue":
                        body = {"durable": True, "arguments": dict(queues[change.name].arguments)}
                        await self._send(client, "PUT", f"queues/{self._vhost}/{_path(change.name)}", body)
                    case "bind":
                        await self._send(client, "POST", self._binding(change), {"routing_key": change.routing_key})
                    case "unbind":
                        await self._unbind(client, change)
        return [change for change in changes if change.by_hand]

    async def _unbind(self, client: httpx.AsyncClient, change: Change) -> None:
        path = self._binding(change)
        for binding in await self._get(client, path):
            if binding["routing_key"] == change.routing_key:
                await self._send(client, "DELETE", f"{path}/{_path(binding['properties_key'])}")

    def _binding(self, change: Change) -> str:
        return f"bindings/{self._vhost}/e/{_path(change.exchange)}/q/{_path(change.name)}"

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self._url}/api/", timeout=_TIMEOUT, trust_env=False)

    async def _get(self, client: httpx.AsyncClient, path: str) -> Any:
        return (await self._send(client, "GET", path)).json()

    async def _send(
        self, client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        try:
            response = await client.request(method, path, json=body)
        except httpx.HTTPError as problem:
            raise ManagementAway(
                f"The management API of RabbitMQ at {self._where} does not answer ({type(problem).__name__}):"
                " check that the broker runs with its management plugin and that the address is right."
            ) from None
        if response.is_success:
            return response
        raise ManagementAway(self._refusal(response.status_code, method, path))

    def _refusal(self, status: int, method: str, path: str) -> str:
        at = f"The management API of RabbitMQ at {self._where}"
        if status == 401:
            return f"{at} refused the user name or password: check the management address in the settings."
        if status == 404:
            return f"{at} has no virtual host {self._vhost_name}, or not what {method} {path} names: create it first."
        return f"{at} answered {status} to {method} {path}: see the broker's log."


def _path(name: str) -> str:
    return quote(name, safe="")
