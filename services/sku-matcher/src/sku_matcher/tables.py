"""The matcher's tables."""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.service.runs.tables import run_tables
from crossdock.storage.tables import messaging_tables

metadata = MetaData(schema="sku_matcher")
messaging_tables(metadata)
run_tables(metadata)

channel = Table(
    "channel",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("channel_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("connected", Boolean, nullable=False),
    Column("resets", Integer, nullable=False, server_default=text("0")),
    Column("reset_at", DateTime(timezone=True), info={"volatile": True}),
)
order_match = Table(
    "order_match",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("channel_id", Uuid),
    Column("placed_at", DateTime(timezone=True)),
    Column("order_version", Integer, nullable=False, server_default=text("0")),
    Column("content_version", Integer, nullable=False, server_default=text("0")),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    Column("content", JSONB),
    Column("match_content", Integer),
    Column("match_version", Integer),
    Column("outcome", JSONB),
)
waiting = Table(
    "waiting",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("listing_id", Text, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("carriers", Integer, nullable=False),
    Column("blank", Boolean, nullable=False, server_default=text("false")),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Index("waiting_sku", "sku", "placed_at", "order_id", postgresql_where=text("sku <> ''")),
    Index("waiting_listing", "listing_id", "placed_at", "order_id", postgresql_where=text("listing_id <> ''")),
)
product = Table(
    "product",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
)
listing = Table(
    "listing",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("listing_id", Text, primary_key=True),
    Column("product_id", Text, nullable=False),
    Column("listing_version", Integer, nullable=False),
    Column("sku", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sku_since", DateTime(timezone=True), nullable=False),
    Column("removed", Boolean, nullable=False),
    Index("listing_product", "channel_id", "product_id"),
    Index("listing_sku", "channel_id", "sku", postgresql_where=text("sku <> ''")),
)
sku_presence = Table(
    "sku_presence",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("listings", Integer, nullable=False, server_default=text("0")),
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),
)
sku_history = Table(
    "sku_history",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("listing_id", Text, primary_key=True),
    Column("since", DateTime(timezone=True), primary_key=True),
    Column("until", DateTime(timezone=True)),
    Column("sku", Text, nullable=False),
    Index("sku_history_sku", "channel_id", "sku"),
)
mapping = Table(
    "mapping",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("listing_id", Text, primary_key=True),
    Column("mapping_version", Integer, nullable=False),
    Column("sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, info={"volatile": True}),
)
sku = Table(
    "sku",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("sku_version", Integer, nullable=False),
    Column("title", Text, nullable=False),
)
