"""Channels, the desk of each order with its requests and shipments, and the writes to the outside."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.storage.migrations import create_messaging_tables

revision = "0001"
down_revision = None
SCHEMA = "fulfillment"


def upgrade() -> None:
    create_messaging_tables(op, SCHEMA)
    op.create_table(
        "channel",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("channel_version", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("settings", JSONB, nullable=False),
        sa.Column("connected", sa.Boolean, nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'-infinity'")),
        schema=SCHEMA,
    )
    op.create_table(
        "desk",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("order_state", JSONB),
        sa.Column("reservation", JSONB),
        sa.Column("settlement", JSONB),
        sa.Column("recipes", JSONB),
        sa.Column("recipient_version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("recipient", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("redacted", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("destination", sa.Text, nullable=False, server_default=""),
        sa.Column("lacks_destination", sa.Boolean, nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    op.create_index(
        "desk_lacks_destination", "desk", ["order_id"], schema=SCHEMA, postgresql_where=sa.text("lacks_destination")
    )
    op.create_table(
        "recipient",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("recipient_version", sa.Integer, nullable=False),
        sa.Column("redacted", sa.Boolean, nullable=False),
        sa.Column("recipient", JSONB),
        schema=SCHEMA,
    )
    op.create_table(
        "request",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("units", JSONB, nullable=False),
        sa.Column("recipes", JSONB, nullable=False),
        sa.Column("fate", sa.Text, nullable=False),
        sa.Column("cancelled", JSONB, nullable=False),
        sa.Column("asked_content", sa.Integer, nullable=False),
        sa.Column("asked_voids", sa.Integer, nullable=False),
        sa.Column("written_off", JSONB, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.CheckConstraint(
            "fate IN ('sent', 'accepted', 'rejected', 'cancelling', 'closed')",
            name="request_fate",
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "shipment",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("shipment_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("dispatch", JSONB),
        sa.Column("doubted", sa.Boolean, nullable=False),
        sa.Column("voided", sa.Boolean, nullable=False),
        sa.Column("reship", sa.Boolean, nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        schema=SCHEMA,
    )
    op.create_table(
        "doubt",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("shipment_id", sa.Text, primary_key=True),
        sa.Column("notice", sa.LargeBinary, nullable=False),
        sa.Column("doubted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("doubt_look_at", "doubt", ["look_at"], schema=SCHEMA)
    op.create_table(
        "write_back",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("shipment_id", sa.Text, nullable=False, server_default=""),
        sa.Column("package_ref", sa.Text, nullable=False, server_default=""),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="pending"),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("deadline", sa.DateTime(timezone=True)),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("look_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_doubt_at", sa.DateTime(timezone=True)),
        sa.Column("needs_person", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("external_id", sa.Text, nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("evidence", JSONB, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("kind IN ('submit', 'cancel', 'tracking')", name="write_back_kind"),
        sa.CheckConstraint("state IN ('pending', 'sending', 'done', 'in_doubt', 'failed')", name="write_back_state"),
        schema=SCHEMA,
    )
    op.create_index("write_back_order", "write_back", ["order_id"], schema=SCHEMA)
    op.create_index(
        "write_back_due",
        "write_back",
        ["channel_id", "next_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "write_back_queued",
        "write_back",
        ["target", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "write_back_one_per_target",
        "write_back",
        ["target"],
        schema=SCHEMA,
        unique=True,
        postgresql_where=sa.text("state IN ('sending', 'in_doubt')"),
    )
    op.create_index(
        "write_back_unsettled",
        "write_back",
        ["state", "next_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state IN ('sending', 'in_doubt')"),
    )
    op.create_index(
        "write_back_failed", "write_back", ["settled_at"], schema=SCHEMA, postgresql_where=sa.text("state = 'failed'")
    )
    # Room on each page for the next version of a row: these are updated several times in an order's life.
    for table in ("desk", "request", "write_back"):
        op.execute(f"ALTER TABLE {SCHEMA}.{table} SET (fillfactor = 75)")
