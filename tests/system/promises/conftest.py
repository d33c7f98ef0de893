"""Every test in this folder breaks a whole running system: `make promises` runs them, `make test` stays quick."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.promise)
