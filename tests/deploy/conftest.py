"""What the deployment files say, as the tools that read them see it."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def check_deploy() -> Any:
    """tools/check_deploy.py as a module."""
    spec = importlib.util.spec_from_file_location("check_deploy", ROOT / "tools" / "check_deploy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def compose(check_deploy: Any) -> dict[str, Any]:
    """The services of docker-compose.yml, with generated settings filled in."""
    services: dict[str, Any] = check_deploy.compose()["services"]
    return services


@pytest.fixture(scope="session")
def overlay(check_deploy: Any) -> Callable[[str], list[dict[str, Any]]]:
    """All objects of an overlay; skips where kubectl is missing."""

    def build(name: str) -> list[dict[str, Any]]:
        try:
            objects: list[dict[str, Any]] = check_deploy.kustomized(name)
        except check_deploy.Missing as reason:
            pytest.skip(str(reason))
        return objects

    return build


# In a process of its own: the provider of metrics can be installed only once. Instruments are caught as they are made,
# wherever in a service that is.
EXPORT = """
import importlib
from crossdock.service import exporters, telemetry

made = [each for each in vars(telemetry).values() if type(each).__module__.startswith("opentelemetry.metrics")]

def caught(make):
    def instrument(*arguments, **options):
        made.append(make(*arguments, **options))
        return made[-1]
    return instrument

for kind in ("counter", "up_down_counter", "histogram", "gauge"):
    setattr(telemetry.meter, f"create_{kind}", caught(getattr(telemetry.meter, f"create_{kind}")))

from crossdock.cli.stack import PACKAGES

for package in PACKAGES.values():
    importlib.import_module(f"{package}.main")
exporters.configure("example", "")
for instrument in made:
    for verb in ("add", "record", "set"):
        if hasattr(instrument, verb):
            getattr(instrument, verb)(1)
print(exporters.prometheus_text().decode())
"""


@pytest.fixture(scope="session")
def exported() -> set[str]:
    """The name of every series that a service can export, as Prometheus sees it."""
    text = subprocess.run([sys.executable, "-c", EXPORT], capture_output=True, text=True, check=True).stdout
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
