"""Order-ingest's tables.

`orders` has one row per order: what its channel says (`source`), what became of it (`progress`), and beside these the
columns that lists are filtered by. Ids sort by when orders were placed, so that the primary key serves "newest first".
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from crossdock.service.runs.tables import run_tables
from crossdock.storage.tables import messaging_tables, redaction_table
from order_ingest.domain.tabs import TO_SHIP

HAS_TO_SHIP = f"ship_by IS NOT NULL AND status IN ({', '.join(repr(status) for status in TO_SHIP)})"

metadata = MetaData(schema="order_ingest")
messaging_tables(metadata)
redaction_table(metadata)
run_tables(metadata)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("channel_kind", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_key", Text, nullable=False),
    Column("placed_at", DateTime(timezone=True)),
    Column("status", Text, nullable=False, server_default="received"),
    Column("hold_codes", ARRAY(Text), nullable=False, server_default="{}"),
    Column("source", JSONB(none_as_null=True)),
    Column("progress", JSONB, nullable=False, server_default="{}"),
    Column("refetch_due_at", DateTime(timezone=True), info={"volatile": True}),
    Column("refetch_again", Boolean, nullable=False, server_default=text("false")),
    Column("refetch_attempt", Integer, nullable=False, server_default="0"),
    Column("refetch_token", Uuid, info={"volatile": True}),
    Column("ship_by", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True), info={"volatile": True}),
    Column("redacted", Boolean, nullable=False, server_default=text("false")),
    Index("orders_external_id", "channel_id", "external_id", unique=True),
    Index("orders_status", "status", "order_id"),
    Index("orders_channel", "channel_id", "order_id"),
    Index("orders_channel_status", "channel_id", "status", "order_id"),
    Index("orders_retention", "channel_id", "ended_at", postgresql_where=text("NOT redacted AND ended_at IS NOT NULL")),
    Index("orders_due", "channel_id", "ship_by", "order_id", postgresql_where=text(HAS_TO_SHIP)),
    Index("orders_number", "number_key", postgresql_ops={"number_key": "text_pattern_ops"}),
    Index("orders_held", "hold_codes", postgresql_using="gin", postgresql_where=text("hold_codes <> '{}'")),
    Index("orders_refetch", "refetch_due_at", postgresql_where=text("refetch_due_at IS NOT NULL")),
)
recipient = Table(
    "recipient",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("recipient_version", Integer, nullable=False),
    Column("recipient", JSONB, nullable=False),
    Column("terms", TSVECTOR, nullable=False, server_default=""),
    Index("recipient_terms", "terms", postgresql_using="gin"),
)
order_sku = Table(
    "order_sku",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
)
order_count = Table(
    "order_count",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("orders", BigInteger, nullable=False),
)
order_count_delta = Table(
    "order_count_delta",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, info={"volatile": True}),
    Column("channel_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("orders", BigInteger, nullable=False),
    info={"summed": "orders"},
)
timeline = Table(
    "timeline",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True, info={"volatile": True}),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("cause", Uuid, info={"volatile": True}),
)
channel = Table(
    "channel",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("channel_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("connected", Boolean, nullable=False),
    Column("policy", JSONB, nullable=False, server_default="{}"),
    Column("policy_version", Integer, nullable=False, server_default="0"),
    Column("ours_from", DateTime(timezone=True)),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("redacted_before", DateTime(timezone=True)),
    Column("role", Text, nullable=False, server_default=""),
    Column("destination", Text, nullable=False, server_default=""),
    Column("warehouse_observing", Text, nullable=False, server_default=""),
)
policy_change = Table(
    "policy_change",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
)
reconsideration = Table(
    "reconsideration",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("after", Uuid, nullable=False),
)
route_touch = Table(
    "route_touch",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("route_id", Text, primary_key=True),
    Column("channel_kind", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False, info={"volatile": True}),
    Column("token", Uuid, info={"volatile": True}),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Index("route_touch_due", "due_at"),
)
feed = Table(
    "feed",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("start_at", DateTime(timezone=True), nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("reached", DateTime(timezone=True), nullable=False),
    Column("page", Text),
    Column("polled_at", DateTime(timezone=True), info={"volatile": True}),
    Column("resets", Integer, nullable=False, server_default="0"),
)
tombstone = Table(
    "tombstone",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("external_id", Text, primary_key=True),
)
privacy_request = Table(
    "privacy_request",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("external_ids", ARRAY(Text), nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("order_ids", ARRAY(Uuid), nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("after", Uuid),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("orders", Integer, nullable=False, server_default="0"),
    Column("files_ended", Integer, nullable=False, server_default="0"),
    Column(
        "requested_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info={"volatile": True}
    ),
    Index("privacy_request_open", "request_id", postgresql_where=text("state = 'open'")),
)
privacy_report = Table(
    "privacy_report",
    metadata,
    Column("page_id", Uuid, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("searched", JSONB, nullable=False),
    Column("removed", JSONB, nullable=False),
    Column(
        "reported_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), info={"volatile": True}
    ),
    Index("privacy_report_request", "request_id"),
)
order_import = Table(
    "order_import",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("channel_id", Uuid, nullable=False),
    Column("channel_kind", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", Text, nullable=False, server_default=""),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("kept_bytes", BigInteger, nullable=False, server_default="0"),
    Column("encoding", Text, nullable=False, server_default=""),
    Column("kept_as", Text, nullable=False, server_default="utf-8"),
    Column("dialect", JSONB),
    Column("state", Text, nullable=False, server_default="uploading"),
    Column("place", JSONB),
    Column("rows", Integer, nullable=False, server_default="0"),
    Column("orders", Integer, nullable=False, server_default="0"),
    Column("will_create", Integer, nullable=False, server_default="0"),
    Column("created", Integer, nullable=False, server_default="0"),
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("errors", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("due_at", DateTime(timezone=True)),
    Column("token", Uuid),
    Index("order_import_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)
order_import_piece = Table(
    "order_import_piece",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
order_import_row = Table(
    "order_import_row",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("order_number", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("order_id", Uuid),
    Index("order_import_row_number", "import_id", "order_number"),
)
order_request = Table(
    "order_request",
    metadata,
    Column("channel_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("asked", Text, nullable=False),
    Column("order_id", Uuid, nullable=False),
)
in_flight = Table(
    "in_flight",
    metadata,
    Column("run_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
)
