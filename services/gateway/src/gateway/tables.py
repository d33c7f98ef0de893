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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crossdock.storage.tables import messaging_tables, redaction_table

metadata = MetaData(schema="gateway")
VOLATILE = {"volatile": True}
"""Marks times of our own clock, which two runs of the same events do not share."""

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
    Column("resets", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, info=VOLATILE),
    Column("changed_at", DateTime(timezone=True), nullable=False, info=VOLATILE),
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
    CheckConstraint(
        "kind IN ('access_token', 'webhook_secret', 'api_key', 'signing_secret', 'client_secret', 'refresh_token')",
        name="credential_kind",
    ),
    Index("credential_channel", "channel_id"),
)

connection = Table(
    "connection",
    metadata,
    Column("channel_id", Uuid, ForeignKey("gateway.channel.id"), primary_key=True),
    Column("access_by", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("authorized_at", DateTime(timezone=True), nullable=False, info=VOLATILE),
    Column("scopes", ARRAY(Text), nullable=False, server_default="{}"),
    Column("renewals", Integer, nullable=False, server_default="0"),
    Column("renewed_at", DateTime(timezone=True)),
    Column("renewal_due_at", DateTime(timezone=True)),
    Column("renewal_failures", Integer, nullable=False, server_default="0"),
    Column("renewal_problem", Text, nullable=False, server_default=""),
    Column("renewal_claim", Uuid),
    Column("renewal_claimed_until", DateTime(timezone=True)),
    Column("ended", Text, nullable=False, server_default=""),
    Column("check_due_at", DateTime(timezone=True), info=VOLATILE),
    Column("check_claim", Uuid),
    Column("check_claimed_until", DateTime(timezone=True)),
    Column("checked_at", DateTime(timezone=True)),
    Column("report", JSONB, nullable=False, server_default="{}"),
    Column("repairs", JSONB, nullable=False, server_default="[]"),
    Column("uninstall_told_at", DateTime(timezone=True)),
    CheckConstraint("access_by IN ('token', 'client_credentials', 'approval')", name="connection_access_by"),
)

approval = Table(
    "approval",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("shop", Text),
    Column("name", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
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
