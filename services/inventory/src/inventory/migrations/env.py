"""Alembic's environment for inventory."""

from crossdock.storage.migrations import run_environment
from inventory.tables import metadata

run_environment(metadata)
