"""How often each channel was begun anew: its list of changes is read from its beginning again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("feed", sa.Column("resets", sa.Integer, nullable=False, server_default="0"), schema="order_ingest")
