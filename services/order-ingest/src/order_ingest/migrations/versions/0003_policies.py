"""The policy of each channel and its changes, and from when on a channel's orders are ours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
SCHEMA = "order_ingest"


def upgrade() -> None:
    for column in (
        sa.Column("policy", JSONB, nullable=False, server_default="{}"),
        sa.Column("policy_version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("ours_from", sa.DateTime(timezone=True)),
    ):
        op.add_column("channel", column, schema=SCHEMA)
    op.create_table(
        "policy_change",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changes", JSONB, nullable=False),
        schema=SCHEMA,
    )
    # Test orders were known by their flag alone; from now on every order that is not ours says why.
    op.execute(
        f"""UPDATE {SCHEMA}.orders
            SET progress = progress || '{{"verdict": {{"refusal": {{"code": "test", "lines": [], "quantities": {{}},
                "sentence": "", "next_action": "", "actor": ""}}, "waits": [], "unrouted": false,
                "cancelled_by": ""}}}}'
            WHERE status = 'rejected'"""  # noqa: S608
    )
