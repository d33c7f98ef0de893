"""What order-ingest knows of one order: the channel's newest word, and every milestone that other services reported.

Milestones are sets of facts or the newest of a version, so that the order of their arrival cannot matter.
Units are units of order lines, by line id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from order_ingest.domain.policy import NO_TERMS, Terms
from order_ingest.domain.routing import Routing
from order_ingest.domain.units import total

Units = Mapping[str, int]
Recipient = Mapping[str, Any]
"""Personal data; these rules only compare it."""
NOTHING: Mapping[Any, Any] = {}
"""Shared by all that begin empty; values are replaced, never changed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `kept` is what is left of `quantity` after edits and refunds of units that had not shipped. `bundle` is
    the name of what it was sold as a part of: shown, and nothing that two states must agree in."""

    line_id: str
    position: int
    listing_id: str | None
    sku: str
    title: str
    quantity: int
    kept: int
    requires_shipping: bool
    unit_price: Decimal
    discount: Decimal
    tax: Decimal
    bundle: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An order as its channel told it at `updated_at`. `totals` are amounts as texts, shown and not reasoned about.

    `ship_by`, `deliver_by` and `service` are kept from an earlier state where a newer one is silent of them; `routing`
    is None where the channel was not asked to which locations it assigns the order. `service_from` says which field of
    the channel filled `service`.
    """

    updated_at: datetime
    number: str
    placed_at: datetime
    paid: bool
    cancelled: bool
    test: bool
    addressed: bool
    total: Decimal
    currency: str
    lines: tuple[Line, ...]
    financial_status: str = ""
    totals: Mapping[str, Any] = field(default_factory=dict)
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    service: str = ""
    fulfillment_status: str = ""
    routing: Routing | None = None
    service_from: str = "title"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund by the channel's id; `lines` are (line id, units, restock) of units that had shipped, `unshipped`
    counts the others. Money is in shop currency; `kind` is what it was for, once it was judged, and `kind_version`
    counts how often that was."""

    refund_id: str
    lines: tuple[tuple[str, int, bool], ...]
    unshipped: int = 0
    paid_back: Decimal | None = None
    worth: Decimal = Decimal(0)
    kind: str = ""
    kind_version: int = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A snapshot with what travels beside it: units the channel says have shipped, refunds, the recipient, and (besides
    the title) what else may fill the snapshot's `service`."""

    snapshot: Snapshot
    fulfilled: Units
    refunds: tuple[Refund, ...]
    recipient: Recipient
    services: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the order waits. Own holds carry the `quantities` of their sentence, those of others the sentence itself."""

    code: str
    lines: tuple[str, ...] = ()
    quantities: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    next_action: str = ""
    actor: str = ""

    @property
    def key(self) -> str:
        """What makes it the same hold although its quantities changed."""
        return " ".join((self.code, *self.lines))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of an order: why it is not ours, what it waits for, whether nobody can say yet if it is
    ours, and the channel's status by which it counts as cancelled."""

    refusal: Hold | None = None
    waits: tuple[Hold, ...] = ()
    unrouted: bool = False
    cancelled_by: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """What was last told of the order; `holds` are their keys."""

    order_version: int = 0
    content_version: int = 0
    holds: tuple[str, ...] = ()
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The newest answer of sku-matcher."""

    content_version: int = 0
    match_version: int = 0
    matched: bool = False
    holds: tuple[Hold, ...] = ()

    @property
    def version(self) -> tuple[int, int]:
        """What makes it newer than another."""
        return self.content_version, self.match_version


@dataclass(frozen=True, slots=True)
class Reservation:
    """The newest answer of inventory; `shortages` are phrases such as "2 of SHIRT-M, 0 available at Main"."""

    content_version: int = 0
    match_version: int = 0
    reservation_version: int = 0
    reserved: bool = False
    shortages: tuple[str, ...] = ()

    @property
    def version(self) -> tuple[int, int, int]:
        """What makes it newer than another."""
        return self.content_version, self.match_version, self.reservation_version


@dataclass(frozen=True, slots=True)
class Settlement:
    """Fulfillment's newest word on what stands: per line, at most this much has left or may yet leave."""

    settlement_version: int = 0
    content_version: int = 0
    refused: bool = False
    standing: Units = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One revision of what a destination was asked to ship."""

    destination: str
    units: Units


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a destination refused a revision."""

    destination: str
    reason: str


@dataclass(frozen=True, slots=True)
class Package:
    """One parcel."""

    package_ref: str
    carrier: str
    tracking_number: str
    tracking_url: str
    units: Units


@dataclass(frozen=True, slots=True)
class Shipment:
    """What left, under which revision."""

    revision: int
    dispatched_at: datetime
    packages: tuple[Package, ...]

    def units(self) -> dict[str, int]:
        """Units by line over all its parcels."""
        return total(package.units for package in self.packages)


