"""Requests about people: whom they concern, how far they are done, and what every service reported about them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Json, columns
from crossdock.storage.engine import Row as SqlRow
from order_ingest.domain.ids import first_id_at
from order_ingest.store.orders import COLUMNS, Key, Row, row_of

FIRST = UUID(int=0)
ADD = text("""
    INSERT INTO privacy_request (request_id, channel_id, kind, source, asked_by, external_ids, customer_id, order_ids,
                                 files_ended)
    SELECT r.request_id, r.channel_id, r.kind, r.source, r.asked_by,
           ARRAY(SELECT jsonb_array_elements_text(r.external_ids)), r.customer_id,
           ARRAY(SELECT CAST(jsonb_array_elements_text(r.order_ids) AS uuid)), r.files_ended
    FROM unnest(CAST(:request_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:kind AS text[]),
                CAST(:source AS text[]), CAST(:asked_by AS text[]), CAST(:external_ids AS jsonb[]),
                CAST(:customer_id AS text[]), CAST(:order_ids AS jsonb[]), CAST(:files_ended AS int[]))
         AS r(request_id, channel_id, kind, source, asked_by, external_ids, customer_id, order_ids, files_ended)
    ORDER BY r.request_id ON CONFLICT DO NOTHING
""")
OF_PERSON = text("""
    SELECT q.request_id, o.order_id
    FROM unnest(CAST(:request_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:query AS text[]))
         AS q(request_id, channel_id, query)
    JOIN recipient r ON r.terms @@ CAST(q.query AS tsquery)
    JOIN orders o ON o.order_id = r.order_id AND o.channel_id = q.channel_id
    ORDER BY o.order_id
""")
REQUEST = (
    "request_id, channel_id, kind, source, asked_by, external_ids, customer_id, order_ids, state, after, pages, orders"
)
NEXT = text(f"""
    SELECT {REQUEST}, (SELECT c.kind FROM channel c WHERE c.channel_id = p.channel_id) AS channel_kind
    FROM privacy_request p WHERE state = 'open' ORDER BY request_id LIMIT 1
""")  # noqa: S608
LOCK = text("SELECT state, after FROM privacy_request WHERE request_id = :request_id FOR UPDATE")
OF_REQUEST = """
    (o.order_id = ANY(CAST(:order_ids AS uuid[]))
     OR (o.channel_id = :channel_id AND o.external_id = ANY(CAST(:external_ids AS text[]))))
"""
PAGE = text(f"""
    SELECT {COLUMNS} FROM orders o WHERE o.order_id > :after AND {OF_REQUEST}
    ORDER BY o.order_id LIMIT :limit FOR UPDATE
""")  # noqa: S608
CHANNEL_PAGE = text(f"""
    SELECT {COLUMNS} FROM orders
    WHERE channel_id = :channel_id AND order_id > :after AND order_id < :until
    ORDER BY order_id LIMIT :limit FOR UPDATE
""")  # noqa: S608
ADVANCE = text("""
    UPDATE privacy_request SET after = :after, pages = pages + 1, orders = orders + :orders, state = :state
    WHERE request_id = :request_id
""")
BURY = text("""
    INSERT INTO tombstone (channel_id, external_id)
    SELECT :channel_id, id FROM unnest(CAST(:external_ids AS text[])) AS id ORDER BY id ON CONFLICT DO NOTHING
""")
BURY_CHANNEL = text("""
    UPDATE channel SET redacted_before = greatest(redacted_before, now()) WHERE channel_id = :channel_id
    RETURNING redacted_before
""")
BURIED = text("""
    SELECT t.channel_id, t.external_id FROM tombstone t
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:external_id AS text[])) AS k(channel_id, external_id)
         USING (channel_id, external_id)
""")
CLEAN_TIMELINE = text("""
    UPDATE timeline t SET sentence = replace(t.sentence, r.reason, :removed)
    FROM unnest(CAST(:order_id AS uuid[]), CAST(:reason AS text[])) AS r(order_id, reason)
    WHERE t.order_id = r.order_id AND position(r.reason IN t.sentence) > 0
""")
DUE = text("""
    SELECT o.order_id FROM orders o
    WHERE o.channel_id = :channel_id AND NOT o.redacted AND o.ended_at < now() - make_interval(days => :days)
      AND NOT EXISTS (SELECT 1 FROM privacy_request p
                      WHERE p.state = 'open' AND p.channel_id = :channel_id AND p.kind = 'retention')
    ORDER BY o.ended_at LIMIT :limit
""")
KEEPING = text("""
    SELECT channel_id, CAST(policy->>'retention_days' AS int) AS days FROM channel
    WHERE policy->>'retention_days' IS NOT NULL ORDER BY channel_id
""")
REPORT = text("""
    INSERT INTO privacy_report (page_id, service, request_id, searched, removed)
    SELECT r.page_id, r.service, r.request_id, r.searched, r.removed
    FROM unnest(CAST(:page_id AS uuid[]), CAST(:service AS text[]), CAST(:request_id AS uuid[]),
                CAST(:searched AS jsonb[]), CAST(:removed AS jsonb[]))
         AS r(page_id, service, request_id, searched, removed)
    ORDER BY r.page_id, r.service ON CONFLICT DO NOTHING
