"""The desks that one transaction has locked: they learn facts one by one, and are written once at the end.

Handlers, workers and the API go through here, so that whatever is told, and every write to the outside, comes from
the protocol alone and is committed with what caused it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from crossdock.channels.protocols import KeptHere
from crossdock.channels.registry import can
from crossdock.contracts.base import Event
from crossdock.contracts.fulfillment import (
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentCancelRefused,
    FulfillmentRejected,
    FulfillmentRequested,
    Package,
    PackedLine,
    RequestedLine,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentVoided,
    StandingLine,
    TrackingFailed,
)
from crossdock.messaging.transaction import Tx
from fulfillment.directory import Directory
from fulfillment.domain.desk import (
    Accepted,
    Answer,
    Delivered,
    Desk,
    DestinationFound,
    Dispatched,
    Fact,
    OrderState,
    Parcel,
    Rejected,
    Requested,
    Revision,
    Sale,
    Settled,
    StopAsked,
    Tagging,
    Tell,
    Voided,
    reference_of,
)
from fulfillment.domain.privacy import without_recipient
from fulfillment.domain.protocol import react
from fulfillment.domain.recipe import components
from fulfillment.store import channels, desks, writes
from fulfillment.store.writes import NewWrite


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A destination, and the reference under which it knows a request."""

    channel_id: UUID
    channel_kind: str
    channel_name: str
    reference: str


@dataclass(frozen=True, slots=True)
class Why:
    """The event that taught a desk something, if one did, and the trace that goes on, if it is not the event's."""

    cause: Event | None
    trace: str | None


class Desks:
    """Locked desks, by order id."""

    def __init__(self, tx: Tx, directory: Directory, held: dict[UUID, Desk]) -> None:
        self.held = held
        self._before = dict(held)
        self._tx = tx
        self._directory = directory
        self._writes: list[NewWrite] = []
        self._voided: list[tuple[UUID, str]] = []
        self._recipients: dict[UUID, dict[str, Any]] = {}

    @classmethod
    async def lock(cls, tx: Tx, order_ids: Iterable[UUID], *, create: bool = True) -> "Desks":
        """Lock the desks of some orders; those never heard of are made, or (without `create`) left out."""
        held = await desks.lock_desks(tx, order_ids, create=create)
        return cls(tx, Directory.of(await channels.all_channels(tx)), held)

    async def protect(self, order_ids: Iterable[UUID]) -> None:
        """Know the recipients of these orders, so that none of what others say of them is told on with their data."""
        if ids := self.held.keys() & set(order_ids):
            self._recipients |= await desks.recipients(self._tx, ids)

    def private(self, order_id: UUID, text: str) -> str:
        """What somebody said of a protected order, without its recipient's data."""
        return without_recipient(text, self._recipients.get(order_id))

    def learn(self, order_id: UUID, fact: Fact, cause: Event | None = None, trace: str | None = None) -> None:
        """Let one desk learn a fact; tell everybody what follows from it, in `trace` if it belongs to one."""
        why = Why(cause, trace)
        desk = self.held[order_id]
        if isinstance(fact, Answer):
            said, seen = self.private(order_id, fact.reason), self.private(order_id, fact.evidence)
            fact = replace(fact, reason=said, evidence=seen)
        sale = fact.sale if isinstance(fact, OrderState) else desk.order.sale
        where = self._directory.destination_of(sale)
        told: list[Tell] = []
        if where != desk.destination:
            desk, told = react(desk, DestinationFound(where))
        desk, more = react(desk, fact)
        self.held[order_id] = desk
        for tell in (*told, *more):
            self._tell(order_id, desk, tell, why)

    def find_destination(self, order_id: UUID) -> None:
        """Let a desk learn where its next request goes, as the channels are now."""
        self.learn(order_id, DestinationFound(self._directory.destination_of(self.held[order_id].order.sale)))

    def doubted(self, order_id: UUID, shipment_id: str) -> Whereabouts | None:
        """Where to ask about a doubted shipment, or None when it is not doubted any more."""
        desk = self.held[order_id]
        shipment = desk.doubt(shipment_id)
        if shipment is None:
            return None
        destination = desk.revisions[shipment.revision - 1].destination
        name, kind = self._directory.name_of(destination), self._directory.kind_of(destination)
        return Whereabouts(UUID(destination), kind, name, reference_of(order_id, shipment.revision))

    async def save(self) -> None:
        """Write what changed, and what is to be sent outside."""
        await desks.save_desks(self._tx, self._before, self.held)
        if self._writes:
            await writes.add_writes(self._tx, self._writes)
        if self._voided:
            for row in await writes.drop_voided(self._tx, self._voided):
                self._tx.publish(removal_needed(row), trace=row.traceparent)

    def _tell(self, order_id: UUID, desk: Desk, tell: Tell, why: Why) -> None:
        match tell:
            case Requested() | StopAsked():
                self._ask(order_id, desk, tell, why)
            case Dispatched():
                self._dispatch(order_id, desk, tell, why)
            case Tagging(tag):
                self._tag(order_id, desk, tag, why)
            case Voided(void):
                self._voided.append((order_id, void.id))
                about = {"order_id": order_id, "shipment_id": void.id}
                self._publish(ShipmentVoided(revision=void.revision, reship=void.reship, **about), why)
            case Delivered(delivery):
                self._publish(
                    ShipmentDelivered(order_id=order_id, shipment_id=delivery.id, delivered_at=delivery.at), why
                )
            case Accepted() | Rejected() | Settled():
                self._publish(self._said(order_id, desk, tell), why)

    def _publish(self, event: Event, why: Why) -> None:
        self._tx.publish(event, cause=why.cause, trace=why.trace)

    def _said(self, order_id: UUID, desk: Desk, tell: Accepted | Rejected | Settled) -> Event:
        if isinstance(tell, Settled):
            settled = {
                "order_id": order_id,
                "content_version": tell.settlement.content_version,
                "settlement_version": tell.settlement.settlement_version,
                "standing": tuple(StandingLine(line_id=line, quantity=n) for line, n in tell.settlement.standing),
            }
            if tell.refused:
                return FulfillmentCancelRefused(old_address=tell.old_address, **settled)
            return FulfillmentCancelled(**settled)
        destination = self._directory.name_of(desk.revisions[tell.revision - 1].destination)
        about = {"order_id": order_id, "revision": tell.revision, "destination": destination}
        if isinstance(tell, Rejected):
            return FulfillmentRejected(reason=tell.reason, **about)
        return FulfillmentAccepted(evidence=tell.evidence, **about)

    def _ask(self, order_id: UUID, desk: Desk, tell: Requested | StopAsked, why: Why) -> None:
        """Commit the intent of a write to the destination; a dispatcher sends it."""
        revision = desk.revisions[tell.revision - 1]
        sale = sale_of(desk)
        if isinstance(tell, Requested):
            kind, payload = "submit", _request(sale, revision)
            event = FulfillmentRequested(
                order_id=order_id,
                revision=tell.revision,
                destination=self._directory.name_of(revision.destination),
                lines=tuple(RequestedLine(line_id=line, quantity=n) for line, n in revision.units),
            )
            self._publish(event, why)
        else:
            kind, payload = "cancel", {}
        target = f"{revision.destination}/{order_id}"
        where = UUID(revision.destination)
        trace = self._trace_of(why)
        self._writes.append(NewWrite(kind, target, order_id, where, tell.revision, trace, payload=payload))

    def _trace_of(self, why: Why) -> str:
        return self._tx.trace_of(why.cause) if why.trace is None else why.trace

    def _dispatch(self, order_id: UUID, desk: Desk, tell: Dispatched, why: Why) -> None:
        """Tell that goods left, and commit one write for each parcel to the channel that sold them, if anybody keeps
        that channel outside."""
        shipment, sale = tell.shipment, sale_of(desk)
        event = ShipmentDispatched(
            order_id=order_id,
            shipment_id=shipment.id,
            revision=shipment.revision,
            dispatched_at=shipment.at,
            packages=tuple(_package(parcel) for parcel in shipment.parcels),
        )
        self._publish(event, why)
        if can(sale.channel_kind, KeptHere):
            return
        for parcel in shipment.parcels:
            if parcel.units and not tell.voided:
                self._writes.append(
                    NewWrite(
                        kind="tracking",
                        target=f"{sale.channel_id}/{order_id}",
                        order_id=order_id,
                        channel_id=UUID(sale.channel_id),
                        revision=shipment.revision,
                        traceparent=self._trace_of(why),
                        shipment_id=shipment.id,
                        package_ref=parcel.package_ref,
                        payload=_notice(sale, parcel),
                    )
                )

    def _tag(self, order_id: UUID, desk: Desk, tag: str, why: Why) -> None:
        """Commit the intent of a tag in the channel that sold, if anybody keeps that channel outside. It is a target of
        its own: tags and parcels of one order do not touch each other, and no parcel waits for a tag."""
        sale = sale_of(desk)
        if can(sale.channel_kind, KeptHere):
            return
        self._writes.append(
            NewWrite(
                kind="tag",
                target=f"{sale.channel_id}/{order_id}/tag",
                order_id=order_id,
                channel_id=UUID(sale.channel_id),
                revision=0,
                traceparent=self._trace_of(why),
                payload={"order_external_id": sale.external_id, "tag": tag},
            )
        )


