"""Check the Dockerfile, compose and Kubernetes files with the tools that read them.

A tool that is missing is said aloud and skipped; nothing passes silently.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema.validators import Draft7Validator, validator_for

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
REFERENCE = Path(os.environ.get("CROSSDOCK_REFERENCE") or ROOT.parent / "shared")
OVERLAYS = ("dev", "production", "operators")
KUBERNETES = "1.32.0"
"""The oldest version whose schemas the manifests must satisfy."""


class Missing(Exception):
    """A tool or data that a check needs is not on this machine; the text says what is left unchecked."""


class Unbuildable(Exception):
    """An overlay cannot be built; the text is what kustomize says."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: returns the faults it found, one sentence each. Raises Missing, Unbuildable."""

    name: str
    run: Callable[[], list[str]]


def make_env(*arguments: str) -> None:
    """Generate secrets the way a person would."""
    subprocess.run(
        [sys.executable, ROOT / "deploy/docker/make-env", *arguments], check=True, capture_output=True, text=True
    )


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """A compose file with `${NAME}`, `${NAME:-default}` and `${NAME:?hint}` filled in. Raises KeyError."""

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if values.get(name):
            return values[name]
        if default is None:
            raise KeyError(name)
        return default

    pattern = r"\$\{(?P<name>\w+)(?::(?:-(?P<default>[^}]*)|\?[^}]*))?\}"
    return re.sub(pattern, value, text)


def env_values(path: Path) -> dict[str, str]:
    """What make-env wrote for compose."""
    pairs = (line.split("=", 1) for line in path.read_text().splitlines())
    return {name: value.strip("'") for name, value in pairs}


def compose() -> dict[str, Any]:
    """docker-compose.yml as compose sees it with freshly generated secrets."""
    with tempfile.TemporaryDirectory() as folder:
        make_env("--file", f"{folder}/.env")
        values = env_values(Path(folder, ".env"))
    loaded: dict[str, Any] = _filled(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), values)
    return loaded


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _filled(value, values) for key, value in node.items()}
        case list():
            return [_filled(value, values) for value in node]
        case str():
            return interpolated(node, values)
        case _:
            return node


