"""Searches for people to be redacted that are still to be made."""

from alembic import op

from crossdock.storage.migrations import create_redaction_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_redaction_table(op, "fulfillment")