""")
SHOWN = """
    SELECT p.request_id, p.channel_id, c.name AS channel, p.kind, p.source, p.asked_by, p.state, p.pages, p.orders,
           cardinality(p.external_ids) AS orders_named, p.files_ended, p.requested_at,
           (SELECT count(*) FROM privacy_report r WHERE r.request_id = p.request_id) AS reports,
           (SELECT max(r.reported_at) FROM privacy_report r WHERE r.request_id = p.request_id) AS reported_at
    FROM privacy_request p LEFT JOIN channel c USING (channel_id)
"""
LIST = text(
    f"{SHOWN} WHERE CAST(:before AS uuid) IS NULL OR p.request_id < :before ORDER BY p.request_id DESC LIMIT :limit"
)
ONE = text(f"{SHOWN} WHERE p.request_id = :request_id")
REPORTS = text("""
    SELECT service, searched, removed FROM privacy_report WHERE request_id = :request_id ORDER BY service, page_id
""")
REMAINING = text("""
    SELECT count(*) AS orders, count(*) FILTER (WHERE NOT o.redacted) AS not_redacted,
           count(r.order_id) FILTER (WHERE r.recipient <> '{}' OR r.terms <> '') AS recipients
    FROM privacy_request p
    JOIN orders o
        ON o.order_id = ANY(p.order_ids) OR (o.channel_id = p.channel_id AND o.external_id = ANY(p.external_ids))
    LEFT JOIN recipient r ON r.order_id = o.order_id
    WHERE p.request_id = :request_id
""")
REMAINING_OF_CHANNEL = text("""
    SELECT count(*) AS orders, count(*) FILTER (WHERE NOT o.redacted) AS not_redacted,
           count(r.order_id) FILTER (WHERE r.recipient <> '{}' OR r.terms <> '') AS recipients
    FROM orders o LEFT JOIN recipient r ON r.order_id = o.order_id
    WHERE o.channel_id = :channel_id AND o.order_id < :until
""")
RECIPIENTS_LEFT = text("""
    SELECT count(*) AS n FROM recipient
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND (recipient <> '{}' OR terms <> '')
""")
EXPORT = text("""
    SELECT o.order_id, o.external_id, o.number, o.placed_at, o.status, o.source, o.redacted, r.recipient
    FROM privacy_request p CROSS JOIN LATERAL (
        SELECT * FROM orders o
        WHERE o.order_id > :after AND (
            o.order_id = ANY(p.order_ids) OR (o.channel_id = p.channel_id AND o.external_id = ANY(p.external_ids)))
        ORDER BY o.order_id LIMIT :limit) AS o
    LEFT JOIN recipient r ON r.order_id = o.order_id
    WHERE p.request_id = :request_id ORDER BY o.order_id
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A new request. `kind` is `export`, `redact_customer`, `redact_shop` or `retention`; `source` is `channel`,
    `operator` or `clock`. Orders are named by the channel's ids or by ours; nothing in it is personal data.
    `files_ended`: files of orders that the person may stand in, and that were forgotten before they were taken."""

    request_id: UUID
    channel_id: UUID
    kind: str
    source: str
    asked_by: str = ""
    external_ids: tuple[str, ...] = ()
    customer_id: str = ""
    order_ids: tuple[UUID, ...] = ()
    files_ended: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What one service found for one page of a request: how many things it searched, and cleaned, by kind."""

    page_id: UUID
    service: str
    request_id: UUID
    searched: Mapping[str, int]
    removed: Mapping[str, int]


async def of_people(tx: Tx, asked: Mapping[UUID, tuple[UUID, str]]) -> dict[UUID, tuple[UUID, ...]]:
    """For each request, by its id: the orders of its channel whose recipients answer its tsquery."""
    wanted = {one: (channel_id, query) for one, (channel_id, query) in asked.items() if query}
    rows = await tx.rows(
        OF_PERSON,
        request_id=list(wanted),
        channel_id=[channel_id for channel_id, _ in wanted.values()],
        query=[query for _, query in wanted.values()],
    )
    return {one: tuple(row.order_id for row in rows if row.request_id == one) for one in asked}


async def add(tx: Tx, asked: Sequence[Asked]) -> None:
    """Remember requests; one that is known already changes nothing."""
    await tx.run(
        ADD,
        request_id=[one.request_id for one in asked],
        channel_id=[one.channel_id for one in asked],
        kind=[one.kind for one in asked],
        source=[one.source for one in asked],
        asked_by=[one.asked_by for one in asked],
        external_ids=[Json(list(one.external_ids)) for one in asked],
        customer_id=[one.customer_id for one in asked],
        order_ids=[Json([str(order_id) for order_id in one.order_ids]) for one in asked],
        files_ended=[one.files_ended for one in asked],
    )


async def next_open(tx: Tx) -> SqlRow | None:
    """The oldest request that is not done here; not locked, because its channel is locked first."""
    rows = await tx.rows(NEXT)
    return rows[0] if rows else None


