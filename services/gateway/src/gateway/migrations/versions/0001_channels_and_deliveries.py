"""Channels with sealed credentials, deliveries with their bodies, API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.storage.migrations import create_messaging_tables

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "channel",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("shop", sa.Text),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("settings", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.UniqueConstraint("kind", "shop", name="channel_shop"),
        sa.CheckConstraint("mode IN ('observe', 'live')", name="channel_mode"),
        sa.CheckConstraint("state IN ('connected', 'disconnected')", name="channel_state"),
        schema="gateway",
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid, sa.ForeignKey("gateway.channel.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.CheckConstraint(
            "kind IN ('access_token', 'webhook_secret', 'api_key', 'signing_secret')", name="credential_kind"
        ),
        schema="gateway",
    )
    op.create_index("credential_channel", "credential", ["channel_id"], schema="gateway")
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("external_delivery_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("triggered_at", MOMENT),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.UniqueConstraint("channel_id", "external_delivery_id", name="delivery_once"),
        schema="gateway",
    )
    op.create_table(
        "delivery_body",
        sa.Column("delivery_id", sa.Uuid, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        schema="gateway",
    )
    # Compressing a body in the way of Postgres costs more than its 30 days on disk, and the insert waits for it.
    op.execute("ALTER TABLE gateway.delivery_body ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.UniqueConstraint("key_hash", name="api_key_hash"),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="api_key_role"),
        schema="gateway",
    )
    create_messaging_tables(op, "gateway")
