"""Alembic's environment for order-ingest."""

from crossdock.storage.migrations import run_environment
from order_ingest.tables import metadata

run_environment(metadata)