async def hold(tx: Tx, request: SqlRow) -> bool:
    """Lock a request; False when somebody else has gone on with it since it was read."""
    rows = await tx.rows(LOCK, request_id=request.request_id)
    return bool(rows) and (rows[0].state, rows[0].after) == (request.state, request.after)


async def page(tx: Tx, request: SqlRow, limit: int) -> list[Row]:
    """The next orders of a request that is held, locked."""
    about = {
        "channel_id": request.channel_id,
        "after": request.after or FIRST,
        "order_ids": request.order_ids,
        "external_ids": request.external_ids,
    }
    return [row_of(row) for row in await tx.rows(PAGE, limit=limit, **about)]


async def channel_page(tx: Tx, request: SqlRow, until: datetime, limit: int) -> list[Row]:
    """The next orders of the channel of a request that is held, placed before a time, locked."""
    about = {"channel_id": request.channel_id, "after": request.after or FIRST, "until": first_id_at(until)}
    return [row_of(row) for row in await tx.rows(CHANNEL_PAGE, limit=limit, **about)]


async def advance(tx: Tx, request_id: UUID, after: UUID | None, orders: int, *, more: bool) -> None:
    """Remember how far a request that is held has come, and whether there is more."""
    state = "open" if more else "told"
    await tx.run(ADVANCE, request_id=request_id, after=after, orders=orders, state=state)


async def bury(tx: Tx, channel_id: UUID, external_ids: Collection[str]) -> None:
    """Refuse the personal data of these orders whenever they come; the channel is locked."""
    await tx.run(BURY, channel_id=channel_id, external_ids=sorted(external_ids))


async def bury_channel(tx: Tx, channel_id: UUID) -> datetime:
    """Refuse the personal data of every order of a channel, which is locked, that was placed before now."""
    rows = await tx.rows(BURY_CHANNEL, channel_id=channel_id)
    found: datetime = rows[0].redacted_before
    return found


async def buried(tx: Tx, keys: Collection[Key]) -> set[tuple[UUID, str]]:
    """Which of these orders, not stored yet, have personal data that is to be refused; their channels are shared."""
    rows = await tx.rows(
        BURIED, channel_id=[key.channel_id for key in keys], external_id=[key.external_id for key in keys]
    )
    return {(row.channel_id, row.external_id) for row in rows}


async def clean_timelines(tx: Tx, reasons: Sequence[tuple[UUID, str]], removed: str) -> int:
    """Replace what outsiders wrote, and may have quoted a person in, on the timelines of orders; how many entries."""
    about = {"order_id": [order_id for order_id, _ in reasons], "reason": [reason for _, reason in reasons]}
    return await tx.run(CLEAN_TIMELINE, removed=removed, **about)


async def keeping(tx: Tx) -> list[tuple[UUID, int]]:
    """Channels that keep personal data for so many days after an order ended."""
    return [(row.channel_id, row.days) for row in await tx.rows(KEEPING)]


async def due(tx: Tx, channel_id: UUID, days: int, limit: int) -> tuple[UUID, ...]:
    """Orders whose personal data was kept for long enough; none while an earlier such request is still open."""
    rows = await tx.rows(DUE, channel_id=channel_id, days=days, limit=limit)
    return tuple(row.order_id for row in rows)


async def report(tx: Tx, reports: Sequence[Report]) -> None:
    """Keep what services found; each page counts once for each service."""
    await tx.run(REPORT, **columns(reports))


async def recipients_left(tx: Tx, order_ids: Collection[UUID]) -> int:
    """Of how many of these orders personal data is still stored."""
    return int((await tx.rows(RECIPIENTS_LEFT, order_ids=list(order_ids)))[0].n)


async def listed(tx: Tx, before: UUID | None, limit: int) -> Sequence[SqlRow]:
    """Requests, newest first."""
    return await tx.rows(LIST, before=before, limit=limit)


async def one(tx: Tx, request_id: UUID) -> SqlRow | None:
    """One request as it is shown."""
    rows = await tx.rows(ONE, request_id=request_id)
    return rows[0] if rows else None


async def reports(tx: Tx, request_id: UUID) -> Sequence[SqlRow]:
    """What services reported about a request: `service`, `searched`, `removed`."""
    return await tx.rows(REPORTS, request_id=request_id)


async def remaining(tx: Tx, request: SqlRow) -> SqlRow:
    """What is stored now of the orders of a request: `orders`, `not_redacted`, `recipients`."""
    if request.kind == "redact_shop":
        about = {"channel_id": request.channel_id, "until": first_id_at(request.requested_at)}
        return (await tx.rows(REMAINING_OF_CHANNEL, **about))[0]
    return (await tx.rows(REMAINING, request_id=request.request_id))[0]


async def exported(tx: Tx, request_id: UUID, after: UUID, limit: int) -> Sequence[SqlRow]:
    """The next orders of an export, with their recipients."""
    return await tx.rows(EXPORT, request_id=request_id, after=after, limit=limit)
