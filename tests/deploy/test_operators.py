"""Servers kept by operators: nothing that was confirmed is lost with one machine; nobody may more than they need."""

import asyncio
import importlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from crossdock.cli.setup import management
from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.local.servers import Broker as Server
from crossdock.messaging.broker import Broker, Stream
from crossdock.messaging.envelope import Outgoing, new_id
from crossdock.messaging.topology import Topology, plan

Overlay = Callable[[str], list[dict[str, Any]]]
SOON = 15.0


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The specification of the one object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    spec: dict[str, Any] = found["spec"]
    return spec


def test_a_commit_is_on_two_machines_before_a_webhook_is_answered(overlay: Overlay) -> None:
    spec = only(overlay("operators"), "Cluster")
    assert spec["instances"] == 3
    assert spec["postgresql"]["synchronous"] == {
        "method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True
    }  # fmt: skip
    assert spec["affinity"]["podAntiAffinityType"] == "required"


def test_a_confirmed_event_is_on_two_machines(overlay: Overlay) -> None:
    spec = only(overlay("operators"), "RabbitmqCluster")
    assert spec["replicas"] == 3
    (apart,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    assert spec["resources"]["requests"]["memory"] == spec["resources"]["limits"]["memory"]


def test_the_brokers_of_the_cluster_and_of_dev_obey_the_same_limits(overlay: Overlay, root: Any) -> None:
    def settings(text: str) -> dict[str, str]:
        lines = (line.partition("=") for line in text.splitlines() if line.strip() and not line.startswith("#"))
        return {name.strip(): value.strip() for name, _, value in lines}

    here = settings(only(overlay("operators"), "RabbitmqCluster")["rabbitmq"]["additionalConfig"])
    there = settings((root / "deploy/rabbitmq/rabbitmq.conf").read_text())
    sized = {"disk_free_limit.absolute"}
    assert {name: here[name] for name in here.keys() & there.keys() - sized} == {
        name: there[name] for name in here.keys() & there.keys() - sized
    }
    assert {"max_message_size", "consumer_timeout", "default_queue_type"} <= here.keys() & there.keys()


def test_the_brokers_pods_satisfy_the_restricted_pod_security_standard(overlay: Overlay) -> None:
    spec = only(overlay("operators"), "RabbitmqCluster")["override"]["statefulSet"]["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    containers = [*spec["initContainers"], *spec["containers"]]
    assert {container["name"] for container in containers} == {"setup-container", "rabbitmq"}
    for container in containers:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_everything_of_the_operators_belongs_to_the_two_clusters(overlay: Overlay) -> None:
    objects = overlay("operators")
    names = {each["kind"]: each["metadata"]["name"] for each in objects if each["kind"].endswith("Cluster")}
    users = {each["metadata"]["name"] for each in objects if each["kind"] == "User"}
    permitted = {each["spec"]["userReference"]["name"] for each in objects if each["kind"] == "Permission"}
    assert users == permitted == {f"crossdock-{name}" for name in (*SERVICES, "topology", "scaler")}
    for each in objects:
        if each["kind"] in ("User", "Permission"):
            assert each["spec"]["rabbitmqClusterReference"] == {"name": names["RabbitmqCluster"]}
        if each["kind"] == "PodMonitor":
            assert each["spec"]["selector"]["matchLabels"] == {"cnpg.io/cluster": names["Cluster"]}


def _client(url: str, user: str, password: str) -> httpx.Client:
    """A caller of the management API. Each request has a connection of its own: the API closes one whose request it
    refused without reading the body, and the next request would fall into that."""
    unkept = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, auth=(user, password), trust_env=False, timeout=15, limits=unkept)


@dataclass(frozen=True)
class Account:
    """A broker user with the rights that the overlay gives it, in a virtual host of its own."""

    amqp_url: str
    management_url: str
    api: httpx.Client


@pytest.fixture
async def account(broker: Server, vhost: str, overlay: Overlay) -> AsyncIterator[Callable[[str], Account]]:
    """Make the user `crossdock-<name>` on the real broker, exactly as its User and Permission say."""
    kinds = ("User", "Permission")
    objects = {(e["kind"], e["metadata"]["name"]): e["spec"] for e in overlay("operators") if e["kind"] in kinds}
    host, name_of_vhost = urlsplit(broker.management_url).netloc, urlsplit(vhost).path.strip("/")
    url = f"{broker.management_url}/api/"
    clients = [_client(url, broker.user, broker.password)]
    made: list[str] = []

    def make(name: str) -> Account:
        user, password = f"test-{secrets.token_hex(6)}", secrets.token_urlsafe(12)
        tags = ",".join(objects["User", f"crossdock-{name}"].get("tags", []))
        clients[0].put(f"users/{user}", json={"password": password, "tags": tags}).raise_for_status()
        made.append(user)
        rights = objects["Permission", f"crossdock-{name}"]["permissions"]
        clients[0].put(f"permissions/{name_of_vhost}/{user}", json=rights).raise_for_status()
        clients.append(_client(url, user, password))
        amqp = f"amqp://{user}:{password}@{urlsplit(broker.amqp_url).netloc.rpartition('@')[2]}/{name_of_vhost}"
        return Account(amqp, f"http://{user}:{password}@{host}/{name_of_vhost}", clients[-1])

    yield make
    for user in made:
        clients[0].delete(f"users/{user}")
    for client in clients:
        client.close()


@asynccontextmanager
async def running(url: str, topology: Topology) -> AsyncIterator[Broker]:
    """A service's connection to the broker."""
    broker = Broker(url, name="test", topology=topology, mandatory_types=frozenset({"order.placed.v1"}))
    task = asyncio.create_task(broker.run())
    try:
        await broker.wait_connected(SOON)
        yield broker
    finally:
        await broker.close()
        async with asyncio.timeout(SOON):
            await task


def topology_of(service: str) -> Topology:
    """What a service needs of the broker."""
    found: Topology = importlib.import_module(f"{PACKAGES[service]}.main").service.topology()
    return found


def message_for(queue: str) -> Outgoing:
    """A message that goes to one queue through the default exchange, as another attempt does."""
    return Outgoing(new_id(), "order.placed.v1", "", queue, "order-1", {"cloudEvents_type": "order.placed.v1"}, b"{}")


async def taken(stream: Stream) -> list[str | None]:
    """What comes out of a queue, waiting for it; it is acknowledged."""
    async with asyncio.timeout(SOON):
        while not (got := await stream.take(10, 1.0)):
            pass
    await stream.ack_through(got[-1])
    return [delivery.message.message_id for delivery in got]


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "gateway"])
async def test_a_services_user_can_declare_consume_and_publish_what_it_needs(
    account: Callable[[str], Account], vhost: str, broker: Server, service: str
) -> None:
    topology = topology_of(service)
    message = message_for(topology.queues[0].name)
    async with running(account(service).amqp_url, topology) as own:
        published = await own.publish([message])
        assert await taken(own.stream(message.routing_key, 10)) == [str(message.message_id)]
    assert published.confirmed == [message.message_id]
    live = await management(f"{_with_rights(broker)}{urlsplit(vhost).path}").live()
    assert plan(topology, live) == []


