"""A service's process loads nothing that only migrations need: each megabyte counts once for each replica."""

import subprocess
import sys

import pytest

from crossdock.cli.stack import PACKAGES


@pytest.mark.parametrize("package", PACKAGES.values())
def test_a_service_loads_neither_alembic_nor_the_orm(package: str) -> None:
    loaded = f"import sys, {package}.main; print({{'alembic', 'sqlalchemy.orm'}} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "set()\n"
