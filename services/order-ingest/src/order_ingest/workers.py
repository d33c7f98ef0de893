"""Loops that are no handlers: reading orders again, judging them again after a mode changed, finding missed ones."""

import asyncio
import logging
from uuid import UUID

from crossdock.channels.errors import Retryable
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, Worker
from order_ingest.asking import Answer, ask
from order_ingest.book import Book, Cause
from order_ingest.domain import fold
from order_ingest.domain.fold import Step
from order_ingest.domain.order import Arrival
from order_ingest.privacy import redact, retain, search_messages
from order_ingest.reconcile import reconcile, reconcile_failing
from order_ingest.store import channels, counts, orders, refetches
from order_ingest.store.orders import Row
from order_ingest.store.refetches import Refetch

LONGEST_WAIT_SECONDS = 3600.0
COUNT_ROWS = 5000
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
        *(ask(context, one.channel_id, one.channel_kind, one.external_id, seconds) for one in claimed)
    )
    async with context.transaction() as tx:
        await _apply(tx, token, dict(zip(claimed, answers, strict=True)), settings.refetch_retry_seconds)
    return len(claimed) == int(settings.refetch_batch)


async def _apply(tx: Tx, token: UUID, answers: dict[Refetch, Answer], retry_seconds: float) -> None:
    rows = await refetches.lock_mine(tx, token, list(answers))
    book = Book(tx, rows.values(), await orders.recipients(tx, list(rows)))
    done, later = [], {}
    for wanted, answer in answers.items():
        if wanted.order_id not in rows:
            continue
        if isinstance(answer, Retryable):
            doubled = retry_seconds * 2 ** min(wanted.attempt - 1, 20)
            later[wanted.order_id] = min(max(answer.after, doubled), LONGEST_WAIT_SECONDS)
            continue
        step = _step(rows[wanted.order_id], book, wanted, answer)
        book.take(wanted.order_id, step, Cause(utc_now(), wanted.channel_kind))
        if step.order.refetching:
            later[wanted.order_id] = 0.0
        else:
            done.append(wanted.order_id)
    await book.save(whole=True)
    await refetches.finish(tx, done, later)


def _step(row: Row, book: Book, wanted: Refetch, answer: Answer) -> Step:
    arrival = answer if isinstance(answer, Arrival) else None
    step = fold.take_answer(row.order, row.source, book.recipients.get(wanted.order_id), arrival)
    if arrival is None and not step.order.refetching:
        log.warning("order %s was not read again: %s", wanted.order_id, answer or "its channel does not know it")
        unread = fold.Note("never_read" if row.source is None else "unread")
        return step._replace(notes=(*step.notes, unread))
    return step


async def reconsider(context: Context) -> bool:
    """Judge the next open orders of a channel whose mode changed."""
    async with context.transaction() as tx:
        channel_id = await channels.next_to_reconsider(tx)
        if channel_id is None:
            return False
        channel = (await channels.share(tx, [channel_id]))[channel_id]
        rows = await channels.page_to_reconsider(tx, channel_id, context.settings.reconsider_page)
        book = Book(tx, rows)
        cause = Cause(utc_now(), "gateway")
        for row in rows:
            book.take(row.order_id, fold.observe(row.order, channel.observing), cause)
        await book.save(whole=False)
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
    Worker("reconsider", reconsider, 1.0),
    Worker("reconcile", reconcile, 1.0),
    Worker("reconcile_failing", reconcile_failing, 1.0),
)
