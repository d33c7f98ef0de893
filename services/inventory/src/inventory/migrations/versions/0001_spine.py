"""Locations, stock, its ledger, and the orders' claims on it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crossdock.storage.migrations import create_messaging_tables

revision = "0001"
down_revision = None
SCHEMA = "inventory"
MAIN = "00000000-0000-7000-8000-000000000001"


def upgrade() -> None:
    create_messaging_tables(op, SCHEMA)
    op.create_table(
        "location",
        sa.Column("location_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("is_default", sa.Boolean, nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    op.execute(f"INSERT INTO {SCHEMA}.location VALUES ('{MAIN}', 'Main', true)")  # noqa: S608
    op.create_table(
        "stock",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("location_id", sa.Uuid, sa.ForeignKey(f"{SCHEMA}.location.location_id"), primary_key=True),
        sa.Column("on_hand", sa.Integer, nullable=False),
        sa.Column("reserved", sa.Integer, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reserved >= 0", name="stock_reserved_not_negative"),
        schema=SCHEMA,
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("location_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("contained", sa.Boolean, nullable=False),
        sa.Column("order_id", sa.Uuid),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        schema=SCHEMA,
    )
    op.create_index("ledger_sku_at", "ledger", ["sku", "location_id", "at"], schema=SCHEMA)
    op.create_table(
        "claim",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("placed_at", sa.DateTime(timezone=True)),
        sa.Column("match_content", sa.Integer, nullable=False),
        sa.Column("match_version", sa.Integer, nullable=False),
        sa.Column("answered_content", sa.Integer, nullable=False),
        sa.Column("answered_match", sa.Integer, nullable=False),
        sa.Column("reservation_version", sa.Integer, nullable=False),
        sa.Column("reserved", sa.Boolean, nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("skus", ARRAY(sa.Text), nullable=False),
        sa.Column("items", JSONB, nullable=False),
        sa.Column("shipments", JSONB),
        sa.Column("refunds", JSONB),
        sa.Column("settlement_version", sa.Integer, nullable=False),
        sa.Column("settled_content", sa.Integer, nullable=False),
        sa.Column("standing", JSONB),
        schema=SCHEMA,
    )
    op.create_index(
        "claim_waiting",
        "claim",
        ["skus"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_where=sa.text("waiting"),
    )
    # Room on each page for the next version of a row: hot rows are updated in place.
    op.execute(f"ALTER TABLE {SCHEMA}.stock SET (fillfactor = 70)")
    op.execute(f"ALTER TABLE {SCHEMA}.claim SET (fillfactor = 80)")
