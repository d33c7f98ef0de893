"""Files of orders are checked, and then taken, a few orders to a transaction: what was done and how far is one commit,
so that a process may die at any moment and another goes on. What a file holds is judged order by order; a wrong one
harms no other.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from crossdock.channels.manual import orders as given
from crossdock.channels.model import CanonicalOrder
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from order_ingest.book import Cause
from order_ingest.domain import fold
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import Arrival, Recipient
from order_ingest.domain.sheet import (
    Dialect,
    Group,
    Sheet,
    Unusable,
    Wrong,
    dialect_of,
    first_place,
    head_of,
    place_after,
)
from order_ingest.domain.status import OPEN
from order_ingest.domain.steps import Step
from order_ingest.intake import Word, take
from order_ingest.store import imports
from order_ingest.store.imports import Counts, Job, OrderOutcome, RowOutcome
from order_ingest.store.orders import Key, Row
from order_ingest.translate import arrival_of

PIECE_BYTES = 64 * 1024
TURN_SECONDS = 5.0
"""How long one turn goes on: its loop is watched."""

LEASE_SECONDS = 60.0
BATCH_ORDERS = 200
BATCH_ROWS = 1000
PAUSE_SECONDS = 1.0
ATTEMPTS = 5
"""How often orders are taken again when others bring the same ones at the same moment."""

TOO_LONG = f"belongs to an order of more than {given.MAX_LINES:,} rows: split the order"
REDACTED = (
    "A customer of this channel was redacted before the file was imported whole: upload it again without that "
    "customer's orders."
)
STORED = "An order with this number is stored already; the file does not change it."

log = logging.getLogger(__name__)


class Lost(Exception):
    """Somebody else has taken or stopped the import."""


class Paused(Exception):
    """Too many of its orders are under way."""


async def advance(context: Context) -> bool:
    """Check or take the next part of the file that has waited longest."""
    token = new_id()
    async with context.transaction() as tx:
        job = await imports.claim(tx, token, LEASE_SECONDS)
    if job is None:
        return False
    pause = 0.0
    try:
        await _turn(context, token, job)
    except Paused:
        pause = PAUSE_SECONDS
    except Lost:
        return True
    async with context.transaction() as tx:
        await imports.release(tx, token, job.import_id, pause)
    return not pause


async def sweep(context: Context) -> bool:
    """Forget the files of uploads that broke off, and of checked files that nobody started."""
    days = context.settings.import_file_days
    async with context.transaction() as tx:
        left = await imports.left(tx, days)
        if left:
            await imports.stop(
                tx, left, f"Nobody started it for {days} days, or its upload broke off: upload it again."
            )
    return False


async def end_files(tx: Tx, channel_id: UUID) -> int:
    """End the imports of a channel whose files still lie here or are arriving, and forget the files: somebody whose
    data is to go may stand in them, and nobody can tell from outside. Returns how many there were."""
    kept = await imports.lock_kept(tx, channel_id)
    if kept:
        await imports.stop(tx, kept, REDACTED)
    return len(kept)


async def _turn(context: Context, token: UUID, job: Job) -> None:
    """Go on with the file; one that is none ends with the reason. Raises Lost, Paused."""
    try:
        await _go_through(context, token, job)
    except Unusable as problem:
        await _end(context, token, job, str(problem))


async def _go_through(context: Context, token: UUID, job: Job) -> None:
    """Take the file from where it was left until it ends or the turn does."""
    until = time.monotonic() + TURN_SECONDS
    dialect = job.dialect or await _read_header(context, token, job)
    place = job.place or first_place(dialect)
    sheet = Sheet(dialect, place, given.MAX_LINES)
    position, behind = divmod(place.offset, PIECE_BYTES)
    settled = False  # a turn without progress would be repeated for ever
    settle = _check if job.state == "checking" else _import
    while True:
        async with context.transaction() as tx:
            data = await imports.piece(tx, job.import_id, position)
        groups = sheet.end() if data is None else sheet.feed(data[behind:])
        for batch in _batches(groups):
            await settle(context, token, job, batch)
            settled = True
        if data is None:
            return await _end(context, token, job)
        if settled and time.monotonic() > until:
            return None
        position, behind = position + 1, 0


async def _read_header(context: Context, token: UUID, job: Job) -> Dialect:
    async with context.transaction() as tx:
        beginning = await imports.piece(tx, job.import_id, 0)
        dialect = dialect_of(beginning or b"", job.kept_as, given.BY_NAME, given.REQUIRED)
        await _hold(tx, token, job)
        await imports.learn(tx, job.import_id, dialect)
    return dialect


async def _end(context: Context, token: UUID, job: Job, problem: str = "") -> None:
    async with context.transaction() as tx:
        await _hold(tx, token, job)
        state = await imports.finish(tx, job.import_id, problem)
    log.info("import %s is %s", job.import_id, state)


async def _hold(tx: Tx, token: UUID, job: Job) -> None:
    if not await imports.hold(tx, token, job, LEASE_SECONDS):
        raise Lost


def _batches(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """Orders by the batch; few where they are long."""
    batch: list[Group] = []
    rows = 0
    for group in groups:
        batch.append(group)
        rows += len(group.rows)
        if len(batch) == BATCH_ORDERS or rows >= BATCH_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


# ------------------------------------------------------------------ judging
def order_in(group: Group, job: Job) -> CanonicalOrder | list[Wrong]:
    """The order that rows hold, or everything that is wrong with them."""
    if group.more or group.part:
        return [Wrong(row.number, "", TOO_LONG) for row in group.rows]
    wrong = [Wrong(row.number, "", row.fault) for row in group.rows if row.fault]
    whole = [row for row in group.rows if not row.fault]
    if not whole:
        return wrong
    head, differing = head_of(whole, given.OF_ORDER)
    lines = [{name: row.cells.get(name, "") for name in given.OF_LINE} for row in whole]
    found = given.order_of(head, lines, job.now)
    if isinstance(found, CanonicalOrder):
        return [*wrong, *differing] or found
    said = [Wrong(whole[fault.line or 0].number, fault.field, fault.what) for fault in found]
    return [*wrong, *differing, *said]


def outcomes_of(group: Group, wrong: Sequence[Wrong]) -> list[RowOutcome]:
    """What the rows of an order come to that is not taken: each says what is wrong with it, or which other row is."""
    of_row: dict[int, list[Wrong]] = {}
    for one in wrong:
        of_row.setdefault(one.row, []).append(one)
    named = next(iter(of_row))
    outcomes = []
    for row in group.rows:
        said = of_row.get(row.number)
        if said is None:
            reason = f"Row {named} of the same order is wrong: an order is taken whole or not at all."
            outcomes.append(_row(group, row.number, "error", reason=reason))
            continue
        columns = ", ".join(dict.fromkeys(one.column for one in said if one.column))
        reason = "; ".join(dict.fromkeys(f"{one.column or 'The row'} {one.reason}" for one in said))
        outcomes.append(_row(group, row.number, "error", columns, f"{reason}."))
    return outcomes


def _row(group: Group, number: int, outcome: str, columns: str = "", reason: str = "") -> RowOutcome:
    return RowOutcome(number, given.shown_number(group.order_number), outcome, columns, reason)


# ------------------------------------------------------------------ the dry run
async def _check(context: Context, token: UUID, job: Job, batch: Sequence[Group]) -> None:
    async with context.transaction() as tx:
        await _hold(tx, token, job)
        numbers = {group.order_number for group in batch if group.order_number}
        earlier = await imports.earlier(tx, job.import_id, numbers)
        stored = await imports.stored(tx, job.channel_id, numbers)
        verdicts = _Verdicts(job, earlier, stored)
        for group in batch:
            verdicts.take(group)
        await imports.add_rows(tx, job.import_id, verdicts.rows)
        await imports.save(tx, job.import_id, place_after(batch[-1]), verdicts.counts())


@dataclass
class _Verdicts:
    """What the orders of a batch will come to. `earlier`: rows in which their numbers came before in the file."""

    job: Job
    earlier: dict[str, int]
    stored: set[str]
    rows: list[RowOutcome] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)

    def take(self, group: Group) -> None:
        """Judge one order."""
        outcomes = self._outcomes(group)
        self.rows += outcomes
        if group.part == 0:
            self.tally[outcomes[0].outcome] = self.tally.get(outcomes[0].outcome, 0) + 1
            if group.order_number:
                self.earlier.setdefault(group.order_number, group.rows[0].number)

    def _outcomes(self, group: Group) -> list[RowOutcome]:
        before = self.earlier.get(group.order_number) if group.part == 0 else None
        if before is not None:
            reason = (
                f"stands apart from row {before} with the same number: put its rows together, or number them otherwise"
            )
            return outcomes_of(group, [Wrong(row.number, "order_number", reason) for row in group.rows])
        found = order_in(group, self.job)
        if not isinstance(found, CanonicalOrder):
            return outcomes_of(group, found)
        if group.order_number in self.stored:
            return [_row(group, row.number, "duplicate", reason=STORED) for row in group.rows]
        return [_row(group, row.number, "will_create") for row in group.rows]

    def counts(self) -> Counts:
        """By how much the import's counts rise."""
        tally = self.tally
        return Counts(
            rows=len(self.rows),
            orders=sum(tally.values()),
            will_create=tally.get("will_create", 0),
            duplicates=tally.get("duplicate", 0),
            errors=tally.get("error", 0),
        )


