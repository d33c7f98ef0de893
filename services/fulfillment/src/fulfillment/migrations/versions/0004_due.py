"""An index on due writes that no look-up of a target's queue can be planned with."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
SCHEMA = "fulfillment"


def upgrade() -> None:
    op.drop_index("write_back_due", "write_back", schema=SCHEMA)
    op.create_index(
        "write_back_due",
        "write_back",
        ["channel_id", "next_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'pending' AND next_at IS NOT NULL"),
    )
