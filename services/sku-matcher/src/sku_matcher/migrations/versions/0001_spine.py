"""Orders and their matches, what they wait for, listings, SKUs, channels."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crossdock.storage.migrations import create_messaging_tables

revision = "0001"
down_revision = None
SCHEMA = "sku_matcher"


def upgrade() -> None:
    create_messaging_tables(op, SCHEMA)
    _orders()
    _catalogue()


def _orders() -> None:
    op.create_table(
        "channel",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("channel_version", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("connected", sa.Boolean, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "order_match",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid),
        sa.Column("placed_at", sa.DateTime(timezone=True)),
        sa.Column("order_version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("content_version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("cancelled", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("content", JSONB),
        sa.Column("match_content", sa.Integer),
        sa.Column("match_version", sa.Integer),
        sa.Column("outcome", JSONB),
        schema=SCHEMA,
    )
    op.execute(f"ALTER TABLE {SCHEMA}.order_match SET (fillfactor = 70)")  # each order is written at least twice
    op.create_table(
        "waiting",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("listing_id", sa.Text, primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("carriers", sa.Integer, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    for key in ("sku", "listing_id"):
        op.create_index(
            f"waiting_{key.removesuffix('_id')}",
            "waiting",
            [key, "placed_at", "order_id"],
            schema=SCHEMA,
            postgresql_where=sa.text(f"{key} <> ''"),
        )


def _catalogue() -> None:
    op.create_table(
        "product",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "listing",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("listing_id", sa.Text, primary_key=True),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("listing_version", sa.Integer, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("sku_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("listing_product", "listing", ["channel_id", "product_id"], schema=SCHEMA)
    op.create_index(
        "listing_sku", "listing", ["channel_id", "sku"], schema=SCHEMA, postgresql_where=sa.text("sku <> ''")
    )
    op.create_table(
        "sku_presence",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("listings", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("by_hand", sa.Boolean, nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    op.create_table(
        "sku",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("sku_version", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        schema=SCHEMA,
    )
