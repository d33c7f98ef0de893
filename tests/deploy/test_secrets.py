"""No file holds a secret or the address of a registry; every process reads its own secrets alone."""

import base64
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from dotenv import dotenv_values

from crossdock.cli.stack import SERVICES
from crossdock.storage.roles import roles_of
from gateway.sealing import SealingBox

Overlay = Callable[[str], list[dict[str, Any]]]
DATABASE = "crossdock"
SECRETIVE = re.compile(r"PASSWORD|PASS$|_KEYS?$|DATABASE_URLS?$|BROKER_URL|ADMIN_URL|MANAGEMENT_URL")


@pytest.fixture
def files(root: Path) -> list[Path]:
    """Every file with which Crossdock is deployed."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "deploy", "docker-compose.yml"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    found = [root / name for name in tracked]
    assert len(found) > 20
    return found


def run_make_env(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would."""
    return subprocess.run([root / "deploy/docker/make-env", *arguments], capture_output=True, text=True, check=False)


def test_no_file_names_a_registry(files: list[Path]) -> None:
    known = re.compile(r"(^|\.)(k8s\.io|kubernetes\.io|example\.com|coreos\.com|rabbitmq\.com|cnpg\.io)$")
    for path in files:
        hosts = re.findall(r"(?<![\w./-])(?:[\w-]+\.)+(?:io|com|org|net|dev|cloud)(?![\w-])", path.read_text())
        assert [host for host in hosts if not known.search(host)] == [], path


def test_images_have_plain_names(files: list[Path]) -> None:
    for path in files:
        for image in re.findall(
            r"^\s*(?:- )?(?:image:|FROM|ARG PYTHON_IMAGE=)\s*(\S+)", path.read_text(), re.MULTILINE
        ):
            assert "/" not in image, path


def test_no_file_holds_a_password(files: list[Path]) -> None:
    for path in files:
        for user, password in re.findall(r"://([^/\s:@]+):([^/\s@]+)@", path.read_text()):
            assert password.startswith(("<", "{")), f"{path}: {user}"


def test_compose_takes_every_secret_from_the_environment_and_has_no_default(root: Path) -> None:
    services = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    secrets = {
        (service, name): value
        for service, told in services.items()
        for name, value in told.get("environment", {}).items()
        if SECRETIVE.search(name)
    }
    assert len(secrets) > 20
    for where, value in secrets.items():
        assert re.fullmatch(r"\$\{\w+:\?set it, or run deploy/docker/make-env\}", value), where


@pytest.mark.parametrize("name", ["dev", "production", "operators"])
def test_containers_take_every_secret_from_a_secret(overlay: Overlay, name: str) -> None:
    for each in overlay(name):
        for container in containers(each):
            for entry in container.get("env", []):
                if SECRETIVE.search(entry["name"]):
                    assert "secretKeyRef" in entry["valueFrom"], entry


@pytest.mark.parametrize("name", ["production", "operators"])
def test_production_brings_no_secret_of_its_own(overlay: Overlay, name: str) -> None:
    assert [each for each in overlay(name) if each["kind"] == "Secret"] == []


@pytest.mark.parametrize("name", ["dev", "production", "operators"])
def test_a_service_reads_its_own_secrets_and_no_others(overlay: Overlay, name: str) -> None:
    for each in overlay(name):
        service = each["metadata"].get("labels", {}).get("app.kubernetes.io/name")
        if service not in SERVICES:
            continue
        component = each["metadata"]["labels"].get("app.kubernetes.io/component")
        own = {
            "service": f"crossdock-{service}",
            "topology": "crossdock-topology",
            "migration": f"crossdock-owner-{service}",
            "partitions": f"crossdock-owner-{service}",
        }
        assert {secret for secret, _ in read_by(each)} <= {own.get(component, "")}, each["metadata"]["name"]


def test_the_template_names_every_secret_that_production_reads(root: Path, overlay: Overlay) -> None:
    template = secrets_in(root / "deploy/k8s/secrets.example.yaml")
    bootstrap = {key for key in template if key[0] == "crossdock-bootstrap"}
    scaler = {key for key in template if key[0] == "crossdock-scaler"}
    assert bootstrap
    assert scaler
    read = {name: {key for each in overlay(name) for key in read_by(each)} for name in ("production", "dev")}
    assert read["production"] == template - bootstrap - scaler
    assert {key for key in read["dev"] if key[0].startswith("crossdock-")} == template - scaler


