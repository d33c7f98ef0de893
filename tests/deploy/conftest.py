"""What the deployment files say, as the tools that read them see it."""

import importlib.util
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
