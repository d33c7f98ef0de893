"""Files of orders with what each row came to, and the keys under which orders were asked for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
SCHEMA = "order_ingest"


def upgrade() -> None:
    _imports()
    op.create_table(
        "order_import_piece",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "order_import_row",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        sa.Column("order_number", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("order_id", sa.Uuid),
        schema=SCHEMA,
    )
    op.create_index("order_import_row_number", "order_import_row", ["import_id", "order_number"], schema=SCHEMA)
    op.create_table(
        "order_request",
        sa.Column("channel_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        schema=SCHEMA,
    )


def _imports() -> None:
    def count(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.Integer, nullable=False, server_default="0")

    op.create_table(
        "order_import",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("channel_id", sa.Uuid, nullable=False),
        sa.Column("channel_kind", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False, server_default=""),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("encoding", sa.Text, nullable=False, server_default=""),
        sa.Column("kept_as", sa.Text, nullable=False, server_default="utf-8"),
        sa.Column("dialect", JSONB),
        sa.Column("state", sa.Text, nullable=False, server_default="uploading"),
        sa.Column("place", JSONB),
        *(count(name) for name in ("rows", "orders", "will_create", "created", "duplicates", "errors")),
        sa.Column("problem", sa.Text, nullable=False, server_default=""),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("token", sa.Uuid),
        schema=SCHEMA,
    )
    op.create_index(
        "order_import_due", "order_import", ["due_at"], schema=SCHEMA, postgresql_where=sa.text("due_at IS NOT NULL")
    )
