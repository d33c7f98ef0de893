"""Routes that changed and of which only the id is known."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
SCHEMA = "order_ingest"


def upgrade() -> None:
    op.create_table(
        "route_touch",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("route_id", sa.Text, primary_key=True),
        sa.Column("channel_kind", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.Uuid),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        schema=SCHEMA,
    )
    op.create_index("route_touch_due", "route_touch", ["due_at"], schema=SCHEMA)
