"""Fulfillment's tables."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.storage.tables import messaging_tables, redaction_table

metadata = MetaData(schema="fulfillment")
messaging_tables(metadata)
redaction_table(metadata)

GENERATED = {"volatile": True}

channel = Table(
    "channel",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("channel_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("connected", Boolean, nullable=False),
    Column("resume_at", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
    Column("tags_resume_at", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'")),
)
channel_policy = Table(
    "channel_policy",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("policy_version", Integer, nullable=False),
    Column("notify_customer", Boolean, nullable=False),
)
desk = Table(
    "desk",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("order_state", JSONB),
    Column("reservation", JSONB),
    Column("settlement", JSONB),
    Column("recipes", JSONB),
    Column("recipient_version", Integer, nullable=False, server_default="0"),
    Column("recipient", Boolean, nullable=False, server_default=text("false")),
    Column("redacted", Boolean, nullable=False, server_default=text("false")),
    Column("address", Text, nullable=False, server_default=""),
    Column("destination", Text, nullable=False, server_default=""),
    Column("lacks_destination", Boolean, nullable=False, server_default=text("false")),
    Index("desk_lacks_destination", "order_id", postgresql_where=text("lacks_destination")),
)
recipient = Table(
    "recipient",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("recipient_version", Integer, nullable=False),
    Column("redacted", Boolean, nullable=False),
    Column("recipient", JSONB),
)
request = Table(
    "request",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("units", JSONB, nullable=False),
    Column("recipes", JSONB, nullable=False),
    Column("fate", Text, nullable=False),
    Column("cancelled", JSONB, nullable=False),
    Column("asked_content", Integer, nullable=False),
    Column("asked_voids", Integer, nullable=False),
    Column("asked_address", Text, nullable=False, server_default=""),
    Column("written_off", JSONB, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info=GENERATED),
    CheckConstraint(
        "fate IN ('sent', 'accepted', 'rejected', 'cancelling', 'closed')",
        name="request_fate",
    ),
)
shipment = Table(
    "shipment",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("dispatch", JSONB),
    Column("doubted", Boolean, nullable=False),
    Column("voided", Boolean, nullable=False),
    Column("reship", Boolean, nullable=False),
    Column("delivered_at", DateTime(timezone=True)),
)
doubt = Table(
    "doubt",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("notice", LargeBinary, nullable=False),
    Column("doubted_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info=GENERATED),
    Column("look_at", DateTime(timezone=True), nullable=False, info=GENERATED),
    Index("doubt_look_at", "look_at"),
)
write_back = Table(
    "write_back",
    metadata,
    Column("id", Uuid, primary_key=True, info=GENERATED),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("shipment_id", Text, nullable=False, server_default=""),
    Column("package_ref", Text, nullable=False, server_default=""),
    Column("asked", Text, nullable=False, server_default=""),
    Column("payload", JSONB, nullable=False),
    Column("traceparent", Text, nullable=False, info=GENERATED),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("lease_token", Uuid, info=GENERATED),
    Column("deadline", DateTime(timezone=True), info=GENERATED),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info=GENERATED),
    Column("look_count", Integer, nullable=False, server_default="0"),
    Column("first_doubt_at", DateTime(timezone=True), info=GENERATED),
    Column("needs_person", Boolean, nullable=False, server_default=text("false")),
    Column("external_id", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("evidence", JSONB, nullable=False, server_default=text("'[]'")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info=GENERATED),
    Column("settled_at", DateTime(timezone=True), info=GENERATED),
    CheckConstraint("kind IN ('submit', 'cancel', 'tracking', 'tag', 'answer')", name="write_back_kind"),
    CheckConstraint("state IN ('pending', 'sending', 'done', 'in_doubt', 'failed')", name="write_back_state"),
    Index("write_back_order", "order_id"),
    # Each look-up by target has one index whose condition fits: to a planner without statistics all are empty.
    Index(
        "write_back_due",
        "channel_id",
        "next_at",
        postgresql_where=text("state = 'pending' AND kind <> 'tag'"),
    ),
    Index(
        "write_back_tags_due",
        "channel_id",
        "next_at",
        postgresql_where=text("state = 'pending' AND kind = 'tag'"),
    ),
    Index("write_back_queued", "target", "id", postgresql_where=text("state = 'pending'")),
    Index(
        "write_back_one_per_target",
        "target",
        unique=True,
        postgresql_where=text("state IN ('sending', 'in_doubt')"),
    ),
    Index("write_back_one_answer", "channel_id", "asked", unique=True, postgresql_where=text("kind = 'answer'")),
    Index("write_back_sending", "deadline", postgresql_where=text("state = 'sending'")),
    Index("write_back_in_doubt", "next_at", postgresql_where=text("state = 'in_doubt'")),
    Index("write_back_failed", "settled_at", postgresql_where=text("state = 'failed'")),
)