def test_the_templates_name_every_secret_that_the_operators_read(root: Path, overlay: Overlay) -> None:
    folder = root / "deploy/k8s"
    servers = secrets_in(folder / "overlays/operators/secrets.example.yaml")
    objects = overlay("operators")
    read = {key for each in objects for key in read_by(each)}
    for each in objects:
        match each["kind"]:
            case "TriggerAuthentication":
                read |= {(target["name"], target["key"]) for target in each["spec"]["secretTargetRef"]}
            case "User":
                name = each["spec"]["importCredentialsSecret"]["name"]
                read |= {(name, "username"), (name, "password")}
            case "Cluster":
                name = each["spec"]["superuserSecret"]["name"]
                read |= {(name, "username"), (name, "password")}
    assert read == secrets_in(folder / "secrets.example.yaml") | servers


def test_make_env_writes_every_secret_that_the_dev_overlay_reads(overlay: Overlay) -> None:
    objects = overlay("dev")
    written = {
        (each["metadata"]["name"], key) for each in objects if each["kind"] == "Secret" for key in each["data"]
    }  # fmt: skip
    assert {key for each in objects for key in read_by(each)} == written


def test_make_env_writes_what_only_its_owner_reads(root: Path, tmp_path: Path) -> None:
    assert run_make_env(root, "--file", str(tmp_path / ".env")).returncode == 0
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600

    assert run_make_env(root, "--kubernetes", str(tmp_path / "secrets")).returncode == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_make_env_leaves_an_existing_file_alone(root: Path, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("IN_USE=1\n")

    again = run_make_env(root, "--file", str(file))

    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert str(file) in again.stderr
    assert file.read_text() == "IN_USE=1\n"


def test_two_installations_share_no_secret(root: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        run_make_env(root, "--file", str(tmp_path / name))
    one, other = (dotenv_values(tmp_path / name) for name in ("one", "other"))

    assert one.keys() == other.keys()
    assert not {*one.values()} & {*other.values()}


def test_the_generated_roles_passwords_and_addresses_belong_together(root: Path, tmp_path: Path) -> None:
    run_make_env(root, "--file", str(tmp_path / ".env"))
    values = {name: value or "" for name, value in dotenv_values(tmp_path / ".env").items()}

    passwords = json.loads(values["ROLE_PASSWORDS"])
    roles = [roles_of(DATABASE, service) for service in SERVICES]
    assert passwords.keys() == {name for each in roles for name in (each.owner, each.runtime)}
    for each in roles:
        name = each.service.replace("-", "_").upper()
        for variable, role in ((f"{name}_DATABASE_URL", each.runtime), (f"{name}_OWNER_DATABASE_URL", each.owner)):
            address = urlsplit(values[variable])
            assert (address.username, address.password) == (role, passwords[role])
            assert address.path == f"/{DATABASE}"
        assert json.loads(values["OWNER_DATABASE_URLS"])[each.service] == values[f"{name}_OWNER_DATABASE_URL"]


def test_the_gateway_can_seal_with_the_generated_key(root: Path, tmp_path: Path) -> None:
    run_make_env(root, "--file", str(tmp_path / ".env"))

    assert SealingBox.from_setting(dotenv_values(tmp_path / ".env")["SEALING_KEYS"] or "").current == "first"


def test_the_overlay_gets_what_make_env_wrote_byte_for_byte(overlay: Overlay) -> None:
    secret = next(each for each in overlay("dev") if each["metadata"]["name"] == "crossdock-bootstrap")
    passwords = json.loads(base64.b64decode(secret["data"]["CROSSDOCK_ROLE_PASSWORDS"]))
    assert len(passwords) == 2 * len(SERVICES)


def secrets_in(template: Path) -> set[tuple[str, str]]:
    """The (Secret, key) pairs of a template."""
    secrets = yaml.safe_load_all(template.read_text())
    return {(each["metadata"]["name"], key) for each in secrets if each for key in each["stringData"]}


def containers(each: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of a workload."""
    spec = each.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    found: list[dict[str, Any]] = template.get("spec", {}).get("containers", [])
    return found


def read_by(each: dict[str, Any]) -> set[tuple[str, str]]:
    """The (Secret, key) pairs that a workload reads."""
    references = (
        entry["valueFrom"]["secretKeyRef"]
        for container in containers(each)
        for entry in container.get("env", [])
        if "valueFrom" in entry
    )
    return {(reference["name"], reference["key"]) for reference in references}
