"""The system in containers: nothing more open than it must be, started in the right order."""

import importlib
from pathlib import Path
from typing import Any

from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.storage.engine import pool_size

SERVERS = {"postgres", "rabbitmq"}


def test_every_service_runs_besides_its_servers(compose: dict[str, Any]) -> None:
    assert compose.keys() >= {*SERVICES, *SERVERS, "bootstrap", "maintenance", "sandbox"}
    assert compose["sandbox"]["profiles"] == ["sandbox"]
    assert compose["postgres"]["image"] == "postgres:17"
    assert compose["rabbitmq"]["image"] == "rabbitmq:4-management"


def test_no_container_can_change_its_image_or_gain_rights(compose: dict[str, Any]) -> None:
    for name, service in compose.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["restart"] in ("unless-stopped", "no"), name


def test_only_the_gateway_is_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose.items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:8080:8080"]}


def test_the_servers_have_no_way_out_and_the_sandbox_no_way_to_them(check_deploy: Any, compose: dict[str, Any]) -> None:
    assert check_deploy.compose()["networks"]["servers"] == {"internal": True}
    assert all(compose[name]["networks"] == ["servers"] for name in SERVERS)
    assert compose["sandbox"]["networks"] == ["outside"]


def test_a_service_starts_once_its_schema_and_queues_are_there(compose: dict[str, Any]) -> None:
    done, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert compose["bootstrap"]["depends_on"] == {"postgres": healthy}
    for name in SERVICES:
        assert compose[f"prepare-{name}"]["depends_on"] == {"bootstrap": done, "rabbitmq": healthy}
        assert compose[f"prepare-{name}"]["image"] == compose[name]["image"]
        assert compose[name]["depends_on"] == {f"prepare-{name}": done}


def test_compose_waits_until_orders_can_flow(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        assert "/readyz" in compose[name]["healthcheck"]["test"][-1]
    for name in SERVERS:
        assert compose[name]["healthcheck"]["test"][0] == "CMD"


def test_each_image_is_built_from_a_member_of_this_repository(compose: dict[str, Any], root: Path) -> None:
    for name, service in compose.items():
        if name in SERVERS:
            continue
        member, package = service["build"]["args"]["MEMBER"], service["build"]["args"]["PACKAGE"]
        assert (root / member / "src" / package / "__main__.py").exists(), name
        assert service["image"] == f"crossdock-{Path(member).name}:dev"
        assert (root / service["build"]["dockerfile"]).exists()


def test_postgres_has_connections_to_spare_for_all_pools(compose: dict[str, Any]) -> None:
    services = [importlib.import_module(f"{package}.main").service for package in PACKAGES.values()]
    pools = sum(pool_size(len(service.consumer.handlers), len(service.workers)) for service in services)
    allowed = next(word for word in compose["postgres"]["command"] if word.startswith("max_connections="))
    # Twice over: while containers are replaced, the old ones still hold theirs.
    assert 2 * pools < int(allowed.partition("=")[2])
