"""The dashboard shows metrics that the services really export, under the names that Prometheus sees."""

import json
import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def panels(root: Path) -> list[dict[str, Any]]:
    """The dashboard's panels."""
    found: list[dict[str, Any]] = json.loads((root / "deploy/grafana/crossdock.json").read_text())["panels"]
    return found


def test_every_metric_on_the_dashboard_is_exported(exported: set[str], panels: list[dict[str, Any]]) -> None:
    shown = {
        name
        for panel in panels
        for target in panel.get("targets", [])
        for name in re.findall(
            r"\b[a-z]+(?:_[a-z]+)+\b", re.sub(r"by \([^)]*\)|\{[^}]*\}|\[[^]]*\]", "", target["expr"])
        )
    }
    assert len(shown) > 12
    assert shown <= exported


def test_the_dashboard_works_with_any_prometheus(panels: list[dict[str, Any]]) -> None:
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["description"]
