"""Orders that were read from their channel, taken as webhooks are taken, and counted: what was new, what was news."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from crossdock.channels.errors import ChannelError, Permanent
from crossdock.channels.protocols import ABOUT_ONE_ORDER
from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
from crossdock.service.runs.model import Tally
from order_ingest.asking import Answer
from order_ingest.book import Cause
from order_ingest.domain import fold
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import Arrival, Recipient
from order_ingest.domain.steps import Note, Step
from order_ingest.intake import Word, take
from order_ingest.store.orders import Key, Row


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: of which channel, since when, and the note by which a timeline tells it (`found`, `backlog`)."""

    channel_id: UUID
    channel_kind: str
    asked_at: datetime
    note: str


@dataclass(slots=True)
class Taken:
    """What became of the orders that one transaction took."""

    imported: set[UUID] = field(default_factory=set)
    changed: set[UUID] = field(default_factory=set)

    def tally(self, seen: int) -> Tally:
        """As a run counts it."""
        known = seen - len(self.imported) - len(self.changed)
        return Tally(seen=seen, imported=len(self.imported), changed=len(self.changed), unchanged=known)


def is_trouble(answer: Answer) -> bool:
    """Whether something is wrong with the channel, and not with one of its orders alone."""
    about_one = isinstance(answer, Permanent) and answer.code in ABOUT_ONE_ORDER
    return isinstance(answer, ChannelError) and not about_one


async def take_answers(tx: Tx, reader: Reader, answers: Mapping[str, Answer]) -> Taken:
    """Take what a channel said of its orders, by their ids there; one that could not be read is only noted."""
    taken = Taken()
    cause = Cause(utc_now(), reader.channel_kind)
    await take(
        tx,
        [Word(_key(reader, name, one), cause, partial(_step, reader, taken, one)) for name, one in answers.items()],
    )
    return taken


def _key(reader: Reader, external_id: str, answer: Answer) -> Key:
    placed_at = answer.snapshot.placed_at if isinstance(answer, Arrival) else reader.asked_at
    order_id = order_id_of(reader.channel_id, external_id, placed_at)
    return Key(order_id, reader.channel_id, reader.channel_kind, external_id)


def _step(reader: Reader, taken: Taken, answer: Answer, row: Row, recipient: Recipient | None) -> Step:
    if not isinstance(answer, Arrival):
        return Step(row.order, taken=row.fresh, notes=(Note(reader.note), Note("never_read")))
    step = fold.take_snapshot(row.order, row.source, recipient, answer)
    if not step.taken or not _is_news(row, step):
        return step
    (taken.imported if row.source is None else taken.changed).add(row.order_id)
    return step._replace(notes=(Note(reader.note), *step.notes))


def _is_news(row: Row, step: Step) -> bool:
    """Whether a step says anything but that the channel touched the order, as a tag does: ours, or anybody's."""
    if row.source is None or step.source is None or step.state is not None or step.notes or step.recipient is not None:
        return True
    return replace(step.source, updated_at=row.source.updated_at) != row.source
