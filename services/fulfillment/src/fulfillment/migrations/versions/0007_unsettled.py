"""Indexes on writes under way and in doubt that no look-up of a target's queue can be planned with."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
TABLE = "write_back"


def upgrade() -> None:
    """Leave the look-up of a target's unsettled write one index: planned while nothing was in doubt, a claim read all
    that was in doubt for each write that it might take."""
    op.drop_index("write_back_unsettled", TABLE, schema="fulfillment")
    for state, column in (("sending", "deadline"), ("in_doubt", "next_at")):
        where = sa.text(f"state = '{state}'")
        op.create_index(f"write_back_{state}", TABLE, [column], schema="fulfillment", postgresql_where=where)
