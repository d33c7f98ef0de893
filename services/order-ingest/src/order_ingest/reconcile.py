"""Finding what no webhook told: every channel is asked which of its orders changed, and what is news is read.

A channel's place in its list of changes moves in the transaction that stores the orders of a page, and not before each
of them was read. Nothing is locked and no transaction is open while a channel answers.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from crossdock.channels.errors import AuthExpired, ChannelError, Retryable, Unknown
from crossdock.channels.protocols import OrderFeed, OrderPage
from crossdock.messaging.transaction import Tx
from crossdock.service import telemetry
from crossdock.service.runs import store as run_store
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, GOES_ON, Failure, Kind, Tally, Turn
from crossdock.service.runs.schedule import Schedule
from order_ingest import translate
from order_ingest.asking import Answer, ask
from order_ingest.domain import feed as places
from order_ingest.domain.feed import Mention, Position
from order_ingest.reading import Reader, is_trouble, take_answers
from order_ingest.settings import Settings
from order_ingest.store import feeds

found_total = telemetry.meter.create_counter(
    "reconcile.found", description="New orders and changes that a poll told before any webhook"
)
failed_total = telemetry.meter.create_counter("reconcile.failed", description="Polls of a channel that failed")
log = logging.getLogger(__name__)


class Page(NamedTuple):
    """A page of changes. `until`: what changed later is left to its webhook for now."""

    mentions: Sequence[Mention]
    following: str | None
    until: datetime


async def turn(job: Job) -> Turn:
    """One page of a channel's changes. Raises ChannelError; a lasting one lets the list be asked for anew."""
    async with job.context.transaction() as tx:
        position = await feeds.position(tx, job.run.channel_id)
    if position is None:
        return DONE
    try:
        return await _read_page(job, position)
    except ChannelError as problem:
        failed_total.add(1, {"channel.kind": job.run.channel_kind})
        if not isinstance(problem, Retryable | AuthExpired | Unknown):
            again = places.start_over(position)
            await job.save(None, partial(_place, job, again, reached_end=False))
        raise


async def _read_page(job: Job, position: Position) -> Turn:
    page = await _poll(job, position)
    due = places.due(page.mentions, page.until)
    async with job.context.transaction() as tx:
        known = await feeds.known(tx, job.run.channel_id, [mention.external_id for mention in due])
    wanted = places.news(due, known, position.start)
    answers = await _read(job, wanted)
    trouble = [one for one in answers.values() if isinstance(one, ChannelError) and is_trouble(one)]
    complete = len(answers) == len(wanted) and not trouble
    next_one = places.advance(position, page.mentions, page.following, page.until) if complete else position
    at_end = complete and page.following is None
    await _store(job, next_one, answers, at_end=at_end)
    if trouble:
        raise max(trouble, key=lambda problem: problem.after if isinstance(problem, Retryable) else 0.0)
    return DONE if at_end else GOES_ON


async def _poll(job: Job, position: Position) -> Page:
    """Ask for a page. Raises ChannelError."""
    page: OrderPage = await job.ask(lambda source, access: source.poll_orders(access, position.since, position.page))
    until = job.run.now - timedelta(seconds=_grace(job.context.settings))
    return Page([translate.mention_of(ref) for ref in page.orders], page.cursor, until)


async def _read(job: Job, wanted: Sequence[str]) -> dict[str, Answer]:
    """What the channel says of these orders, a few at once; missing are those for which the time did not suffice, and
    the rest once something is wrong with the channel itself."""
    gate = asyncio.Semaphore(job.context.settings.poll_reads)
    answers: dict[str, Answer] = {}

    async def read(external_id: str) -> None:
        async with gate:
            if job.seconds_left > 0 and not any(map(is_trouble, answers.values())):
                run = job.run
                answers[external_id] = await ask(
                    job.context, run.channel_id, run.channel_kind, external_id, job.seconds_left
                )

    await asyncio.gather(*(read(external_id) for external_id in wanted))
    return answers


def _grace(settings: Settings) -> float:
    """For so long a change is left to its webhook. Polls follow one another by so much sooner, so that every change is
    found within one interval."""
    return min(settings.poll_grace_seconds, settings.poll_seconds / 4)


async def _store(job: Job, position: Position, answers: Mapping[str, Answer], *, at_end: bool) -> None:
    """Apply what was read as webhooks are applied, and keep the place. Raises LostRun when the lease was lost."""
    told = {name: one for name, one in answers.items() if one is not None and not is_trouble(one)}
    unread = [
        Failure(f"order {name}", f"Its channel could not tell it: {one.sentence}")
        for name, one in told.items()
        if isinstance(one, ChannelError)
    ]
    for failure in unread:
        log.warning("channel %s, %s: %s", job.run.channel_id, failure.subject, failure.sentence)
    done = await job.save(None, partial(_apply, job, position, told, at_end), failures=unread)
    if found := done.imported + done.changed:
        found_total.add(found, {"channel.kind": job.run.channel_kind})
        log.info("channel %s: %d orders or changes that no webhook had told", job.run.channel_id, found)


async def _apply(job: Job, position: Position, told: Mapping[str, Answer], at_end: bool, tx: Tx) -> Tally:
    run = job.run
    taken = await take_answers(tx, Reader(run.channel_id, run.channel_kind, run.now, "found"), told)
    await _place(job, position, tx, reached_end=at_end)
    return taken.tally(sum(not isinstance(one, ChannelError) for one in told.values()))


async def _place(job: Job, position: Position, tx: Tx, *, reached_end: bool) -> Tally:
    await feeds.save(tx, job.run.channel_id, position, reached_end=reached_end)
    return Tally()


async def read_now(tx: Tx, channel_ids: Collection[UUID]) -> None:
    """Let these channels be read at once, unless that waits to be done already."""
    await run_store.queue_for(tx, ORDERS, channel_ids, "reset")


ORDERS = Kind(
    name="orders",
    lane="orders",
    origin="orders of {channel} that changed",
    destination="orders of this hub",
    ability=OrderFeed,
    turn=turn,
    schedule=lambda settings: Schedule(every_seconds=settings.poll_seconds - _grace(settings)),
    longest_wait=lambda settings: float(settings.poll_seconds),
    patience=None,
)
