"""Fingerprints of the address that an order has, that a request ships to, and for which it was asked to stop."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
SCHEMA = "fulfillment"


def upgrade() -> None:
    for table, name in (("desk", "address"), ("request", "address"), ("request", "asked_address")):
        op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=""), schema=SCHEMA)
