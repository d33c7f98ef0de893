"""The orders that one transaction has locked: steps are taken one by one, and everything is written once at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crossdock.contracts.base import Event
from crossdock.messaging.failures import Poison
from crossdock.messaging.transaction import Tx
from order_ingest import story, translate
from order_ingest.domain.fold import Step
from order_ingest.domain.order import Order, Recipient
from order_ingest.store import orders
from order_ingest.store.orders import Entry, Row


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step is taken: when it happened, who said so, and the event, where there is one."""

    at: datetime
    source: str
    event: Event | None = None


class Book:
    """Locked orders. `recipients` need be given only where a step may record one."""

    def __init__(self, tx: Tx, rows: Mapping[UUID, Row], recipients: Mapping[UUID, Recipient] | None = None) -> None:
        self.recipients = dict(recipients or {})
        self._tx = tx
        self._rows = dict(rows)
        self._changed: set[UUID] = set()
        self._recorded: dict[UUID, tuple[int, Recipient]] = {}
        self._entries: list[Entry] = []

    def order(self, order_id: UUID, event: Event) -> Order:
        """An order that an event speaks of. Raises Poison when it is not here."""
        if order_id not in self._rows:
            raise Poison(
                event,
                f"There is no order {order_id} here: restore order-ingest's data and replay the message, or discard it",
            )
        return self._rows[order_id].order

    def take(self, order_id: UUID, step: Step, cause: Cause, *, milestone: bool = False) -> None:
        """Keep what a step changed, and tell of it; `milestone` puts the event itself on the timeline."""
        if not step.taken:
            return
        self._rows[order_id] = row = replace(self._rows[order_id], order=step.order)
        self._changed.add(order_id)
        if milestone and cause.event is not None:
            self._note(order_id, cause, cause.event.type.removesuffix(".v1"), story.sentence_of_event(cause.event))
        for note in step.notes:
            self._note(order_id, cause, note.kind, story.sentence_of_note(note, step.order))
        self._publish(row, step, cause)

    def _note(self, order_id: UUID, cause: Cause, kind: str, sentence: str) -> None:
        origin = None if cause.event is None else self._tx.received(cause.event).origin_id
        self._entries.append(Entry(order_id, cause.at, kind, sentence, cause.source, origin))

    def _publish(self, row: Row, step: Step, cause: Cause) -> None:
        if step.state is not None:
            state = translate.state_event(
                step.state,
                step.order,
                order_id=row.order_id,
                channel_id=row.channel_id,
                channel_kind=row.channel_kind,
                external_id=row.external_id,
            )
            self._tx.publish(state, cause=cause.event)
        if step.recipient is not None:
            self.recipients[row.order_id] = step.recipient
            self._recorded[row.order_id] = (step.order.recipient_version, step.recipient)
            if step.order.ours:
                event = translate.recipient_event(row.order_id, step.order, step.recipient)
                self._tx.publish(event, cause=cause.event)
        for refund in translate.refund_events(row.order_id, step):
            self._tx.publish(refund, cause=cause.event)

    async def save(self, *, whole: bool) -> None:
        """Write what changed; `whole` where more than milestones may have."""
        changed = [self._rows[order_id] for order_id in sorted(self._changed)]
        if changed:
            await (orders.save_whole(self._tx, changed) if whole else orders.save_progress(self._tx, changed))
        if self._recorded:
            await orders.save_recipients(self._tx, self._recorded)
        if self._entries:
            await orders.write_timeline(self._tx, self._entries)