# ------------------------------------------------------------------ taking it
async def _import(context: Context, token: UUID, job: Job, batch: Sequence[Group]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with context.transaction() as tx:
                await _hold(tx, token, job)
                await _take(tx, context.settings.import_in_flight, job, batch)
        except (Lost, Paused):
            raise
        except Exception as error:
            verdict = judge(error)
            if verdict is Verdict.RERUN and attempt < ATTEMPTS:
                continue
            if verdict is not Verdict.MESSAGE:
                raise
            return await _import_singly(context, token, job, batch, error)
        return None
    return None


async def _import_singly(context: Context, token: UUID, job: Job, batch: Sequence[Group], error: Exception) -> None:
    """One of these orders cannot be stored: it is told, the others are taken."""
    if len(batch) > 1:
        for group in batch:
            await _import(context, token, job, [group])
        return
    log.warning("import %s: an order could not be stored: %s", job.import_id, explain(error))
    rows = batch[0].rows
    refused = OrderOutcome(rows[0].number, rows[-1].number, "error", "The order could not be stored: see the log.")
    async with context.transaction() as tx:
        await _hold(tx, token, job)
        await imports.settle_rows(tx, job.import_id, [refused])
        await imports.save(tx, job.import_id, place_after(batch[0]), Counts(errors=1))


async def _take(tx: Tx, in_flight: int, job: Job, batch: Sequence[Group]) -> None:
    if await imports.in_flight(tx, job.import_id, in_flight, OPEN) >= in_flight:
        raise Paused
    new = await imports.to_create(tx, job.import_id, [group.rows[0].number for group in batch])
    taken: dict[str, UUID] = {}
    found = [(group, order_in(group, job)) for group in batch if group.rows[0].number in new]
    orders = [(group, order) for group, order in found if isinstance(order, CanonicalOrder)]
    cause = Cause(utc_now(), "file")
    await take(tx, [word_of(order, job.channel_id, job.channel_kind, cause, taken) for _, order in orders])
    outcomes = [_outcome(group, taken.get(order.external_id)) for group, order in orders]
    if outcomes:
        await imports.settle_rows(tx, job.import_id, outcomes)
    counts = Counts(created=len(taken), duplicates=len(outcomes) - len(taken))
    await imports.save(tx, job.import_id, place_after(batch[-1]), counts)


def _outcome(group: Group, order_id: UUID | None) -> OrderOutcome:
    first, last = group.rows[0].number, group.rows[-1].number
    if order_id is None:
        return OrderOutcome(first, last, "duplicate", STORED)
    return OrderOutcome(first, last, "created", "", order_id)


def word_of(order: CanonicalOrder, channel_id: UUID, kind: str, cause: Cause, taken: dict[str, UUID]) -> Word:
    """An order that somebody gives, as it is taken; `taken` learns its id if it was not there before."""
    key = Key(order_id_of(channel_id, order.external_id, order.placed_at), channel_id, kind, order.external_id)
    return Word(key, cause, partial(_first, arrival_of(order), taken))


def _first(arrival: Arrival, taken: dict[str, UUID], row: Row, recipient: Recipient | None) -> Step:
    """What was given first stays: nobody can tell whether another one is a correction or a mistake."""
    if row.source is not None:
        return Step(row.order)
    taken[row.external_id] = row.order_id
    return fold.take_snapshot(row.order, row.source, recipient, arrival)