def sale_of(desk: Desk) -> Sale:
    """Where the order of a desk was sold; it is known as soon as anything was asked."""
    if desk.order.sale is None:
        raise LookupError("a request exists for an order whose state was never seen")
    return desk.order.sale


def removal_needed(write: Any) -> TrackingFailed:
    """A shipment was voided after its channel was told: what it was told must be taken back by hand."""
    return TrackingFailed(
        order_id=write.order_id,
        shipment_id=write.shipment_id,
        package_ref=write.package_ref,
        reason="The shipment was voided after the channel was told: remove its fulfillment there.",
    )


def _request(sale: Sale, revision: Revision) -> dict[str, Any]:
    """A request as it is stored until it is sent: without the recipient, which is read then."""
    titles = {line.line_id: line.title for line in sale.lines}
    lines = [
        {"line_id": line, "sku": sku, "quantity": n, "title": titles.get(line, "")}
        for line, sku, n in components(revision.units, revision.recipes)
    ]
    promised = {"service": sale.service, "ship_by": sale.ship_by, "deliver_by": sale.deliver_by}
    return {"number": sale.number, "lines": lines} | {name: told for name, told in promised.items() if told}


def _package(parcel: Parcel) -> Package:
    return Package(
        package_ref=parcel.package_ref,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        tracking_url=parcel.tracking_url,
        lines=tuple(PackedLine(line_id=line, quantity=n) for line, n in parcel.units),
    )


def _notice(sale: Sale, parcel: Parcel) -> dict[str, Any]:
    return {
        "order_external_id": sale.external_id,
        "package_ref": parcel.package_ref,
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "tracking_url": parcel.tracking_url,
        "lines": [{"line_id": line, "quantity": n} for line, n in parcel.units],
    }
