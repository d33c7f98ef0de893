"""The orders that one transaction has locked: steps are taken one by one, and everything is written once at the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crossdock.contracts.base import Event
from crossdock.contracts.gateway import WebhookReceived
from crossdock.messaging.failures import Poison
from crossdock.messaging.transaction import Tx
from order_ingest import story, translate
from order_ingest.domain.order import Recipient
from order_ingest.domain.policy import Terms
from order_ingest.domain.steps import Step
from order_ingest.store import orders
from order_ingest.store.orders import Entry, Row


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step is taken: when it happened, who said so, and the event, where there is one."""

    at: datetime
    source: str
    event: Event | None = None


class Book:
    """Locked orders, `rows` as they are by now. `recipients` need be given only where a step may record one."""

    def __init__(self, tx: Tx, rows: Iterable[Row], recipients: Mapping[UUID, Recipient] | None = None) -> None:
        self.recipients = dict(recipients or {})
        self._tx = tx
        self.rows = {row.order_id: row for row in rows}
        self._changed: set[UUID] = set()
        self._recorded: dict[UUID, tuple[int, Recipient]] = {}
        self._entries: list[Entry] = []
        self._told: list[tuple[Row, Step, Cause]] = []
        self._refused: list[WebhookReceived] = []

    def row(self, order_id: UUID, event: Event) -> Row:
        """An order that an event speaks of, as it is by now. Raises Poison when it is not here."""
        if order_id not in self.rows:
            raise Poison(
                event,
                f"There is no order {order_id} here: restore order-ingest's data and replay the message, or discard it",
            )
        return self.rows[order_id]

    def judge_under(self, order_id: UUID, terms: Terms) -> Row:
        """Let an order be judged under these terms in this transaction; the order as it is now."""
        row = self.rows[order_id]
        self.rows[order_id] = row = row._replace(order=row.order._replace(terms=terms))
        return row

    def take(self, order_id: UUID, step: Step, cause: Cause, *, milestone: bool = False) -> None:
        """Keep what a step changed, and tell of it; `milestone` puts the event itself on the timeline."""
        if step.refused and isinstance(cause.event, WebhookReceived):
            self._refused.append(cause.event)
        if not step.taken:
            return
        old = self.rows[order_id]
        self.rows[order_id] = row = old._replace(
            order=step.order, source=step.source or old.source, read_again=old.read_again or step.read_again
        )
        self._changed.add(order_id)
        if step.recipient is not None:
            self.recipients[order_id] = step.recipient
            self._recorded[order_id] = (step.order.recipient_version, step.recipient)
        if step.state is not None or step.recipient is not None or step.refunds or step.answers:
            self._told.append((row, step, cause))
        if milestone and cause.event is not None:
            self._note(order_id, cause, cause.event.type.removesuffix(".v1"), story.sentence_of_event(cause.event))
        for note in step.notes:
            self._note(order_id, cause, note.kind, story.sentence_of_note(note, step.order, row.source))

    def _note(self, order_id: UUID, cause: Cause, kind: str, sentence: str) -> None:
        origin = None if cause.event is None else self._tx.received(cause.event).origin_id
        self._entries.append(Entry(order_id, cause.at, kind, sentence, cause.source, origin))

    async def save(self, *, whole: bool) -> None:
        """Write what changed, and publish; `whole` where more than milestones may have changed, and then every row
        has its source."""
        changed = [self.rows[order_id] for order_id in self._changed]
        if fresh := [row for row in changed if row.fresh]:
            await orders.add(self._tx, fresh)
        if stored := [row for row in changed if not row.fresh]:
            await (orders.save_whole(self._tx, stored) if whole else orders.save_progress(self._tx, stored))
        if self._recorded:
            await orders.save_recipients(self._tx, self._recorded)
        if self._entries:
            await orders.write_timeline(self._tx, self._entries)
        await self._publish()
        for event in self._refused:
            self._tx.publish(translate.copy_to_remove(event), cause=event)

    async def _publish(self) -> None:
        lacking = {row.order_id for row, step, _ in self._told if step.state is not None and row.source is None}
        found = await orders.sources(self._tx, lacking) if lacking else {}
        for row, step, cause in self._told:
            for event in translate.events_of(row, step, row.source or found.get(row.order_id)):
                self._tx.publish(event, cause=cause.event)
