"""Answers to requests that merchants make of our fulfillment service: one for each request."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
KINDS = "kind IN ('submit', 'cancel', 'tracking', 'tag', 'answer')"


def upgrade() -> None:
    """Let a write-back be an answer, and name the request that it answers."""
    op.add_column("write_back", sa.Column("asked", sa.Text, nullable=False, server_default=""), schema="fulfillment")
    op.drop_constraint("write_back_kind", "write_back", schema="fulfillment")
    op.create_check_constraint("write_back_kind", "write_back", KINDS, schema="fulfillment")
    op.create_index(
        "write_back_one_answer",
        "write_back",
        ["channel_id", "asked"],
        unique=True,
        schema="fulfillment",
        postgresql_where=sa.text("kind = 'answer'"),
    )