@dataclass(frozen=True, slots=True)
class Tracking:
    """What came of telling the channel about one parcel, or of tagging the order there."""

    state: Literal["done", "failed"]
    external_id: str = ""
    reason: str = ""
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What the merchant asked of our fulfillment service and waits for an answer to: to ship the units of a route, or
    to `cancel` that. `ships`: it holds something that needs shipping."""

    route_id: str
    request_id: str
    cancel: bool
    units: Units
    ships: bool = True

    @property
    def key(self) -> str:
        """What names the request among all of the order's."""
        return request_key(self.route_id, self.request_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """Our answer to a request: `accept`, `reject` (for a `reason`), `accept_cancellation` or `reject_cancellation`.
    What the merchant is told beside it (blank: why the policy rejects the order), and what came of telling it
    (`pending`, `done`, `overtaken`, `failed`)."""

    answer: str
    message: str = ""
    reason: str = "other"
    state: str = "pending"


WITHDRAWN = "withdrawn"
"""The refusal of an order of which the merchant took every request back."""


class Order(NamedTuple):
    """What decides where an order stands. The channel's newest snapshot and the recipient are kept beside it: only
    what the channel says can change them, and milestones need neither. A named tuple, because every event makes a new
    one and a frozen dataclass of so many fields takes several times as long.

    `known`: content has come. `wanted`: units of each line that are ours to ship, none once it is cancelled. `paid`:
    payment is no reason to wait. `cancelled` is also the tombstone of an order whose content has not come; `observing`
    is the channel's name while it only observes, else blank, and `warehouse_observing` that of the warehouse that is to
    ship it; `before_import` are the units that had shipped when the
    order became ours, `before_ours` those of them that left from our locations; `extended`: lines were added since;
    `refunds` are the ids of all that are known, `refund_kinds` what those that were told were told to be for;
    `voids` tell for each voided shipment whether its units are shipped again under the same revision; `redacted`
    refuses personal data for good, and nothing else.

    `terms` are those of this transaction and not stored; `judged` is the version of the policy that `verdict` follows
    from. `follows`: the channel is asked for the order's routes whenever it is read. People decided `approved` (what
    the policy makes wait), `brought_in` (what it rejects), and `chosen` or `left_out` (when the channel went live).
    `tag` was decided when the order became ours to ship; `tagging` is what came of it.
    `asked` are the requests to our fulfillment service that wait for an answer, as the channel was read last, `replies`
    our answers by the keys of requests.
    """

    known: bool = False
    test: bool = False
    paid: bool = False
    addressed: bool = False
    cancelled: bool = False
    wanted: Units = NOTHING
    ever_wanted: bool = False
    before_import: Units = NOTHING
    observing: str = ""
    warehouse_observing: str = ""
    refetching: bool = False
    arrived_meanwhile: bool = False
    recipient_version: int = 0
    refunds: tuple[str, ...] = ()
    refund_kinds: Mapping[str, tuple[str, ...]] = NOTHING
    extended: bool = False
    published: Published = Published()
    match: Match = Match()
    reservation: Reservation = Reservation()
    settlement: Settlement = Settlement()
    requested: Mapping[int, Request] = NOTHING
    accepted: tuple[int, ...] = ()
    rejected: Mapping[int, Rejection] = NOTHING
    shipments: Mapping[str, Shipment] = NOTHING
    voids: Mapping[str, bool] = NOTHING
    delivered: tuple[str, ...] = ()
    tracking: Mapping[str, Tracking] = NOTHING
    answered: int = 0
    redacted: bool = False
    terms: Terms = NO_TERMS
    judged: int = 0
    verdict: Verdict = Verdict()
    imported_at: datetime | None = None
    before_ours: Units | None = None
    follows: bool = False
    approved: bool = False
    brought_in: bool = False
    left_out: bool = False
    chosen: bool = False
    tag: str = ""
    tagging: Tracking | None = None
    asked: tuple[Asked, ...] = ()
    replies: Mapping[str, Reply] = NOTHING

    @property
    def told(self) -> bool:
        """Whether anybody was told of the order."""
        return self.published.order_version > 0

    @property
    def ours(self) -> bool:
        """Whether the order is told to anybody: what the policy rejects is stored and goes nowhere."""
        return self.known and (self.told or not (self.verdict.refusal or self.verdict.unrouted))

    @property
    def ours_to_ship(self) -> bool:
        """Whether the hub works on it: ours, with something wanted, and its channel does not only observe."""
        return self.ours and not self.observing and any(self.wanted.values())

    @property
    def called_off(self) -> bool:
        """Whether nothing is wanted because the order is cancelled, in its channel or by the policy."""
        return self.cancelled or bool(self.verdict.cancelled_by)


def request_key(route_id: str, request_id: str) -> str:
    """The name of one request to our fulfillment service within its order."""
    return f"{route_id}/{request_id}"


def parcel_key(shipment_id: str, package_ref: str) -> str:
    """The name of one parcel within its order."""
    return f"{shipment_id}/{package_ref}"


def shipped_net(order: Order) -> dict[str, int]:
    """Units that left and whose shipment was not voided, by line."""
    return total(one.units() for shipment_id, one in order.shipments.items() if shipment_id not in order.voids)
