"""The gateway's tables: channels, sealed credentials, deliveries, API keys."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.storage.tables import messaging_tables, redaction_table

metadata = MetaData(schema="gateway")

channel = Table(
    "channel",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("shop", Text),
    Column("base_url", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("kind", "shop", name="channel_shop"),
    CheckConstraint("mode IN ('observe', 'live')", name="channel_mode"),
    CheckConstraint("state IN ('connected', 'disconnected')", name="channel_state"),
)

credential = Table(
    "credential",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("channel_id", Uuid, ForeignKey("gateway.channel.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('access_token', 'webhook_secret', 'api_key', 'signing_secret')", name="credential_kind"),
    Index("credential_channel", "channel_id"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("external_delivery_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("event_id", Text),
    Column("triggered_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("category", Text, nullable=False),
    Column("size", Integer, nullable=False),
    UniqueConstraint("channel_id", "external_delivery_id", name="delivery_once"),
)

delivery_body = Table(
    "delivery_body",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    UniqueConstraint("key_hash", name="api_key_hash"),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="api_key_role"),
)

messaging_tables(metadata)
redaction_table(metadata)
