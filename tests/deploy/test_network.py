"""Who may talk to whom in the cluster: judged as a network plugin judges it, from the policies and the pods' labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from crossdock.cli.stack import PACKAGES, SERVICES

Overlay = Callable[[str], list[dict[str, Any]]]
NAMESPACE = "kubernetes.io/metadata.name"
CALLERS = {"gateway", "order-ingest", "sku-matcher", "fulfillment"}
STANDING = {"service", "database", "message-broker"}
POSTGRES, AMQP, MANAGEMENT, HTTP = 5432, 5672, 15672, 8080


@dataclass(frozen=True)
class Pod:
    """A pod by its labels and its namespace."""

    labels: Mapping[str, str]
    namespace: str = "ours"


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    for each in selector.get("matchExpressions", []):
        inside = labels.get(each["key"]) in each["values"]
        assert each["operator"] in ("In", "NotIn")
        if inside != (each["operator"] == "In"):
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def is_peer(peer: Mapping[str, Any], other: Pod | str) -> bool:
    """Whether a peer of a rule is that pod or address."""
    if isinstance(other, str):
        block = peer.get("ipBlock")
        if not block or ip_address(other).version != ip_network(block["cidr"]).version:
            return False
        excepted = any(ip_address(other) in ip_network(each) for each in block.get("except", []))
        return ip_address(other) in ip_network(block["cidr"]) and not excepted
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" not in peer and other.namespace != "ours":
        return False
    return selects(peer.get("namespaceSelector", {}), {NAMESPACE: other.namespace}) and selects(
        peer.get("podSelector", {}), other.labels
    )


def opens(rule: Mapping[str, Any], key: str, other: Pod | str, port: int) -> bool:
    """Whether a rule lets the other side through on a port."""
    peers, ports = rule.get(key), rule.get("ports")
    right_port = ports is None or any(each["port"] <= port <= each.get("endPort", each["port"]) for each in ports)
    return right_port and (peers is None or any(is_peer(peer, other) for peer in peers))


class Network:
    """The policies of an overlay."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self.policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]

    def lets(self, direction: str, pod: Pod, other: Pod | str, port: int) -> bool:
        """Whether the policies that select `pod` let it speak to (Egress) or be reached by (Ingress) the other side."""
        if pod.namespace != "ours":
            return True
        rules, key = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        applying = [
            policy
            for policy in self.policies
            if direction in policy["policyTypes"] and selects(policy["podSelector"], pod.labels)
        ]
        return not applying or any(
            opens(rule, key, other, port) for policy in applying for rule in policy.get(rules, [])
        )

    def joins(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether a connection comes about."""
        return self.lets("Egress", source, target, port) and self.lets("Ingress", target, source, port)


def pods_of(objects: list[dict[str, Any]]) -> dict[str, Pod]:
    """The pods of an overlay by a short name: the service, or `migration inventory`."""
    found = {}
    for each in objects:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
            labels = template["metadata"]["labels"]
            name, component = labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]
            found[name if component in STANDING or component == name else f"{component} {name}"] = Pod(labels)
    return found


# As the operators label what they make: cnpg.io/cluster by CloudNativePG, the recommended labels by RabbitMQ's.
MADE_BY_OPERATORS = {
    "postgres": Pod({"cnpg.io/cluster": "crossdock-postgres"}),
    "rabbitmq": Pod(
        {
            "app.kubernetes.io/name": "crossdock-rabbitmq",
            "app.kubernetes.io/component": "rabbitmq",
            "app.kubernetes.io/part-of": "rabbitmq",
        }
    ),
}


@pytest.fixture(params=["dev", "operators"])
def cluster(request: pytest.FixtureRequest, overlay: Overlay) -> tuple[Network, dict[str, Pod]]:
    """The policies and all pods of an overlay that has its servers in the cluster."""
    objects = overlay(request.param)
    pods = pods_of(objects)
    if request.param == "operators":
        pods |= MADE_BY_OPERATORS
    return Network(objects), pods


def expected(pods: Mapping[str, Pod]) -> set[tuple[str, str, int]]:
    """Every connection that is wanted."""
    ways = set()
    for name in pods:
        component, _, service = name.partition(" ")
        if name in SERVICES or component in ("migration", "partitions", "bootstrap"):
            ways.add((name, "postgres", POSTGRES))
        if name in SERVICES:
            ways.add((name, "rabbitmq", AMQP))
        if component == "topology" and service:
            ways.add((name, "rabbitmq", MANAGEMENT))
        if name in CALLERS - {"gateway"}:
            ways.add((name, "gateway", HTTP))
        if name in SERVICES and name != "gateway":
            ways.add(("gateway", name, HTTP))
    if "sandbox" in pods:
        ways |= {(name, "sandbox", HTTP) for name in CALLERS} | {("sandbox", "gateway", HTTP)}
    return ways


def test_exactly_the_wanted_connections_come_about(cluster: tuple[Network, dict[str, Pod]]) -> None:
    network, pods = cluster
    open_ways = {
        (source, target, port)
        for source, sender in pods.items()
        for target, receiver in pods.items()
        for port in (POSTGRES, AMQP, MANAGEMENT, HTTP, 443, 22)
        if source != target and network.joins(sender, receiver, port)
    }
    assert open_ways == expected(pods)


def test_every_pod_keeps_its_own_door_whatever_the_others_may(cluster: tuple[Network, dict[str, Pod]]) -> None:
    network, pods = cluster
    doors = {
        (source, target, port)
        for source, sender in pods.items()
        for target, receiver in pods.items()
        for port in (POSTGRES, AMQP, MANAGEMENT, HTTP, 443, 22)
        if source != target and network.lets("Ingress", receiver, sender, port)
    }
    assert doors == expected(pods)


def test_every_pod_may_ask_for_names_and_nobody_may_come_in_unasked(cluster: tuple[Network, dict[str, Pod]]) -> None:
    network, pods = cluster
    names = Pod({"k8s-app": "kube-dns"}, "kube-system")
    stranger = Pod({"app.kubernetes.io/component": "service", "app.kubernetes.io/name": "gateway"}, "default")
    for name, pod in pods.items():
        assert network.joins(pod, names, 53), name
        for port in (POSTGRES, AMQP, MANAGEMENT, HTTP):
            assert not network.joins(stranger, pod, port), name


def test_only_who_calls_channels_reaches_the_world_and_never_what_is_near(overlay: Overlay) -> None:
    objects = overlay("production")
    network = Network(objects)
    far = ["192.0.2.7", "2001:db8::7"]
    near = ["10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1", "fd00::1", "::1"]
    for name, pod in pods_of(objects).items():
        for address in far:
            assert network.lets("Egress", pod, address, 443) == (name in CALLERS), (name, address)
            assert not network.lets("Egress", pod, address, 80), (name, address)
        for address in near:
            assert not network.lets("Egress", pod, address, 443), (name, address)


def test_the_world_is_open_to_every_service_whose_code_calls_channels(root: Path) -> None:
    calling = {
        service
        for service, package in PACKAGES.items()
        for file in (root / "services" / service / "src" / package).rglob("*.py")
        if any(way in file.read_text() for way in ("crossdock.channels.errors", "context.access", "job.ask("))
    }
    assert calling == CALLERS


def test_production_reaches_its_servers_in_private_networks_alone(overlay: Overlay) -> None:
    objects = overlay("production")
    network, pods = Network(objects), pods_of(objects)
    for port, name in ((POSTGRES, "inventory"), (AMQP, "inventory"), (MANAGEMENT, "topology inventory")):
        assert network.lets("Egress", pods[name], "10.1.2.3", port)
        assert not network.lets("Egress", pods[name], "192.0.2.7", port)
    assert not network.lets("Egress", pods["inventory"], "10.1.2.3", MANAGEMENT)


def test_the_way_in_leads_to_the_gateway_from_the_namespace_that_the_route_names(overlay: Overlay) -> None:
    objects = overlay("production")
    network, pods = Network(objects), pods_of(objects)
    (route,) = (each for each in objects if each["kind"] == "HTTPRoute")
    controller = Pod({}, route["spec"]["parentRefs"][0]["namespace"])
    assert {name for name, pod in pods.items() if network.joins(controller, pod, HTTP)} == {"gateway"}


def test_prometheus_and_the_operators_reach_what_they_look_after(overlay: Overlay) -> None:
    objects = overlay("operators")
    network, pods = Network(objects), pods_of(objects) | MADE_BY_OPERATORS
    ways = {
        ("monitoring", name, port)
        for name, pod in pods.items()
        for port in (HTTP, 15692, 9187, POSTGRES, AMQP, MANAGEMENT)
        if network.joins(Pod({}, "monitoring"), pod, port)
    }
    servers = {("monitoring", "rabbitmq", 15692), ("monitoring", "postgres", 9187)}
    assert ways == {("monitoring", service, HTTP) for service in SERVICES} | servers
    assert network.joins(Pod({}, "keda"), pods["rabbitmq"], MANAGEMENT)
    assert not network.joins(Pod({}, "keda"), pods["rabbitmq"], AMQP)
    assert network.joins(Pod({}, "rabbitmq-system"), pods["rabbitmq"], MANAGEMENT)
    assert network.joins(Pod({}, "cnpg-system"), pods["postgres"], 8000)


def test_the_members_of_a_cluster_reach_each_other(overlay: Overlay) -> None:
    network = Network(overlay("operators"))
    for name, ports in (("postgres", (5432, 8000)), ("rabbitmq", (4369, 25672, 35672, 35682))):
        for port in ports:
            assert network.joins(MADE_BY_OPERATORS[name], MADE_BY_OPERATORS[name], port), (name, port)


def test_traces_leave_only_where_they_are_asked_for(check_deploy: Any, overlay: Overlay) -> None:
    def collected(objects: list[dict[str, Any]]) -> set[str]:
        network, collector = Network(objects), Pod({}, "observability")
        return {name for name, pod in pods_of(objects).items() if network.joins(pod, collector, 4318)}

    assert collected(overlay("production")) == set()
    objects = check_deploy.kustomized("production", components=("tracing",))
    assert collected(objects) == set(SERVICES)
    (settings,) = (
        each["data"] for each in objects if each["kind"] == "ConfigMap" and "-settings" in each["metadata"]["name"]
    )
    assert settings["CROSSDOCK_OTLP_ENDPOINT"].endswith(".observability:4318")
