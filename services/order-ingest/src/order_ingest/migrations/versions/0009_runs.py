"""Integrations and their runs: polls of a channel are runs from now on, and their place alone stays in `feed`."""

import sqlalchemy as sa
from alembic import op

from crossdock.service.runs.tables import create_run_tables

revision = "0009"
down_revision = "0008"
SCHEMA = "order_ingest"


def upgrade() -> None:
    create_run_tables(op, SCHEMA)
    for column in ("due_at", "token", "failures", "problem"):
        op.drop_column("feed", column, schema=SCHEMA)
    op.create_table(
        "in_flight",
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("order_id", sa.Uuid, primary_key=True),
        schema=SCHEMA,
    )
