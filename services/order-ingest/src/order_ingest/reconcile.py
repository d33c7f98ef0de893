"""Finding what no webhook told: every channel is asked which of its orders changed, and what is news is read.

A channel's place in its list of changes moves in the transaction that stores the orders of a page, and not before each
of them was read. Nothing is locked and no transaction is open while a channel answers.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from crossdock.channels.errors import AuthExpired, ChannelError, Permanent, Retryable, Unknown
from crossdock.channels.protocols import ABOUT_ONE_ORDER, OrderFeed
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import Tx
from crossdock.service import telemetry
from crossdock.service.app import Context
from order_ingest import translate
from order_ingest.asking import Answer, ask
from order_ingest.book import Cause
from order_ingest.domain import feed as places
from order_ingest.domain import fold
from order_ingest.domain.feed import Mention, Position
from order_ingest.domain.fold import Note, Step
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import Arrival, Recipient
from order_ingest.intake import Word, take
from order_ingest.settings import Settings
from order_ingest.store import feeds
from order_ingest.store.feeds import Feed
from order_ingest.store.orders import Key, Row

STORING_ATTEMPTS = 5
"""How often a page is stored again when webhooks bring the same orders at the same moment."""

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


class Outcome(NamedTuple):
    """What comes of a turn: where reading stands, in how many seconds it goes on, and what went wrong."""

    position: Position
    seconds: float
    problem: ChannelError | None = None


async def reconcile(context: Context) -> bool:
    """Read the next page of changes of every channel that is due and answered last time."""
    return await _turns(context, failing=False)


async def reconcile_failing(context: Context) -> bool:
    """The same for channels whose last poll failed, in a loop of their own: one that hangs delays nobody else."""
    return await _turns(context, failing=True)


def can_be_polled(kind: str) -> bool:
    """Whether channels of a kind tell which of their orders changed."""
    try:
        return isinstance(connector(kind), OrderFeed)
    except UnknownChannelKind:
        return False


async def _turns(context: Context, *, failing: bool) -> bool:
    settings: Settings = context.settings
    token = new_id()
    async with context.transaction() as tx:
        kinds = [kind for kind in await feeds.kinds(tx) if can_be_polled(kind)]
        claimed = await feeds.claim(
            tx, token, kinds, failing=failing, limit=settings.poll_channels, lease_seconds=settings.poll_lease_seconds
        )
    outcomes = await asyncio.gather(*(_turn(context, token, feed) for feed in claimed), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return bool(claimed)


async def _turn(context: Context, token: UUID, feed: Feed) -> None:
    """One page of one channel; whatever goes wrong with the channel is its own trouble."""
    try:
        await _read_page(context, token, feed)
    except ChannelError as problem:
        await _put_off(context, token, feed, problem)
    except Exception as error:
        if judge(error) is not Verdict.MESSAGE:
            raise
        log.exception("channel %s: its list of changes could not be taken", feed.channel_id)
        await _put_off(context, token, feed, ChannelError(f"The channel's answer makes no sense: {explain(error)}"))


async def _read_page(context: Context, token: UUID, feed: Feed) -> None:
    settings: Settings = context.settings
    deadline = time.monotonic() + settings.poll_lease_seconds / 2
    page = await _poll(context, feed, deadline)
    due = places.due(page.mentions, page.until)
    async with context.transaction() as tx:
        known = await feeds.known(tx, feed.channel_id, [mention.external_id for mention in due])
    wanted = places.news(due, known, feed.position.start)
    answers = await _read(context, feed, wanted, deadline)
    outcome = _outcome(settings, feed, page, answers, complete=len(answers) == len(wanted))
    found = await _store(context, token, feed, answers, outcome)
    if found:
        found_total.add(found, {"channel.kind": feed.kind})
        log.info("channel %s: %d orders or changes that no webhook had told", feed.channel_id, found)


async def _poll(context: Context, feed: Feed, deadline: float) -> Page:
    """Ask for a page. Raises ChannelError."""
    source: OrderFeed = connector(feed.kind)
    access = await context.access.channel(feed.channel_id)
    try:
        async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
            page = await source.poll_orders(access, feed.position.since, feed.position.page)
    except TimeoutError:
        raise Retryable("The channel did not answer in time") from None
    until = feed.claimed_at - timedelta(seconds=_grace(context.settings))
    return Page([translate.mention_of(ref) for ref in page.orders], page.cursor, until)


async def _read(context: Context, feed: Feed, wanted: Sequence[str], deadline: float) -> dict[str, Answer]:
    """What the channel says of these orders, a few at once; missing are those for which the time did not suffice, and
    the rest once something is wrong with the channel itself."""
    gate = asyncio.Semaphore(context.settings.poll_reads)
    answers: dict[str, Answer] = {}

    async def read(external_id: str) -> None:
        async with gate:
            left = deadline - time.monotonic()
            if left > 0 and not any(map(_is_trouble, answers.values())):
                answers[external_id] = await ask(context, feed.channel_id, feed.kind, external_id, left)

    await asyncio.gather(*(read(external_id) for external_id in wanted))
    return answers


def _is_trouble(answer: Answer) -> bool:
    """Whether something is wrong with the channel, and not with one of its orders alone."""
    about_one = isinstance(answer, Permanent) and answer.code in ABOUT_ONE_ORDER
    return isinstance(answer, ChannelError) and not about_one


def _outcome(settings: Settings, feed: Feed, page: Page, answers: Mapping[str, Answer], *, complete: bool) -> Outcome:
    trouble = [one for one in answers.values() if isinstance(one, ChannelError) and _is_trouble(one)]
    if trouble:
        return _failed(settings, feed, max(trouble, key=_after))
    if not complete:
        return Outcome(feed.position, 0.0)
    position = places.advance(feed.position, page.mentions, page.following, page.until)
    return Outcome(position, 0.0 if page.following is not None else settings.poll_seconds - _grace(settings))


def _grace(settings: Settings) -> float:
    """For so long a change is left to its webhook. Polls follow one another by so much sooner, so that every change is
    found within one interval."""
    return min(settings.poll_grace_seconds, settings.poll_seconds / 4)


def _failed(settings: Settings, feed: Feed, problem: ChannelError) -> Outcome:
    """A passing trouble is tried again soon, a lasting one at the usual pace and with a list that is asked for anew."""
    if isinstance(problem, Retryable | AuthExpired | Unknown):
        doubled = min(settings.poll_retry_seconds * 2 ** min(feed.failures, 20), settings.poll_seconds)
        return Outcome(feed.position, max(_after(problem), doubled), problem)
    return Outcome(places.start_over(feed.position), settings.poll_seconds, problem)


def _after(problem: ChannelError) -> float:
    return problem.after if isinstance(problem, Retryable) else 0.0


async def _put_off(context: Context, token: UUID, feed: Feed, problem: ChannelError) -> None:
    if isinstance(problem, AuthExpired):
        context.access.forget(feed.channel_id)
    await _store(context, token, feed, {}, _failed(context.settings, feed, problem))


async def _store(context: Context, token: UUID, feed: Feed, answers: Mapping[str, Answer], outcome: Outcome) -> int:
    """Apply what was read as webhooks are applied, and keep the place; how much of it was news. Nothing is stored when
    the lease was lost."""
    for attempt in range(1, STORING_ATTEMPTS + 1):
        try:
            async with context.transaction() as tx:
                if not await feeds.hold(tx, token, feed.channel_id):
                    return 0
                found = await _apply(tx, feed, answers)
                await _keep(tx, feed, outcome)
            break
        except Exception as error:
            if judge(error) is not Verdict.RERUN or attempt == STORING_ATTEMPTS:
                raise
    return found


async def _keep(tx: Tx, feed: Feed, outcome: Outcome) -> None:
    if outcome.problem is None:
        await feeds.save(tx, feed.channel_id, outcome.position, outcome.seconds)
        return
    failed_total.add(1, {"channel.kind": feed.kind})
    log.warning("channel %s was not reconciled: %s", feed.channel_id, outcome.problem)
    await feeds.put_off(tx, feed.channel_id, outcome.position, outcome.seconds, outcome.problem.sentence)


async def _apply(tx: Tx, feed: Feed, answers: Mapping[str, Answer]) -> int:
    told = {name: one for name, one in answers.items() if one is not None and not _is_trouble(one)}
    cause = Cause(utc_now(), feed.kind)
    return await take(tx, [Word(_key(feed, name, one), cause, partial(_step, one)) for name, one in told.items()])


def _key(feed: Feed, external_id: str, answer: Answer) -> Key:
    placed_at = answer.snapshot.placed_at if isinstance(answer, Arrival) else feed.claimed_at
    return Key(order_id_of(feed.channel_id, external_id, placed_at), feed.channel_id, feed.kind, external_id)


def _step(answer: Answer, row: Row, recipient: Recipient | None) -> Step:
    if isinstance(answer, Arrival):
        step = fold.take_snapshot(row.order, row.source, recipient, answer)
        return step._replace(notes=(Note("found"), *step.notes)) if step.taken else step
    log.warning("order %s was found and could not be read: %s", row.order_id, answer)
    return Step(row.order, taken=row.fresh, notes=(Note("found"), Note("never_read")))
