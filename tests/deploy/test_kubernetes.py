"""What the cluster is told: harmless pods, one way in, and a release that can be applied again."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossdock.cli.stack import SERVICES
from fulfillment.settings import Settings as Fulfillment

Overlay = Callable[[str], list[dict[str, Any]]]
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
CLOSE_SECONDS = 5
"""What closing the connections may take once the work is done."""


@pytest.fixture(params=["dev", "production", "operators"])
def objects(request: pytest.FixtureRequest, overlay: Overlay) -> list[dict[str, Any]]:
    """Every object of one overlay."""
    return overlay(request.param)


def template_of(each: dict[str, Any]) -> dict[str, Any]:
    """The pod template of a workload."""
    spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
    template: dict[str, Any] = spec["template"]
    return template


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and pod template of every workload."""
    for each in objects:
        if each["kind"] in WORKLOADS:
            yield f"{each['kind']} {each['metadata']['name']}", template_of(each)


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def stop_seconds(objects: list[dict[str, Any]], service: str) -> float:
    """How long a service may take to stop, as its process is told."""
    (common,) = (each["data"] for name, each in of_kind(objects, "ConfigMap").items() if "-settings" in name)
    container = template_of(of_kind(objects, "Deployment")[f"crossdock-{service}"])["spec"]["containers"][0]
    own = {entry["name"]: entry.get("value") for entry in container["env"]}
    return float(own.get("CROSSDOCK_STOP_SECONDS") or common["CROSSDOCK_STOP_SECONDS"])


def test_every_pod_satisfies_the_restricted_pod_security_standard(objects: list[dict[str, Any]]) -> None:
    namespace = next(each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, template in pods(objects):
        security = template["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in template["spec"]["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert own["readOnlyRootFilesystem"] is True, name


def test_no_pod_can_speak_to_the_cluster(objects: list[dict[str, Any]]) -> None:
    for name, template in pods(objects):
        assert template["spec"]["automountServiceAccountToken"] is False, name
    for name, account in of_kind(objects, "ServiceAccount").items():
        assert account["automountServiceAccountToken"] is False, name
    assert not [each["kind"] for each in objects if "Role" in each["kind"]]


def test_the_cluster_adds_no_variable_that_looks_like_a_setting(objects: list[dict[str, Any]]) -> None:
    for name, template in pods(objects):
        assert template["spec"]["enableServiceLinks"] is False, name


def test_every_container_asks_for_what_it_needs_and_has_a_limit_on_memory(objects: list[dict[str, Any]]) -> None:
    for name, template in pods(objects):
        for container in template["spec"]["containers"]:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_alive_by_its_loops_and_ready_by_its_servers(objects: list[dict[str, Any]], service: str) -> None:
    container = template_of(of_kind(objects, "Deployment")[f"crossdock-{service}"])["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_is_given_the_time_that_an_orderly_stop_takes(objects: list[dict[str, Any]], service: str) -> None:
    spec = template_of(of_kind(objects, "Deployment")[f"crossdock-{service}"])["spec"]
    wait = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] > wait + stop_seconds(objects, service) + CLOSE_SECONDS


def test_a_stop_lets_calls_to_the_outside_end_instead_of_leaving_them_in_doubt(objects: list[dict[str, Any]]) -> None:
    call = Fulfillment.model_fields["call_seconds"].default
    assert stop_seconds(objects, "fulfillment") > call + CLOSE_SECONDS


def test_callers_have_time_to_learn_that_a_pod_goes_and_most_of_it_with_the_gateway(
    objects: list[dict[str, Any]],
) -> None:
    waits = {}
    for name, deployment in of_kind(objects, "Deployment").items():
        container = template_of(deployment)["spec"]["containers"][0]
        if "lifecycle" in container:
            command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
            assert command == "sleep", name
            waits[name.removeprefix("crossdock-")] = int(seconds)
    assert waits.keys() == set(SERVICES)
    gateway = waits.pop("gateway")
    assert 5 <= min(waits.values()) <= max(waits.values()) < gateway


def test_a_service_address_leads_to_its_service_pods_and_never_to_a_job(objects: list[dict[str, Any]]) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects)}
    for name, service in of_kind(objects, "Service").items():
        selector = service["spec"]["selector"].items()
        chosen = {pod for pod, own in labels.items() if selector <= own.items()}
        assert chosen in ({f"Deployment {name}"}, {f"StatefulSet {name}"})


