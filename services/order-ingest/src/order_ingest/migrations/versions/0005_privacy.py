"""Requests about people, the proof of what became of them, and tombstones that refuse personal data."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crossdock.storage.migrations import create_redaction_table

revision = "0005"
down_revision = "0004"
SCHEMA = "order_ingest"
NOW = sa.text("now()")


def upgrade() -> None:
    create_redaction_table(op, SCHEMA)
    op.add_column("orders", sa.Column("ended_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.add_column(
        "orders", sa.Column("redacted", sa.Boolean, nullable=False, server_default=sa.text("false")), schema=SCHEMA
    )
    op.create_index(
        "orders_retention",
        "orders",
        ["channel_id", "ended_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("NOT redacted AND ended_at IS NOT NULL"),
    )
    op.add_column("channel", sa.Column("redacted_before", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.create_table(
        "tombstone",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("external_id", sa.Text, primary_key=True),
        schema=SCHEMA,
    )
    _requests()
    op.execute(
        f"UPDATE {SCHEMA}.orders SET ended_at = now() "  # noqa: S608
        "WHERE status IN ('shipped', 'delivered', 'cancelled', 'cancelled_shipped_anyway', 'rejected', 'record_only')"
    )


def _requests() -> None:
    op.create_table(
        "privacy_request",
        sa.Column("request_id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("external_ids", ARRAY(sa.Text), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("order_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="open"),
        sa.Column("after", sa.Uuid),
        sa.Column("pages", sa.Integer, nullable=False, server_default="0"),
        sa.Column("orders", sa.Integer, nullable=False, server_default="0"),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        schema=SCHEMA,
    )
    op.create_index(
        "privacy_request_open",
        "privacy_request",
        ["request_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "privacy_report",
        sa.Column("page_id", sa.Uuid, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("searched", JSONB, nullable=False),
        sa.Column("removed", JSONB, nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        schema=SCHEMA,
    )
    op.create_index("privacy_report_request", "privacy_report", ["request_id"], schema=SCHEMA)
