"""Personal data in messages that a service keeps (parked, scheduled, not yet published), found and removed on request.

A search is told as an event, kept as a row, and made by a worker page by page; only the transaction that removes the
row reports it, so that two replicas may search at once. What is kept of a message still says what happened to an order:
only the person is gone from it, and it can be replayed.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlalchemy import text

from crossdock.channels.protocols import PersonalPayloads
from crossdock.channels.registry import can, connector
from crossdock.contracts.fulfillment import RequestsRedacted
from crossdock.contracts.gateway import DeliveriesRedacted
from crossdock.contracts.order_ingest import RecipientRecorded, RedactionOrdered
from crossdock.storage.engine import Json

if TYPE_CHECKING:
    from crossdock.messaging.transaction import Tx

ORDER = text("""
    INSERT INTO redaction (page_id, request_id, channel_id, channel_kind, whole_channel, order_ids, names, delivery_ids)
    SELECT p.page_id, p.request_id, p.channel_id, p.channel_kind, p.whole_channel,
           ARRAY(SELECT CAST(jsonb_array_elements_text(p.order_ids) AS uuid)),
           ARRAY(SELECT jsonb_array_elements_text(p.names)),
           ARRAY(SELECT CAST(jsonb_array_elements_text(p.delivery_ids) AS uuid))
    FROM unnest(CAST(:page_id AS uuid[]), CAST(:request_id AS uuid[]), CAST(:channel_id AS uuid[]),
                CAST(:channel_kind AS text[]), CAST(:whole_channel AS bool[]), CAST(:order_ids AS jsonb[]),
                CAST(:names AS jsonb[]), CAST(:delivery_ids AS jsonb[]))
         AS p(page_id, request_id, channel_id, channel_kind, whole_channel, order_ids, names, delivery_ids)
    ORDER BY p.page_id ON CONFLICT DO NOTHING
""")
PENDING = text("""
    SELECT page_id, request_id, channel_id, channel_kind, whole_channel, order_ids, names, delivery_ids
    FROM redaction
    WHERE (request_id, channel_id) = (SELECT request_id, channel_id FROM redaction ORDER BY told_at, page_id LIMIT 1)
    ORDER BY page_id LIMIT :limit
""")
FINISH = text("DELETE FROM redaction WHERE page_id = ANY(CAST(:page_ids AS uuid[])) RETURNING page_id")
PAGES_AT_ONCE = 100
MESSAGES_AT_ONCE = 200
KEPT_IN = {"parked_message": "parked messages", "scheduled": "scheduled messages", "outbox": "unpublished messages"}
KEPT = {
    table: text(f"""
        SELECT id, type, body FROM {table}
        WHERE id > :after AND (type LIKE 'webhook.%' OR type LIKE 'recipient.%')
        ORDER BY id LIMIT :limit FOR UPDATE
    """)  # noqa: S608
    for table in KEPT_IN
}
REPLACE = {
    table: text(f"""
        UPDATE {table} SET body = c.body
        FROM unnest(CAST(:ids AS uuid[]), CAST(:bodies AS bytea[])) AS c(id, body) WHERE {table}.id = c.id
    """)  # noqa: S608
    for table in KEPT_IN
}
FIRST = UUID(int=0)
NOBODY = UUID(int=0)
"""The request of a search that nobody waits to hear about: it is made and not reported."""
Transactions = Callable[[], AbstractAsyncContextManager["Tx"]]
TOKEN = re.compile(rb"[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for, in one go for several pages of a request. `names` are the channel's own ids of the orders
    and of their customer."""

    page_ids: tuple[UUID, ...]
    request_id: UUID
    channel_id: UUID
    channel_kind: str
    whole_channel: bool
    order_ids: frozenset[UUID]
    names: frozenset[str]
    delivery_ids: frozenset[UUID]


@dataclass(slots=True)
class Findings:
    """How many things of each kind were searched, and out of how many personal data was removed."""

    searched: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, searched: int, removed: int) -> None:
        """Count what was searched of one kind."""
        self.searched[kind] = self.searched.get(kind, 0) + searched
        self.removed[kind] = self.removed.get(kind, 0) + removed


async def keep(tx: "Tx", events: Sequence[RedactionOrdered]) -> None:
    """Remember searches until a worker has made them; one that is known already changes nothing."""
    await tx.run(
        ORDER,
        page_id=[event.page_id for event in events],
        request_id=[event.request_id for event in events],
        channel_id=[event.channel_id for event in events],
        channel_kind=[event.channel_kind for event in events],
        whole_channel=[event.whole_channel for event in events],
        order_ids=[Json([str(one) for one in event.order_ids]) for event in events],
        names=[Json(list(event.names)) for event in events],
        delivery_ids=[Json([str(one) for one in event.delivery_ids]) for event in events],
    )


