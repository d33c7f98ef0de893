"""What channels say of orders, taken in one way whoever heard it: a webhook, a poll, a file, a person."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from crossdock.messaging.transaction import Tx
from order_ingest.book import Book, Cause
from order_ingest.domain import fold
from order_ingest.domain.channel import Channel
from order_ingest.domain.fold import Step
from order_ingest.domain.ids import first_id_at
from order_ingest.domain.order import Recipient
from order_ingest.store import channels, orders, privacy
from order_ingest.store.orders import Key, Row

Name = tuple[UUID, str]
"""A channel and its id of an order."""


class Word(NamedTuple):
    """One thing said of one order. `key` gives the order its id if it is new; `judge` says what the word does to it."""

    key: Key
    cause: Cause
    judge: Callable[[Row, Recipient | None], Step]


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
    book = Book(tx, rows.values(), await orders.recipients(tx, ids.values()))
    taken = 0
    for key, cause, judge in words:
        order_id = ids[key.channel_id, key.external_id]
        book.take(order_id, fold.observe(book.rows[order_id].order, known[key.channel_id].observing), cause)
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
