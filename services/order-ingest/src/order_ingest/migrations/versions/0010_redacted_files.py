"""How many files of orders a redaction ended, because the person may stand in them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column(
        "privacy_request",
        sa.Column("files_ended", sa.Integer, nullable=False, server_default="0"),
        schema="order_ingest",
    )
