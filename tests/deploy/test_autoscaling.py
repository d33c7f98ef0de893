"""Pods by the depth of their queues: as KEDA documents its triggers, and never more than rows and connections bear."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.service.settings import ServiceSettings
from crossdock.storage.engine import pool_size

Overlay = Callable[[str], list[dict[str, Any]]]

# A trigger's metadata is a free map to its schema, so a misspelt key would pass and be ignored. These are the keys of
# KEDA's documentation (scalers `rabbitmq-queue` and `cpu`, 2.20) that a trigger may carry beside an authentication.
DOCUMENTED = {
    "rabbitmq": {
        "protocol", "mode", "value", "activationValue", "queueName", "vhostName", "excludeUnacknowledged", "useRegex",
        "pageSize", "operation", "timeout", "unsafeSsl",
    },
    "cpu": {"value", "containerName"},
}  # fmt: skip
CONSUMERS = tuple(service for service in SERVICES if service != "gateway")


@pytest.fixture
def scaled(overlay: Overlay) -> dict[str, dict[str, Any]]:
    """The specification of each ScaledObject, by the service that it scales."""
    return {
        each["spec"]["scaleTargetRef"]["name"].removeprefix("crossdock-"): each["spec"]
        for each in overlay("operators")
        if each["kind"] == "ScaledObject"
    }


def service(name: str) -> Any:
    """A service as its image runs it."""
    return importlib.import_module(f"{PACKAGES[name]}.main").service


def test_every_service_is_scaled_and_nothing_else_sets_its_replicas(
    scaled: dict[str, dict[str, Any]], overlay: Overlay
) -> None:
    assert scaled.keys() == set(SERVICES)
    deployments = [each for each in overlay("operators") if each["kind"] == "Deployment"]
    assert len(deployments) == len(SERVICES)
    for each in deployments:
        assert "replicas" not in each["spec"], each["metadata"]["name"]


def test_triggers_use_only_keys_that_keda_documents(scaled: dict[str, dict[str, Any]]) -> None:
    for name, spec in scaled.items():
        for trigger in spec["triggers"]:
            assert trigger["metadata"].keys() <= DOCUMENTED[trigger["type"]], name
            assert all(isinstance(value, str) for value in trigger["metadata"].values()), name


@pytest.mark.parametrize("name", CONSUMERS)
def test_each_queue_of_a_service_counts_with_the_messages_that_its_pods_hold(
    scaled: dict[str, dict[str, Any]], name: str
) -> None:
    triggers = scaled[name]["triggers"]
    assert [trigger["metadata"]["queueName"] for trigger in triggers] == [
        queue.name for queue in service(name).topology().queues
    ]
    batch = ServiceSettings.model_fields["batch_size"].default
    for trigger in triggers:
        # Over AMQP only ready messages count, and pods that hold all of them would be stopped.
        assert trigger["metadata"]["protocol"] == "http"
        assert trigger["metadata"]["mode"] == "QueueLength"
        assert trigger["metadata"].get("excludeUnacknowledged", "false") == "false"
        assert float(trigger["metadata"]["value"]) == 10 * batch
        assert trigger["authenticationRef"] == {"name": "crossdock-scaler"}


def test_a_service_is_never_switched_off_and_shrinks_slowly(scaled: dict[str, dict[str, Any]]) -> None:
    for name, spec in scaled.items():
        assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"], name
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] == 300, name
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}], name


def test_handlers_that_lock_the_same_rows_have_the_fewest_pods(scaled: dict[str, dict[str, Any]]) -> None:
    most = {name: scaled[name]["maxReplicaCount"] for name in CONSUMERS}
    assert most["inventory"] == 2
    assert min(most.values()) == most["inventory"]


def test_postgres_has_connections_for_all_pods_while_a_release_replaces_them(
    scaled: dict[str, dict[str, Any]], overlay: Overlay
) -> None:
    objects = overlay("operators")
    surge = {
        each["metadata"]["name"].removeprefix("crossdock-"): each["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        for each in objects
        if each["kind"] == "Deployment"
    }
    jobs = sum(each["kind"] in ("Job", "CronJob") for each in objects)
    most = jobs + sum(
        (spec["maxReplicaCount"] + surge[name]) * pool_size(len(each.consumer.handlers), len(each.workers))
        for name, spec in scaled.items()
        for each in [service(name)]
    )
    (cluster,) = (each for each in objects if each["kind"] == "Cluster")
    allowed = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    assert most < 0.9 * allowed  # a tenth for the operator, its monitoring, and a person who looks


def test_the_scaler_has_no_credentials_in_its_triggers(overlay: Overlay) -> None:
    (authentication,) = (each for each in overlay("operators") if each["kind"] == "TriggerAuthentication")
    assert authentication["metadata"]["name"] == "crossdock-scaler"
    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "host", "name": "crossdock-scaler", "key": "host"}]
    }