async def pending(tx: "Tx") -> Search | None:
    """What is to be searched for next: as many pages of the oldest request as fit."""
    rows = await tx.rows(PENDING, limit=PAGES_AT_ONCE)
    if not rows:
        return None
    return Search(
        tuple(row.page_id for row in rows),
        rows[0].request_id,
        rows[0].channel_id,
        rows[0].channel_kind,
        any(row.whole_channel for row in rows),
        frozenset(one for row in rows for one in row.order_ids),
        frozenset(one for row in rows for one in row.names),
        frozenset(one for row in rows for one in row.delivery_ids),
    )


async def finish(tx: "Tx", search: Search) -> tuple[UUID, ...]:
    """Close a search. Returns its pages, without those that somebody else searched too and was first to report."""
    rows = await tx.rows(FINISH, page_ids=list(search.page_ids))
    return tuple(sorted(row.page_id for row in rows))


async def report(
    tx: "Tx", search: Search, findings: "Findings", event: type[RequestsRedacted | DeliveriesRedacted]
) -> None:
    """Close a search, and tell what came of it as such an event."""
    pages = await finish(tx, search)
    if pages and search.request_id != NOBODY:
        told = {"page_ids": pages, "searched": findings.searched, "removed": findings.removed}
        tx.publish(event.model_validate({"request_id": search.request_id, **told}))


async def clean_all(transaction: Transactions, search: Search, findings: Findings) -> None:
    """Remove the people of a search from every message that this service keeps, a page in a transaction."""
    for table, kind in KEPT_IN.items():
        after: UUID | None = FIRST
        while after is not None:
            async with transaction() as tx:
                after, read, removed = await clean_messages(tx, table, search, after, MESSAGES_AT_ONCE)
            findings.add(kind, read, removed)


async def clean_messages(tx: "Tx", table: str, search: Search, after: UUID, limit: int) -> tuple[UUID | None, int, int]:
    """Remove the people of a search from one page of a table of messages. Returns where the next page begins (None at
    the end), how many messages were read, and out of how many somebody was removed."""
    rows = await tx.rows(KEPT[table], after=after, limit=limit)
    cleaned = [(row.id, body) for row in rows if (body := without_people(row.type, row.body, search)) is not None]
    if cleaned:
        await replace_bodies(tx, table, dict(cleaned))
    return (rows[-1].id if len(rows) == limit else None), len(rows), len(cleaned)


async def replace_bodies(tx: "Tx", table: str, bodies: Mapping[UUID, bytes]) -> None:
    """Give messages of a table other bodies, by their ids."""
    await tx.run(REPLACE[table], ids=list(bodies), bodies=list(bodies.values()))


def without_people(type_: str, body: bytes, search: Search) -> bytes | None:
    """A message's body without the people of a search, or None when it holds none of them. One that cannot be read
    and may hold them is emptied: nobody can apply it either."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return b"" if body and names_any_of(body, search) else None
    if not isinstance(event, dict):
        return None
    if type_ == RecipientRecorded.type:
        mine = str(event.get("order_id")) in {str(one) for one in search.order_ids} and event.get("recipient")
        return orjson.dumps(event | {"recipient": {}}) if mine else None
    if not isinstance(event.get("body"), str):
        return None
    try:
        payload = base64.b64decode(event["body"])
    except (binascii.Error, ValueError):
        payload = event["body"].encode()
    about = (str(event.get("delivery_id")), str(event.get("channel_id")), str(event.get("channel_kind")))
    topic = str(event.get("topic"))
    if not is_about(*about, topic, payload, search):
        return None
    cleaned = cleaned_payload(about[2], topic, payload)
    if cleaned == payload:
        return None
    return orjson.dumps(event | {"body": base64.b64encode(cleaned).decode()})


def is_about(delivery_id: str, channel_id: str, kind: str, topic: str, payload: bytes, search: Search) -> bool:
    """Whether a delivery tells of the people of a search: it is one of those named, it is from the searched channel and
    names an order or the customer by the channel's id, or it is from anywhere and names an order by ours."""
    if delivery_id in {str(one) for one in search.delivery_ids}:
        return True
    mine = channel_id == str(search.channel_id)
    if mine and search.whole_channel:
        return True
    words = {word.decode() for word in TOKEN.findall(payload)}
    if not words.isdisjoint(str(one) for one in search.order_ids):
        return True
    odd = (name for name in search.names if not TOKEN.fullmatch(name.encode()) and name.encode() in payload)
    if not mine or (words.isdisjoint(search.names) and not any(odd)):
        return False
    named = connector(kind).people_named(topic, payload) if can(kind, PersonalPayloads) else None
    return named is None or not named.isdisjoint(search.names)


def names_any_of(body: bytes, search: Search) -> bool:
    """Whether bytes that cannot be read hold one of the ids that are searched for."""
    return any(one.encode() in body for one in (*search.names, *map(str, search.order_ids)))


def cleaned_payload(kind: str, topic: str, payload: bytes) -> bytes:
    """A channel's payload without personal data; empty when its connector cannot take it out."""
    return connector(kind).without_people(topic, payload) if can(kind, PersonalPayloads) else b""
