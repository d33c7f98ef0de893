"""The gateway's own Alembic chain."""
