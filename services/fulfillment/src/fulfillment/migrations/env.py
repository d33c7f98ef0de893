"""Alembic's environment for fulfillment."""

from crossdock.storage.migrations import run_environment
from fulfillment.tables import metadata

run_environment(metadata)
