"""Which channels are warehouses, which of them ships what a channel sells, and its name while it only observes."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Know nothing of warehouses until a channel is configured again; fulfillment waits for them as before."""
    for name in ("role", "destination", "warehouse_observing"):
        op.add_column("channel", sa.Column(name, sa.Text, nullable=False, server_default=""), schema="order_ingest")
