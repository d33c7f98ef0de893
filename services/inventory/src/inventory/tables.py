"""Inventory's tables."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crossdock.storage.tables import messaging_tables

metadata = MetaData(schema="inventory")
messaging_tables(metadata)

location = Table(
    "location",
    metadata,
    Column("location_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    info={"reference": True},
)
stock = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("location_id", Uuid, ForeignKey("inventory.location.location_id"), primary_key=True),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("counted_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("reserved >= 0", name="stock_reserved_not_negative"),
)
ledger = Table(
    "ledger",
    metadata,
    Column("id", Uuid, primary_key=True, info={"volatile": True}),
    Column("sku", Text, nullable=False),
    Column("location_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("contained", Boolean, nullable=False),
    Column("order_id", Uuid),
    Column("cause", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column(
        "recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info={"volatile": True}
    ),
    Index("ledger_sku_at", "sku", "location_id", "at"),
)
claim = Table(
    "claim",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("placed_at", DateTime(timezone=True)),
    Column("match_content", Integer, nullable=False),
    Column("match_version", Integer, nullable=False),
    Column("answered_content", Integer, nullable=False),
    Column("answered_match", Integer, nullable=False),
    Column("reservation_version", Integer, nullable=False),
    Column("reserved", Boolean, nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("skus", ARRAY(Text), nullable=False),
    Column("items", JSONB, nullable=False),
    Column("shipments", JSONB),
    Column("refunds", JSONB),
    Column("settlement_version", Integer, nullable=False),
    Column("settled_content", Integer, nullable=False),
    Column("standing", JSONB),
    Index("claim_waiting", "skus", postgresql_using="gin", postgresql_where=text("waiting")),
)
