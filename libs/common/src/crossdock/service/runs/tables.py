"""The three tables of integrations and runs that a service with runs has in its own schema."""

from typing import TYPE_CHECKING

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:  # Alembic weighs 15 MB, and a running service has no use for it
    from crossdock.storage.migrations import Migration


def run_tables(metadata: MetaData) -> None:
    """Add integration, run and run_error to a service's metadata."""
    _integration(metadata)
    _run(metadata)
    _run_error(metadata)


def _integration(metadata: MetaData) -> None:
    Table(
        "integration",
        metadata,
        Column("integration_id", Uuid, primary_key=True),
        Column("channel_id", Uuid, nullable=False),
        Column("kind", Text, nullable=False),
        Column("enabled", Boolean, nullable=False, server_default=text("true")),
        Column("own_schedule", Boolean, nullable=False, server_default=text("false")),
        Column("every_seconds", Float),
        Column("cron", Text),
        Column("time_zone", Text),
        Column("settings", JSONB, nullable=False, server_default="{}"),
        Column("last_slot", DateTime(timezone=True)),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Index("integration_of_channel", "channel_id", "kind", unique=True),
    )


def _run(metadata: MetaData) -> None:
    Table(
        "run",
        metadata,
        Column("run_id", Uuid, primary_key=True),
        Column("integration_id", Uuid, nullable=False),
        Column("channel_id", Uuid, nullable=False),
        Column("kind", Text, nullable=False),
        Column("lane", Text, nullable=False),
        Column("scheduled_at", DateTime(timezone=True), nullable=False),
        Column("cause", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("request", JSONB, nullable=False, server_default="{}"),
        Column("cursor", JSONB(none_as_null=True)),
        Column("seen", Integer, nullable=False, server_default="0"),
        Column("imported", Integer, nullable=False, server_default="0"),
        Column("changed", Integer, nullable=False, server_default="0"),
        Column("unchanged", Integer, nullable=False, server_default="0"),
        Column("failed", Integer, nullable=False, server_default="0"),
        Column("expected", Integer),
        Column("notes", JSONB, nullable=False, server_default="[]"),
        Column("waits_for", Text, nullable=False, server_default=""),
        Column("problem", Text, nullable=False, server_default=""),
        Column("failures", Integer, nullable=False, server_default="0"),
        Column("failing_since", DateTime(timezone=True)),
        Column("stop_requested", Boolean, nullable=False, server_default=text("false")),
        Column("token", Uuid),
        Column("due_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("heartbeat_at", DateTime(timezone=True)),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("started_at", DateTime(timezone=True)),
        Column("ended_at", DateTime(timezone=True)),
        CheckConstraint(
            "state IN ('waiting', 'running', 'finished', 'finished_partially', 'failed', 'stopped')", name="run_state"
        ),
        Index("run_slot", "integration_id", "scheduled_at", unique=True),
        Index("run_one_waiting", "integration_id", unique=True, postgresql_where=text("state = 'waiting'")),
        Index("run_one_in_lane", "channel_id", "lane", unique=True, postgresql_where=text("state = 'running'")),
        Index("run_due", "due_at", postgresql_where=text("state = 'running'")),
        Index("run_last_in_lane", "channel_id", "lane", "ended_at"),
        Index("run_ended", "ended_at"),
        Index("run_scheduled", "scheduled_at"),
    )


def _run_error(metadata: MetaData) -> None:
    Table(
        "run_error",
        metadata,
        Column("run_id", Uuid, primary_key=True),
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("subject", Text, nullable=False),
        Column("sentence", Text, nullable=False),
    )


def create_run_tables(op: "Migration", schema: str) -> None:
    """For a service's migration: integration, run, run_error."""
    metadata = MetaData(schema=schema)
    run_tables(metadata)
    metadata.create_all(op.get_bind())
