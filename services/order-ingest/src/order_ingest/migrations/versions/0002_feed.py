"""How far each channel's list of changes was read. Channels that are connected already are read from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
SCHEMA = "order_ingest"


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached", sa.DateTime(timezone=True), nullable=False),
        sa.Column("page", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.Uuid),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("problem", sa.Text, nullable=False, server_default=""),
        sa.Column("polled_at", sa.DateTime(timezone=True)),
        schema=SCHEMA,
    )
    op.execute(
        f"INSERT INTO {SCHEMA}.feed (channel_id, start_at, since, reached, due_at) "  # noqa: S608
        f"SELECT channel_id, now(), now(), now(), now() FROM {SCHEMA}.channel WHERE channel_version > 0"
    )
