"""Loops that are no handlers: reading orders again, and judging them again under a new policy."""

import asyncio
import logging
from uuid import UUID

from crossdock.channels.errors import Retryable
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, Worker
from order_ingest.asking import Answer, ask, pause
from order_ingest.book import Book, Cause
from order_ingest.domain import fold
from order_ingest.domain.order import Arrival
from order_ingest.domain.steps import Note, Step
from order_ingest.imports import advance, sweep
from order_ingest.intake import govern, terms
from order_ingest.privacy import redact, retain, search_messages
from order_ingest.routes import find_owners
from order_ingest.store import channels, counts, orders, refetches
from order_ingest.store.orders import Row
from order_ingest.store.refetches import Refetch

COUNT_ROWS = 5000
LONGEST_ROUTING_SECONDS = 60.0
"""At most so long until a channel is asked again that has yet to say which location ships an order."""
log = logging.getLogger(__name__)


async def refetch(context: Context) -> bool:
    """Read orders again whose newest states contradict each other; the channel's answer wins.

    The claim is committed before anything is asked, and nothing is held while the channel answers; a state that
    arrives meanwhile voids the answer.
    """
    settings = context.settings
    token = new_id()
    async with context.transaction() as tx:
        claimed = await refetches.claim(
            tx, token, limit=settings.refetch_batch, lease_seconds=settings.refetch_lease_seconds
        )
    if not claimed:
        return False
    seconds = settings.refetch_lease_seconds / 2
    answers = await asyncio.gather(
        *(
            ask(context, one.channel_id, one.channel_kind, one.external_id, seconds, routes=one.follows)
            for one in claimed
        )
    )
    async with context.transaction() as tx:
        await _apply(tx, token, dict(zip(claimed, answers, strict=True)), settings.refetch_retry_seconds)
    return len(claimed) == int(settings.refetch_batch)


async def _apply(tx: Tx, token: UUID, answers: dict[Refetch, Answer], retry_seconds: float) -> None:
    known = await channels.share(tx, {wanted.channel_id for wanted in answers})
    rows = await refetches.lock_mine(tx, token, list(answers))
    book = Book(tx, rows.values(), await orders.recipients(tx, list(rows)))
    done, later = [], {}
    for wanted, answer in answers.items():
        if wanted.order_id not in rows:
            continue
        if isinstance(answer, Retryable):
            later[wanted.order_id] = pause(retry_seconds, wanted.attempt, answer.after)
            continue
        cause = Cause(utc_now(), wanted.channel_kind)
        govern(book, wanted.order_id, terms(known[wanted.channel_id], cause.at), cause)
        voided = book.rows[wanted.order_id].order.arrived_meanwhile
        step = _step(book.rows[wanted.order_id], book, wanted, answer)
        book.take(wanted.order_id, step, cause)
        if step.order.refetching:
            routing = min(pause(retry_seconds, wanted.attempt), LONGEST_ROUTING_SECONDS)
            later[wanted.order_id] = 0.0 if voided else routing
        else:
            done.append(wanted.order_id)
    await book.save(whole=True)
    await refetches.finish(tx, done, later)


def _step(row: Row, book: Book, wanted: Refetch, answer: Answer) -> Step:
    arrival = answer if isinstance(answer, Arrival) else None
    step = fold.take_answer(row.order, row.source, book.recipients.get(wanted.order_id), arrival)
    if arrival is None and not step.order.refetching:
        log.warning("order %s was not read again: %s", wanted.order_id, answer or "its channel does not know it")
        unread = Note("never_read" if row.source is None else "unread")
        return step._replace(notes=(*step.notes, unread))
    return step


async def reconsider(context: Context) -> bool:
    """Judge the next open and rejected orders of a channel whose mode or policy changed."""
    async with context.transaction() as tx:
        channel_id = await channels.next_to_reconsider(tx)
        if channel_id is None:
            return False
        channel = (await channels.share(tx, [channel_id]))[channel_id]
        rows = await channels.page_to_reconsider(tx, channel_id, context.settings.reconsider_page)
        book = Book(tx, rows, await orders.recipients(tx, [row.order_id for row in rows]))
        cause = Cause(utc_now(), "policy")
        for row in rows:
            govern(book, row.order_id, terms(channel, cause.at), cause)
        await book.save(whole=True)
        more = len(rows) == context.settings.reconsider_page
        await channels.reconsidered(tx, channel_id, rows[-1].order_id if more else None)
    return True


async def roll_up_counts(context: Context) -> bool:
    """Keep the sums of orders by status, so that few changes are left to be added up by whoever asks."""
    async with context.transaction() as tx:
        return await counts.roll_up(tx, COUNT_ROWS) == COUNT_ROWS


WORKERS = (
    Worker("roll_up_counts", roll_up_counts, 1.0),
    Worker("redact", redact, 2.0),
    Worker("search_messages", search_messages, 2.0),
    Worker("retain", retain, 60.0),
    Worker("refetch", refetch, 1.0),
    Worker("find_owners", find_owners, 1.0),
    Worker("reconsider", reconsider, 1.0),
    Worker("imports", advance, 1.0),
    Worker("import_sweep", sweep, 300.0),
)
