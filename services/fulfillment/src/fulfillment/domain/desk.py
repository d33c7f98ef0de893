"""What fulfillment knows of one order, the facts it learns and what it tells; names as in the protocol model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fulfillment.domain.units import NONE, Units

Fate = Literal["sent", "accepted", "rejected", "cancelling", "closed"]
"""Of a revision: `sent` from the committed intent until the answer, `cancelling` while we ask to stop it."""

Knowledge = tuple[int, int, str]
"""(Content version, voids known, fingerprint of the address): news of any kind is a reason to ask again to stop."""

NOTHING: Knowledge = (0, 0, "")

Recipe = tuple[tuple[str, int], ...]
"""(SKU, units of it in one unit of the order line), sorted."""


@dataclass(frozen=True, slots=True)
class LineText:
    """What a destination is told of a line besides its quantity."""

    line_id: str
    sku: str
    title: str


@dataclass(frozen=True, slots=True)
class Sale:
    """Where an order was sold, how people call it, and what was promised to the buyer: the shipping asked for in the
    channel's words, and until when it leaves and arrives. The protocol does not look inside."""

    channel_id: str
    channel_kind: str
    external_id: str
    number: str
    lines: tuple[LineText, ...] = ()
    service: str = ""
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderState:
    """The newest state of an order; `answered` is the highest rejected revision that somebody has answered, `tag` what
    its channel is to tag it with."""

    order_version: int = 0
    content_version: int = 0
    wanted: Units = NONE
    holds: tuple[str, ...] = ()
    cancelled: bool = False
    answered: int = 0
    sale: Sale | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Inventory's newest yes; `recipes` says of each line that something is held for what one unit is made of."""

    content_version: int = 0
    match_version: int = 0
    reservation_version: int = 0
    recipes: tuple[tuple[str, Recipe], ...] = ()

    @property
    def version(self) -> tuple[int, int, int]:
        """What makes a reservation newer than another."""
        return self.content_version, self.match_version, self.reservation_version


@dataclass(frozen=True, slots=True)
class Revision:
    """One request to a destination. `asked_at` is what was known when it was last asked to stop; `written_off` are the
    units that had come back for good by then; `external_id` is the destination's own name for it; `address` is the
    fingerprint of the address that it ships to.
    """

    units: Units
    destination: str = ""
    fate: Fate = "sent"
    cancelled: Units = NONE
    asked_at: Knowledge = NOTHING
    written_off: Units = NONE
    recipes: tuple[tuple[str, Recipe], ...] = ()
    external_id: str = ""
    reason: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One package with its tracking and the order-line units inside."""

    package_ref: str
    carrier: str
    tracking_number: str
    tracking_url: str
    units: Units


@dataclass(frozen=True, slots=True)
class Shipment:
    """Goods left under a revision. `id` is unique over all orders and destinations."""

    id: str
    revision: int
    units: Units
    at: datetime
    parcels: tuple[Parcel, ...] = ()


@dataclass(frozen=True, slots=True)
class Void:
    """A shipment did not happen. `reship`: the destination ships its units again under the same revision."""

    id: str
    revision: int
    reship: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """A shipment reached its recipient."""

    id: str
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RecipientKnown:
    """The recipient's newest version is known, or (`redacted`) gone for good. `address` is the fingerprint of the
    address: it tells that parcels go elsewhere now, and not where. Blank when there is no address."""

    version: int
    redacted: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination says of a revision, or (`withdrawn`) that it was never asked.

    `cancelled` is, per line, what will not leave. With `in_all` those are the totals of a status read or a notice, in
    which units that came back for good are counted too. `evidence` says what a look found where the destination did
    not answer itself.
    """

    kind: Literal["accepted", "rejected", "cancelled", "refused", "withdrawn"]
    revision: int
    cancelled: Units = NONE
    reason: str = ""
    external_id: str = ""
    evidence: str = ""
    in_all: bool = False


@dataclass(frozen=True, slots=True)
class DestinationFound:
    """The destination that the next request of this order goes to."""

    destination: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A doubted shipment was looked at and handed to a person: forget it until it comes again."""

    id: str


Fact = OrderState | Reservation | RecipientKnown | Answer | Shipment | Void | Delivery | DestinationFound | Dismissed


@dataclass(frozen=True, slots=True)
class Settlement:
    """What stands of a content version: per line the larger of wanted and of what has left or may yet leave.
    `refused_address` is the fingerprint of the last address of which it was told that a request will not go there."""

    settlement_version: int = 0
    content_version: int = 0
    standing: Units = NONE
    refused_address: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What fulfillment knows of one order. `doubted` shipments say more than was asked and wait for a look."""

    order: OrderState = OrderState()
    reservation: Reservation = Reservation()
    recipient_version: int = 0
    recipient: bool = False
    redacted: bool = False
    address: str = ""
    destination: str = ""
    recipes: tuple[tuple[str, Recipe], ...] = ()
    revisions: tuple[Revision, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    doubted: tuple[Shipment, ...] = ()
    voids: tuple[Void, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    settlement: Settlement = Settlement()

    def doubt(self, shipment_id: str) -> Shipment | None:
        """A shipment that waits for a look; None when it does not, any more or yet."""
        return next((one for one in self.doubted if one.id == shipment_id), None)


def reference_of(order_id: UUID, revision: int) -> str:
    """The name under which a destination knows one revision of an order's request."""
    return f"{order_id}:{revision}"


@dataclass(frozen=True, slots=True)
class Requested:
    """Ask the destination for this revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Ask the destination to stop this revision, whole."""

    revision: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination took this revision."""

    revision: int
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination will not ship this revision (any further)."""

    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Everybody may count on this; `refused` where more stands than is wanted, or a request ships to an address that
    the order no longer has: `old_address` names those requests."""

    settlement: Settlement
    refused: bool
    old_address: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Goods left: tell everybody, and the channel that sold (unless the shipment is voided already)."""

    shipment: Shipment
    voided: bool


@dataclass(frozen=True, slots=True)
class Voided:
    """A shipment did not happen."""

    void: Void


@dataclass(frozen=True, slots=True)
class Delivered:
    """A shipment arrived."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Tagging:
    """The order became ours to ship: tag it in its channel."""

    tag: str


Tell = Tagging | Requested | StopAsked | Accepted | Rejected | Settled | Dispatched | Voided | Delivered
