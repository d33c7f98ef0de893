"""Orders, recipients, timelines, and the channels they come from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crossdock.storage.migrations import create_messaging_tables

revision = "0001"
down_revision = None
SCHEMA = "order_ingest"


def upgrade() -> None:
    create_messaging_tables(op, SCHEMA)
    _orders()
    op.create_table(
        "recipient",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("recipient_version", sa.Integer, nullable=False),
        sa.Column("recipient", JSONB, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "timeline",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("cause", sa.Uuid),
        schema=SCHEMA,
    )
    op.create_table(
        "channel",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("channel_version", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("connected", sa.Boolean, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "reconsideration",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("after", sa.Uuid, nullable=False),
        schema=SCHEMA,
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("channel_kind", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("number_key", sa.Text, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True)),
        sa.Column("status", sa.Text, nullable=False, server_default="received"),
        sa.Column("hold_codes", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("source", JSONB),
        sa.Column("progress", JSONB, nullable=False, server_default="{}"),
        sa.Column("refetch_due_at", sa.DateTime(timezone=True)),
        sa.Column("refetch_again", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("refetch_attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refetch_token", sa.Uuid),
        schema=SCHEMA,
    )
    op.execute(
        f"ALTER TABLE {SCHEMA}.orders SET (fillfactor = 70)"
    )  # milestones that change no index stay on their page
    op.create_index("orders_external_id", "orders", ["channel_id", "external_id"], unique=True, schema=SCHEMA)
    op.create_index("orders_status", "orders", ["status", "order_id"], schema=SCHEMA)
    op.create_index("orders_channel", "orders", ["channel_id", "order_id"], schema=SCHEMA)
    op.create_index(
        "orders_number", "orders", ["number_key"], schema=SCHEMA, postgresql_ops={"number_key": "text_pattern_ops"}
    )
    op.create_index(
        "orders_held",
        "orders",
        ["hold_codes"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_where=sa.text("hold_codes <> '{}'"),
    )
    op.create_index(
        "orders_refetch",
        "orders",
        ["refetch_due_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("refetch_due_at IS NOT NULL"),
    )
