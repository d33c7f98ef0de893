"""What lists and counts are served by: ship-by times, SKUs, search terms of recipients, and counts by status."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0004"
down_revision = "0003"
SCHEMA = "order_ingest"
TO_SHIP = "'received', 'matching', 'reserving', 'outstanding', 'partially_shipped', 'on_hold', 'waiting'"


def upgrade() -> None:
    op.add_column("orders", sa.Column("ship_by", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.create_index(
        "orders_due",
        "orders",
        ["channel_id", "ship_by", "order_id"],
        schema=SCHEMA,
        postgresql_where=sa.text(f"ship_by IS NOT NULL AND status IN ({TO_SHIP})"),
    )
    op.create_index("orders_channel_status", "orders", ["channel_id", "status", "order_id"], schema=SCHEMA)
    op.add_column("channel", sa.Column("time_zone", sa.Text, nullable=False, server_default="UTC"), schema=SCHEMA)
    op.create_table(
        "order_sku",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Uuid, primary_key=True),
        schema=SCHEMA,
    )
    op.add_column("recipient", sa.Column("terms", TSVECTOR, nullable=False, server_default=""), schema=SCHEMA)
    op.create_index("recipient_terms", "recipient", ["terms"], schema=SCHEMA, postgresql_using="gin")
    op.execute(f"ALTER INDEX {SCHEMA}.recipient_terms SET (gin_pending_list_limit = 512)")
    _counts()
    _fill()


def _counts() -> None:
    op.create_table(
        "order_count",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("orders", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "order_count_delta",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("orders", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.execute(
        f"ALTER TABLE {SCHEMA}.order_count_delta SET (autovacuum_vacuum_scale_factor = 0, "
        "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)"
    )


def _fill() -> None:
    """Orders that are there already are counted and found by their SKUs; recipients get their terms as they are told
    anew, because what a term is, is code."""
    op.execute(
        f"INSERT INTO {SCHEMA}.order_count SELECT channel_id, status, count(*) "  # noqa: S608
        f"FROM {SCHEMA}.orders GROUP BY channel_id, status"
    )
    op.execute(
        f"INSERT INTO {SCHEMA}.order_sku SELECT DISTINCT lower(btrim(line->>'sku')), order_id "  # noqa: S608
        f"FROM {SCHEMA}.orders, jsonb_array_elements(source->'lines') AS line WHERE btrim(line->>'sku') <> ''"
    )