async def test_a_services_user_reads_no_other_services_queue(account: Callable[[str], Account]) -> None:
    theirs = topology_of("fulfillment")
    message = message_for(theirs.queues[0].name)
    async with running(account("fulfillment").amqp_url, theirs) as owner:
        await owner.publish([message])
        async with running(account("inventory").amqp_url, topology_of("inventory")) as stranger:
            assert await stranger.stream(message.routing_key, 10).take(1, 3.0) == []
            assert stranger.connected
        assert await taken(owner.stream(message.routing_key, 10)) == [str(message.message_id)]


async def test_the_topology_jobs_user_makes_every_services_queues(account: Callable[[str], Account]) -> None:
    api = management(account("topology").management_url)
    queues = [queue for service in SERVICES for queue in topology_of(service).queues]
    topology = Topology(("events", "internal"), tuple(queues))
    assert await api.apply(topology, plan(topology, await api.live())) == []
    assert plan(topology, await api.live()) == []


async def test_the_scalers_user_reads_depths_and_can_do_nothing_else(
    account: Callable[[str], Account], vhost: str
) -> None:
    where = urlsplit(vhost).path.strip("/")
    async with running(account("inventory").amqp_url, topology_of("inventory")):
        pass
    scaler = account("scaler").api
    queue = f"queues/{where}/inventory.reserve-stock"

    async with asyncio.timeout(SOON):
        # As KEDA asks over http; the broker counts every 5 s.
        while "messages" not in (depth := scaler.get(queue).raise_for_status().json()):
            await asyncio.sleep(0.5)

    assert depth["messages"] == 0
    refused = [
        scaler.delete(queue),
        scaler.delete(f"{queue}/contents"),
        scaler.put(f"queues/{where}/mine", json={"durable": True}),
        scaler.put(f"exchanges/{where}/mine", json={"type": "topic"}),
        scaler.post(f"bindings/{where}/e/events/q/inventory.reserve-stock", json={"routing_key": "#"}),
        scaler.put(f"policies/{where}/mine", json={"pattern": ".*", "definition": {"max-length": 1}}),
        scaler.get("users"),
    ]
    assert {answer.status_code for answer in refused} == {401}


def _with_rights(broker: Server) -> str:
    return broker.management_url.replace("://", f"://{broker.user}:{broker.password}@")
