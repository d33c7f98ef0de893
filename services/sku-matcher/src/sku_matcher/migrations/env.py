"""Alembic's environment for sku-matcher."""

from crossdock.storage.migrations import run_environment
from sku_matcher.tables import metadata

run_environment(metadata)
