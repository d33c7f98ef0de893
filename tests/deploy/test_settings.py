"""Every process gets each setting that it requires, and none that does not exist."""

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from crossdock.cli.main import app
from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.storage.roles import roles_of

Overlay = Callable[[str], list[dict[str, Any]]]
DATABASE = "crossdock"
JOBS = {
    ("crossdock", "bootstrap"): {"POSTGRES_ADMIN_URL", "DATABASE", "ROLE_PASSWORDS"},
    ("crossdock", "migrate"): {"OWNER_DATABASE_URL"},
    ("crossdock", "topology", "apply"): {"MANAGEMENT_URL"},
    ("crossdock", "maintain"): {"OWNER_DATABASE_URLS"},
}


def settings_class(service: str) -> Any:
    """The settings of a service."""
    return importlib.import_module(f"{PACKAGES[service]}.settings").Settings


def unprefixed(names: Any) -> set[str]:
    """The names of Crossdock's own variables, without their prefix."""
    return {name.removeprefix("CROSSDOCK_") for name in names if name.startswith("CROSSDOCK_")}


def check_service(service: str, given: set[str]) -> None:
    """A service is given what it requires and nothing that it does not know."""
    fields = settings_class(service).model_fields
    assert given <= {name.upper() for name in fields}
    assert {name.upper() for name, field in fields.items() if field.is_required()} <= given


def load(service: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service's settings, read from an environment as the process reads them."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings_class(service)()


@pytest.mark.parametrize("service", SERVICES)
def test_compose_gives_a_service_settings_that_it_can_start_with(
    compose: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose[service]["environment"]
    check_service(service, unprefixed(environment))

    settings = load(service, environment, monkeypatch)

    assert urlsplit(settings.database_url.get_secret_value()).username == roles_of(DATABASE, service).runtime
    addresses = [getattr(settings, name) for name in type(settings).model_fields if name.endswith("_url")]
    hosts = {urlsplit(address).hostname for address in addresses if isinstance(address, str) and address}
    assert hosts <= set(compose)


def test_compose_hands_the_jobs_exactly_what_they_ask_for(compose: dict[str, Any]) -> None:
    for name, service in compose.items():
        commands = _commands(service.get("command", []))
        if not commands:
            continue
        wanted: set[str] = set().union(*(JOBS[command] for command in commands))
        assert unprefixed(service["environment"]) == wanted, name


@pytest.mark.parametrize(("command", "names"), JOBS.items(), ids=lambda words: " ".join(sorted(words)))
def test_a_job_names_the_setting_it_lacks(
    command: tuple[str, ...], names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"CROSSDOCK_{name}": "{}" for name in names}
    for absent in names:
        for name in values:
            monkeypatch.delenv(name, raising=False)
        environment = {"CROSSDOCK_RUN_DIR": str(tmp_path)} | values
        del environment[f"CROSSDOCK_{absent}"]

        result = CliRunner().invoke(app, list(command[1:]), env=environment)

        assert result.exit_code == 1
        assert f"Set CROSSDOCK_{absent.removesuffix('S')}" in result.output


@pytest.mark.parametrize("name", ["dev", "production", "operators"])
@pytest.mark.parametrize("service", SERVICES)
def test_kubernetes_gives_a_service_settings_that_it_can_start_with(overlay: Overlay, name: str, service: str) -> None:
    objects = overlay(name)
    maps = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    container = _deployment(objects, service)["spec"]["template"]["spec"]["containers"][0]
    plain = {
        key: value for source in container["envFrom"] for key, value in maps[source["configMapRef"]["name"]].items()
    }

    check_service(service, unprefixed([*plain, *(entry["name"] for entry in container["env"])]))

    ports = {
        (each["metadata"]["name"], port["port"]) for each in objects if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }  # fmt: skip
    addresses = [urlsplit(value) for key, value in plain.items() if key.endswith("_URL") and value]
    assert {(address.hostname, address.port) for address in addresses} <= ports
    assert int(plain["CROSSDOCK_PORT"]) == container["ports"][0]["containerPort"]


@pytest.mark.parametrize("name", ["dev", "production", "operators"])
def test_kubernetes_hands_the_jobs_exactly_what_they_ask_for(overlay: Overlay, name: str) -> None:
    jobs = [each for each in overlay(name) if each["kind"] in ("Job", "CronJob")]
    assert len([job for job in jobs if job["kind"] == "Job"]) >= 2 * len(SERVICES)
    for job in jobs:
        spec = job["spec"]["jobTemplate"]["spec"] if job["kind"] == "CronJob" else job["spec"]
        container = spec["template"]["spec"]["containers"][0]
        given = unprefixed(entry["name"] for entry in container["env"])
        assert given == JOBS[tuple(container["command"])], job["metadata"]["name"]


def test_the_image_gives_the_address_that_its_health_check_asks(root: Path) -> None:
    dockerfile = (root / "deploy/docker/Dockerfile").read_text()
    given = dict(re.findall(r"CROSSDOCK_(\w+)=(\S+)", dockerfile))

    assert given == {"HOST": "0.0.0.0", "PORT": "8080"}
    assert re.search(r"^EXPOSE 8080$", dockerfile, re.MULTILINE)
    assert {name.lower() for name in given} <= set(settings_class("inventory").model_fields)


def _commands(command: list[str]) -> list[tuple[str, ...]]:
    text = command[2] if command[:2] == ["/bin/sh", "-c"] else " ".join(command)
    return [tuple(part.split()) for part in text.split(" && ") if part.startswith("crossdock ")]


def _deployment(objects: list[dict[str, Any]], service: str) -> dict[str, Any]:
    return next(
        each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == f"crossdock-{service}"
    )
