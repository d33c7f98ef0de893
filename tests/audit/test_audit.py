"""`make audit` fails for a known vulnerability, and passes with a sentence where nobody can tell."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

CLEAN = {"name": "httpx", "version": "0.28.1", "vulns": []}
UNKNOWN = {"name": "nobody-knows-it", "skip_reason": "Dependency not found on PyPI and could not be audited"}
HOLED = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}]}


@pytest.fixture(scope="module")
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / "tools" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_known_vulnerability_fails_and_says_what_to_do(audit: Any) -> None:
    code, lines = audit.verdict(json.dumps({"dependencies": [CLEAN, HOLED, UNKNOWN], "fixes": []}))
    assert code == 1
    assert lines[0] == "old 1.0: PYSEC-1, mended in 1.1"


def test_none_passes_and_counts(audit: Any) -> None:
    code, lines = audit.verdict(json.dumps({"dependencies": [CLEAN, UNKNOWN], "fixes": []}))
    assert (code, lines) == (0, ["1 dependencies asked about, 0 known vulnerabilities; nobody knows 1 others."])


@pytest.mark.parametrize("report", ["", "Traceback", "[]", json.dumps({"dependencies": [UNKNOWN]})])
def test_where_nobody_can_tell_it_says_so(audit: Any, report: str) -> None:
    code, [line] = audit.verdict(report)
    assert (code, line.split(":")[0]) == (0, "Skipped")
