"""What a person tied listings to, and which listing carried which SKU when."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
SCHEMA = "sku_matcher"


def upgrade() -> None:
    op.create_table(
        "sku_history",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("listing_id", sa.Text, primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("sku", sa.Text, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("sku_history_sku", "sku_history", ["channel_id", "sku"], schema=SCHEMA)
    op.create_table(
        "mapping",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("listing_id", sa.Text, primary_key=True),
        sa.Column("mapping_version", sa.Integer, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "waiting",
        sa.Column("blank", sa.Boolean, nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    op.execute("UPDATE sku_matcher.waiting SET blank = listing_id <> ''")
    # What was told so far counts as carried since ever: when it began is not known.
    op.execute(
        "INSERT INTO sku_matcher.sku_history (channel_id, listing_id, since, sku)"
        " SELECT channel_id, listing_id, '1970-01-01 00:00:00+00', sku FROM sku_matcher.listing WHERE sku <> ''"
    )
