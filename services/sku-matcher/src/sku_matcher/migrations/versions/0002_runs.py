"""Integrations and their runs: a channel's catalogue is read on a schedule."""

from alembic import op

from crossdock.service.runs.tables import create_run_tables

revision = "0002"
down_revision = "0001"
SCHEMA = "sku_matcher"


def upgrade() -> None:
    create_run_tables(op, SCHEMA)
