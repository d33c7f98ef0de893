"""Messages as one line each of a trace."""

from typing import Any

from protocol.messages import Came, CancelNotice, Counted, Inspected, Look, PersonRetries, Refetch, Told, Write
from protocol.shapes import NOON

from crossdock.channels.model import ShipNotice
from crossdock.contracts.base import Event
from crossdock.contracts.order_ingest import OrderState
from fulfillment.domain.writes import Done
from sku_matcher.domain.listings import ProductState

SHOWN = ("content_version", "match_version", "reservation_version", "settlement_version", "recipient_version",
         "revision", "reship", "refund_id", "sku", "on_hand", "reserved", "removed")  # fmt: skip
SHORT = {"content_version": "content", "match_version": "match", "reservation_version": "reservation",
         "settlement_version": "settlement", "recipient_version": "recipient"}  # fmt: skip


def describe(message: Any) -> str:
    """What a message says, in as few words as tell it from every other."""
    match message:
        case Told(index, arrival, fetched):
            source, back = arrival.snapshot, f", {len(arrival.refunds)} refunds" if arrival.refunds else ""
            at = int((source.updated_at - NOON).total_seconds()) // 60
            said = f"{[line.kept for line in source.lines]} paid={source.paid} cancelled={source.cancelled}{back}"
            return f"shop: #{index} at {at}{' (fetched)' if fetched else ''} {said} addressed={source.addressed}"
        case CancelNotice(index):
            return f"shop: #{index} was cancelled"
        case PersonRetries(index):
            return f"a person retries #{index}"
        case Refetch(index):
            return f"fetch #{index}"
        case Write(kind, index, revision):
            return f"{kind} #{index} revision {revision}"
        case Look(write):
            return f"look for {describe(write)}"
        case Came(write, outcome):
            answer = outcome.answer if isinstance(outcome, Done) else None
            told = (answer.kind, dict(answer.cancelled), answer.evidence) if answer else type(outcome).__name__
            return f"outcome of {describe(write)}: {told}"
        case Counted(sku, quantity, as_of):
            return f"counted {quantity} of {sku} as of {as_of:%H:%M}"
        case Inspected(index, shipment, _):
            return f"a person looks at {shipment[-3:]} of #{index}"
        case ShipNotice():
            units = [(line.line_id, line.sku, line.quantity) for p in message.packages for line in p.lines]
            units += [(line.line_id, line.sku, line.quantity) for line in message.cancelled]
            about = f"#{int(message.reference[30:36], 16) - 16} revision {message.reference.rpartition(':')[2]}"
            return f"3PL: {about} {message.kind} {message.shipment_id} {units} reship={message.reship}"
        case ProductState():
            return f"listings at {message.updated_at:%M}: {[one.sku for one in message.variants]}"
        case Event():
            return _event(message)
    return repr(message)


def _event(event: Event) -> str:
    fields = [f"{SHORT.get(name, name)}={getattr(event, name)}" for name in SHOWN if hasattr(event, name)]
    index = f" #{event.order_id.int - 16}" if hasattr(event, "order_id") else ""
    if isinstance(event, OrderState):
        wanted = [line.wanted for line in event.lines]
        holds = [str(one.code) for one in event.holds]
        fields += [f"order={event.order_version}", f"wanted={wanted}", f"holds={holds}"]
        fields += [f"answered={event.answered_revision}"] * bool(event.answered_revision)
    for name in ("standing", "lines", "items"):
        if not isinstance(event, OrderState) and hasattr(event, name):
            fields.append(f"{name}={[tuple(v for v in _values(one)) for one in getattr(event, name)]}")
    if hasattr(event, "shipment_id"):
        fields.append(event.shipment_id.rpartition(":")[2])
    return f"{event.type.removesuffix('.v1')}{index} {' '.join(fields)}"


def _values(one: Any) -> list[Any]:
    return [value for name, value in one if name in ("line_id", "sku", "quantity", "wanted")]
