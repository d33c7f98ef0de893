"""Run by Alembic."""

from crossdock.storage.migrations import run_environment
from gateway.tables import metadata

run_environment(metadata)