@cache
def kustomized(overlay: str, components: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """All objects of an overlay, with components that it lacks if wanted, and with freshly generated secrets where it
    reads some. Raises Missing, Unbuildable."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Missing("kubectl is not installed, so the Kubernetes overlays are not built")
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(ROOT / "deploy", f"{folder}/deploy", ignore=shutil.ignore_patterns("secrets"))
        make_env("--kubernetes", f"{copy}/k8s/overlays/dev/secrets")
        wanted = Path(copy, "k8s/overlays/wanted")
        wanted.mkdir()
        added = [f"../../components/{component}" for component in components]
        (wanted / "kustomization.yaml").write_text(json.dumps({"resources": [f"../{overlay}"], "components": added}))
        built = _run([kubectl, "kustomize", str(wanted)])
    if built.returncode:
        raise Unbuildable(f"overlays/{overlay}: {built.stderr.strip()}")
    return _objects(built.stdout)


def dockerfile() -> list[str]:
    """The Dockerfile against hadolint's rules."""
    return _said(_run([_tool("hadolint"), "--no-color", "deploy/docker/Dockerfile"]))


def compose_schema() -> list[str]:
    """The compose file against the Compose Specification."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "docker-compose.json")
        file.write_text(json.dumps(compose()))
        return _said(_run([_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]))


def compose_config() -> list[str]:
    """The compose file as compose itself reads it, once with every setting and once with none."""
    docker = shutil.which("docker")
    if docker is None or _run([docker, "compose", "version"]).returncode:
        raise Missing("docker compose is not installed, so compose has not read the file")
    with tempfile.TemporaryDirectory() as folder:
        make_env("--file", f"{folder}/.env")
        Path(folder, "none").touch()
        faults = _said(_run([docker, "compose", "--env-file", f"{folder}/.env", "config", "--quiet"]))
        without = _run([docker, "compose", "--env-file", f"{folder}/none", "config", "--quiet"])
    if without.returncode == 0 or "make-env" not in without.stderr:
        faults.append("Without its settings compose should name the missing one and deploy/docker/make-env.")
    return faults


def kubernetes_schemas() -> list[str]:
    """Every overlay against Kubernetes' own schemas; kinds of other groups are left to their schemas."""
    faults = []
    for overlay in OVERLAYS:
        own = [document for document in kustomized(overlay) if not _foreign(document)]
        faults += _validated(own, f"overlays/{overlay}")
    for template in (ROOT / "deploy/k8s").rglob("secrets.example.yaml"):
        faults += _validated(_documents(template), str(template.relative_to(ROOT)))
    return faults


def foreign_schemas() -> list[str]:
    """Kinds that other projects define, against their schemas."""
    folder = REFERENCE / "k8s-schemas"
    foreign = [document for overlay in OVERLAYS for document in kustomized(overlay) if _foreign(document)]
    if not folder.is_dir():
        kinds = sorted({document["kind"] for document in foreign})
        raise Missing(f"{folder} is absent (CROSSDOCK_REFERENCE names it), so {', '.join(kinds)} is not checked")
    return [fault for document in foreign for fault in _against(document, folder)]


def alerts() -> list[str]:
    """The alerts as Prometheus reads them, and what they say of series made for the purpose."""
    promtool = shutil.which("promtool")
    if promtool is None:
        raise Missing("promtool is not installed (Debian: prometheus), so the alerts are not tried")
    rule = next(each for each in kustomized("operators") if each["kind"] == "PrometheusRule")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
        shutil.copy(ROOT / "tests/deploy/alerts.yaml", folder)
        faults = _said(_run([promtool, "check", "rules", f"{folder}/rules.yaml"]))
        return faults + _said(_run([promtool, "test", "rules", f"{folder}/alerts.yaml"]))


CHECKS = (
    Check("Dockerfile (hadolint)", dockerfile),
    Check("compose file (Compose Specification)", compose_schema),
    Check("compose file (docker compose config)", compose_config),
    Check(f"Kubernetes overlays (schemas of {KUBERNETES}, strict)", kubernetes_schemas),
    Check("Kubernetes kinds of other projects (their schemas)", foreign_schemas),
    Check("alerts (promtool)", alerts),
)


def _foreign(document: Mapping[str, Any]) -> bool:
    group = str(document["apiVersion"]).rpartition("/")[0]
    return group.startswith("gateway.") or ("." in group and not group.endswith(".k8s.io"))


def _validated(documents: Iterable[Mapping[str, Any]], where: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "objects.yaml")
        file.write_text(yaml.safe_dump_all(documents))
        result = _run([_tool("kubernetes-validate"), "--strict", "-k", KUBERNETES, str(file)])
    lines = (result.stdout + result.stderr).splitlines()
    # A kind without a schema is only a warning to the tool, and would be unchecked.
    wrong = [line for line in lines if line.strip() and not line.startswith("INFO")]
    return [f"{where}: {line}" for line in wrong]


def _against(document: Mapping[str, Any], folder: Path) -> list[str]:
    group, _, version = str(document["apiVersion"]).partition("/")
    kind, name = document["kind"], document["metadata"]["name"]
    file = folder / group / f"{kind.lower()}_{version}.json"
    if not file.exists():
        return [f"{kind} {name}: no schema of {group}/{version} to check it against."]
    schema = json.loads(file.read_text())
    found = validator_for(schema, default=Draft7Validator)(schema).iter_errors(document)
    return [f"{kind} {name}: {'/'.join(map(str, error.path))}: {error.message}" for error in found]


def _documents(path: Path) -> list[dict[str, Any]]:
    return _objects(path.read_text())


def _objects(text: str) -> list[dict[str, Any]]:
    # Thousands of lines, read for every overlay: libyaml is ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(text, Loader=loader) if document]


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{BIN}:{os.environ.get('PATH', '')}")
    if found is None:
        raise Missing(f"{name} is not installed; `make setup` brings it")
    return found


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def _said(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in (result.stdout + result.stderr).splitlines() if line] if result.returncode else []


def main() -> int:
    """Run every check and say how each ended; 1 when one found a fault."""
    failed = False
    for check in CHECKS:
        try:
            faults = check.run()
        except Missing as reason:
            sys.stdout.write(f"SKIPPED  {check.name}: {reason}.\n")
            continue
        except Unbuildable as fault:
            faults = [str(fault)]
        failed = failed or bool(faults)
        sys.stdout.write(f"{'FAILED ' if faults else 'ok     '}  {check.name}\n")
        sys.stdout.writelines(f"         {fault}\n" for fault in faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