def test_every_workload_carries_the_recommended_labels(objects: list[dict[str, Any]]) -> None:
    wanted = {"name", "component", "instance", "part-of", "managed-by"}
    for each in objects:
        if each["kind"] in WORKLOADS:
            own = {f"app.kubernetes.io/{label}" for label in wanted}
            assert own <= each["metadata"]["labels"].keys(), each["metadata"]["name"]
            assert own <= template_of(each)["metadata"]["labels"].keys(), each["metadata"]["name"]


def test_a_release_has_one_tag_and_its_jobs_carry_it(objects: list[dict[str, Any]]) -> None:
    images = [
        (each, template_of(each)["spec"]["containers"][0]["image"]) for each in objects if each["kind"] in WORKLOADS
    ]
    ours = [each for each, image in images if image.startswith("crossdock-")]
    tags = {image.partition(":")[2] for _, image in images if image.startswith("crossdock-")}
    assert len(tags) == 1
    tag = tags.pop()
    for each in ours:
        assert each["metadata"]["labels"]["app.kubernetes.io/version"] == tag, each["metadata"]["name"]
        if each["kind"] == "Job":
            assert re.fullmatch(rf"crossdock-[a-z-]+-{re.escape(tag)}", each["metadata"]["name"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_migrates_and_declares_with_its_own_image(objects: list[dict[str, Any]], service: str) -> None:
    image = template_of(of_kind(objects, "Deployment")[f"crossdock-{service}"])["spec"]["containers"][0]["image"]
    assert image.startswith(f"crossdock-{service}:")
    jobs = of_kind(objects, "Job") | of_kind(objects, "CronJob")
    for what in ("migrate", "topology", "partitions"):
        job = next(job for name, job in jobs.items() if name.startswith(f"crossdock-{what}-{service}"))
        assert template_of(job)["spec"]["containers"][0]["image"] == image


def test_a_drain_is_never_blocked_and_takes_one_pod_of_a_service_at_a_time(objects: list[dict[str, Any]]) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects)}
    budgets = of_kind(objects, "PodDisruptionBudget")
    for service in SERVICES:
        spec = budgets[f"crossdock-{service}"]["spec"]
        selector = spec["selector"]["matchLabels"].items()
        assert {pod for pod, own in labels.items() if selector <= own.items()} == {f"Deployment crossdock-{service}"}
        # A number that must stay available would block every drain where there is one pod.
        assert spec["maxUnavailable"] == 1
        assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_world_reaches_webhooks_and_api_of_the_gateway_and_nothing_else(overlay: Overlay) -> None:
    objects = overlay("production")
    (route,) = of_kind(objects, "HTTPRoute").values()
    paths = {match["path"]["value"] for rule in route["spec"]["rules"] for match in rule["matches"]}
    backends = {backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]}
    assert paths == {"/webhooks", "/v1"}
    assert backends == {"crossdock-gateway"}
    assert {service["spec"].get("type", "ClusterIP") for service in of_kind(objects, "Service").values()} == {
        "ClusterIP"
    }


def test_production_runs_two_of_each_service(overlay: Overlay) -> None:
    deployments = of_kind(overlay("production"), "Deployment")
    assert deployments.keys() == {f"crossdock-{service}" for service in SERVICES}
    assert {each["spec"]["replicas"] for each in deployments.values()} == {2}


def test_the_dev_cluster_and_compose_run_the_broker_with_one_file(overlay: Overlay, root: Path) -> None:
    (settings,) = (
        each["data"] for name, each in of_kind(overlay("dev"), "ConfigMap").items() if name.startswith("rabbitmq")
    )
    assert settings == {"20-crossdock.conf": (root / "deploy/rabbitmq/rabbitmq.conf").read_text()}
