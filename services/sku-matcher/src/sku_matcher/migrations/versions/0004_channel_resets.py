"""How often each channel was begun anew, and when last: its catalogue is read whole by the run after that."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("channel", sa.Column("resets", sa.Integer, nullable=False, server_default="0"), schema="sku_matcher")
    op.add_column("channel", sa.Column("reset_at", sa.DateTime(timezone=True)), schema="sku_matcher")
