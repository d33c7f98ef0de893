"""Tags of orders, which wait behind everything else, and whether a channel tells customers of their parcels."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
SCHEMA = "fulfillment"


def upgrade() -> None:
    op.add_column(
        "channel",
        sa.Column("tags_resume_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'-infinity'")),
        schema=SCHEMA,
    )
    op.create_table(
        "channel_policy",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("notify_customer", sa.Boolean, nullable=False),
        schema=SCHEMA,
    )
    op.drop_constraint("write_back_kind", "write_back", schema=SCHEMA)
    op.create_check_constraint(
        "write_back_kind", "write_back", "kind IN ('submit', 'cancel', 'tracking', 'tag')", schema=SCHEMA
    )
    op.drop_index("write_back_due", "write_back", schema=SCHEMA)
    for name, which in (("write_back_due", "<>"), ("write_back_tags_due", "=")):
        op.create_index(
            name,
            "write_back",
            ["channel_id", "next_at"],
            schema=SCHEMA,
            postgresql_where=sa.text(f"state = 'pending' AND kind {which} 'tag'"),
        )
