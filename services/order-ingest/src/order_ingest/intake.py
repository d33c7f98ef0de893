"""What channels say of orders, taken in one way whoever heard it: a webhook, a poll, a file, a person."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from crossdock.channels.protocols import RouteSource
from crossdock.channels.registry import can
from crossdock.messaging.transaction import Tx
from order_ingest.book import Book, Cause
from order_ingest.domain import rulings
from order_ingest.domain.channel import Channel, terms_of
from order_ingest.domain.ids import first_id_at
from order_ingest.domain.order import Recipient
from order_ingest.domain.policy import Terms
from order_ingest.domain.steps import Step
from order_ingest.store import channels, orders, privacy
from order_ingest.store.orders import Key, Row

Name = tuple[UUID, str]
"""A channel and its id of an order."""


class Word(NamedTuple):
    """One thing said of one order. `key` gives the order its id if it is new; `judge` says what the word does to it."""

    key: Key
    cause: Cause
    judge: Callable[[Row, Recipient | None], Step]


def terms(channel: Channel, at: datetime) -> Terms:
    """Under what an order of a channel is judged that is heard of at a time."""
    return terms_of(channel, at, routes=can(channel.kind, RouteSource))


def govern(book: Book, order_id: UUID, under: Terms, cause: Cause) -> None:
    """Judge an order of the book under the terms of its channel, as they are now, if they are news to it."""
    row = book.judge_under(order_id, under)
    book.take(order_id, rulings.govern(row.order, row.source, book.recipients.get(order_id)), cause)


async def take(tx: Tx, words: Sequence[Word]) -> int:
    """Take words in their order, whole: what is stored, published and noted is one commit. Returns how many of them
    changed anything."""
    if not words:
        return 0
    known = await channels.share(tx, {word.key.channel_id for word in words})
    keys = {(word.key.channel_id, word.key.external_id): word.key for word in reversed(words)}
    rows = await orders.lock_by_keys(tx, keys)
    rows |= await _buried(tx, known, keys, rows)
    ids = {name: row.order_id for name, row in rows.items()}
    stored = [row.order_id for row in rows.values() if not row.fresh]
    book = Book(tx, rows.values(), await orders.recipients(tx, stored) if stored else None)
    taken = 0
    for key, cause, judge in words:
        order_id = ids[key.channel_id, key.external_id]
        govern(book, order_id, terms(known[key.channel_id], cause.at), cause)
        step = judge(book.rows[order_id], book.recipients.get(order_id))
        book.take(order_id, step, cause)
        taken += step.taken
    await book.save(whole=True)
    return taken


async def _buried(
    tx: Tx, known: Mapping[UUID, Channel], keys: Mapping[Name, Key], rows: Mapping[Name, Row]
) -> dict[Name, Row]:
    """New orders whose personal data was to be redacted before they came."""
    fresh = {name: row for name, row in rows.items() if row.fresh}
    if not fresh:
        return {}
    named = await privacy.buried(tx, [keys[name] for name in fresh])
    return {
        name: row._replace(order=row.order._replace(redacted=True))
        for name, row in fresh.items()
        if name in named or _before(row, known[row.channel_id].redacted_before)
    }


def _before(row: Row, moment: datetime | None) -> bool:
    return moment is not None and row.order_id < first_id_at(moment)
