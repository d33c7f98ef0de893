"""The five tables of the message runtime that every service has in its own schema."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY


def messaging_tables(metadata: MetaData) -> None:
    """Add inbox, outbox, scheduled, suspect and parked_message to a service's metadata."""
    Table(
        "inbox",
        metadata,
        Column("message_id", Uuid, primary_key=True),
        Column("handler", Text, primary_key=True),
        postgresql_partition_by="RANGE (message_id)",
    )
    Table(
        "outbox",
        metadata,
        *_message_columns(),
        Column("not_before", DateTime(timezone=True), nullable=False),
        Index("outbox_not_before", "not_before"),
    )
    Table(
        "scheduled",
        metadata,
        *_message_columns(),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Index("scheduled_due_at", "due_at"),
    )
    Table(
        "suspect",
        metadata,
        Column("handler", Text, primary_key=True),
        Column("message_id", Uuid, primary_key=True),
        Column("process", Uuid, nullable=False),
        Column("deaths", Integer, nullable=False),
    )
    Table(
        "parked_message",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("handler", Text, nullable=False),
        Column("queue", Text, nullable=False),
        Column("message_id", Text),
        Column("origin_id", Uuid),
        Column("attempt", Integer, nullable=False),
        Column("type", Text),
        Column("correlation_id", Text),
        Column("headers", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("reason", Text, nullable=False),
        Column("traceback", Text, nullable=False, server_default=""),
        Column("parked_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("state", Text, nullable=False, server_default="parked"),
        Column("settled_at", DateTime(timezone=True)),
        CheckConstraint("state IN ('parked', 'replayed', 'discarded')", name="parked_message_state"),
        Index("parked_message_open", "parked_at", postgresql_where=text("state = 'parked'")),
    )


def redaction_table(metadata: MetaData) -> None:
    """Add `redaction`, which a service has that keeps copies of personal data: searches that are still to be made."""
    Table(
        "redaction",
        metadata,
        Column("page_id", Uuid, primary_key=True),
        Column("request_id", Uuid, nullable=False),
        Column("channel_id", Uuid, nullable=False),
        Column("channel_kind", Text, nullable=False),
        Column("whole_channel", Boolean, nullable=False),
        Column("order_ids", ARRAY(Uuid), nullable=False),
        Column("names", ARRAY(Text), nullable=False),
        Column("delivery_ids", ARRAY(Uuid), nullable=False),
        Column(
            "told_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info={"volatile": True}
        ),
    )


def _message_columns() -> tuple[Column[Any], ...]:
    return (
        Column("id", Uuid, primary_key=True),
        Column("type", Text, nullable=False),
        Column("exchange", Text, nullable=False),
        Column("routing_key", Text, nullable=False),
        Column("correlation_id", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )


MESSAGING_DDL = (
    "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, "
    "autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE outbox ALTER COLUMN body SET STORAGE EXTERNAL",
    "ALTER TABLE scheduled SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)",
)
"""What SQLAlchemy cannot say of them: rows come and go at the rate of messages, so vacuum must not wait for a share of
the table (river#59, PgQue#61 report throughput collapsing otherwise); bodies are not worth compressing for seconds."""
