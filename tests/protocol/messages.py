"""What is on the network besides the services' events: the outside's words, and writes with what came of them."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from protocol.shapes import index_of

from crossdock.channels.model import ShipNotice
from crossdock.contracts.base import Event
from fulfillment.domain.writes import Outcome
from order_ingest.domain.order import Arrival


class Write(NamedTuple):
    """A committed intent: ask the 3PL to ship a revision, or to stop it."""

    kind: str
    order: int
    revision: int


class Look(NamedTuple):
    """The reply to a write was lost: find out what became of it."""

    write: Write


class Told(NamedTuple):
    """The channel says how an order stands now; `fetched` when it was asked."""

    order: int
    arrival: Arrival
    fetched: bool = False


class CancelNotice(NamedTuple):
    """The channel says that an order was cancelled, and nothing else."""

    order: int


class PersonRetries(NamedTuple):
    """A person answers the newest rejection."""

    order: int


class Refetch(NamedTuple):
    """Order-ingest wants to know how an order stands in its shop."""

    order: int


class Counted(NamedTuple):
    """Somebody counted a SKU."""

    sku: str
    quantity: int
    as_of: datetime


class Came(NamedTuple):
    """What came of a write."""

    write: Write
    outcome: Outcome

    @property
    def order(self) -> int:
        """The order that the write was for."""
        return self.write.order


class Inspected(NamedTuple):
    """A doubted shipment was looked at and handed to a person, who then replays its notice."""

    order: int
    shipment_id: str
    notice: ShipNotice


def index_in(message: Any) -> int:
    """The order that a message speaks of."""
    if isinstance(message, Event):
        return index_of(message.order_id)  # type: ignore[attr-defined]
    if isinstance(message, ShipNotice):
        return index_of(UUID(message.reference.rpartition(":")[0]))
    index: int = message.order
    return index
