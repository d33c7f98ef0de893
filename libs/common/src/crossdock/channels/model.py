"""The canonical forms that every connector maps to: an order, a listing, a ship notice. Plain values, no I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CanonicalAddress:
    """A postal address; every field may be blank."""

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class CanonicalRecipient:
    """The personal data of an order. `address` is None when the channel gives none."""

    address: CanonicalAddress | None = None
    email: str = ""
    note: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CanonicalLine:
    """One line of an order.

    `position` counts from 1, as people do. `quantity` is what was ordered; `kept` is what is left of it after edits
    and refunds of units that had not shipped (shipped and later returned units are still kept); `fulfilled` is what
    the channel says has shipped. `bundle` names what was sold as one with this line as a part; blank for what was sold
    by itself.
    """

    line_id: str
    position: int
    listing_id: str | None
    product_id: str | None
    sku: str
    title: str
    quantity: int
    kept: int
    fulfilled: int
    requires_shipping: bool
    unit_price: Decimal
    discount: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class CanonicalRefundLine:
    """Units of a line in one refund; `shipped` when they had left before, `restock` when they go back to stock."""

    line_id: str
    quantity: int
    shipped: bool
    restock: bool


@dataclass(frozen=True, slots=True)
class CanonicalRefund:
    """One refund of an order, by the channel's id. `paid_back` is the money that went to the customer (None where the
    channel does not tell it in shop currency), `worth` what the refunded units cost."""

    refund_id: str
    lines: tuple[CanonicalRefundLine, ...]
    paid_back: Decimal | None = None
    worth: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class CanonicalRoute:
    """Units of an order that the channel assigned to one of its locations to ship (Shopify: a fulfillment order).

    `units` are those still to be shipped, by line; `serviced` when the location belongs to a fulfillment service, which
    works only on `request` (`unsubmitted`, `submitted`, `accepted`, `rejected`, `cancellation_requested`, …); the
    newest one is `request_id`. `state` is `open`, `scheduled` (until `due_at`), `held` (for `reasons`) or `closed`;
    where the service gave a request back (`cancellation_accepted`), `units` are those that it was about.
    """

    route_id: str
    location: str
    serviced: bool
    state: str
    units: tuple[tuple[str, int], ...]
    request: str = ""
    due_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CanonicalShipped:
    """Units by line that the channel says have left from one location."""

    location: str
    serviced: bool
    units: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CanonicalRouting:
    """Where an order is to be shipped from; no routes while the channel has made none."""

    routes: tuple[CanonicalRoute, ...] = ()
    shipped: tuple[CanonicalShipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """The money of an order in its shop currency.

    lines - discounts + tax (unless `taxes_included`) + shipping + tips + duties + difference == total, exactly;
    `difference_reason` says where a difference that is not zero comes from.
    """

    currency: str
    lines: Decimal
    discounts: Decimal
    tax: Decimal
    shipping: Decimal
    tips: Decimal
    duties: Decimal
    total: Decimal
    difference: Decimal
    difference_reason: str = ""
    taxes_included: bool = False


@dataclass(frozen=True, slots=True)
class CanonicalOrder:
    """An order as its channel tells it. `number` is what people call it (`#1001`); times are UTC.

    `paid` says whether the channel's financial status lets it ship; `financial_status` is the channel's own word.
    `ship_by`, `deliver_by` and `service` (the shipping the buyer asked for) are None or blank where this payload is
    silent, which takes back nothing that another payload said. `service_code` is the rate's code, `service_source` who
    computed the rate; both may be blank.
    """

    external_id: str
    number: str
    placed_at: datetime
    updated_at: datetime
    financial_status: str
    paid: bool
    cancelled: bool
    test: bool
    currency: str
    totals: Totals
    lines: tuple[CanonicalLine, ...]
    recipient: CanonicalRecipient
    refunds: tuple[CanonicalRefund, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = ""
    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    service: str = ""
    service_code: str = ""
    service_source: str = ""
    fulfillment_status: str = ""
    """The channel's own word: `unfulfilled` (or blank), `partial`, `fulfilled`, `restocked`."""
    routing: CanonicalRouting | None = None
    """None where the channel was not asked for it: payloads of orders do not hold it."""


@dataclass(frozen=True, slots=True)
class OrderCancelledNotice:
    """An order was cancelled, told without its content (deleted, or only an id)."""

    external_id: str
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderTouched:
    """An order is named without being told whole: read it from its channel, unless what is known of it is from
    `updated_at` or later. None: the payload does not say how new a state has to be."""

    external_id: str
    updated_at: datetime | None = None
    routes: bool = False
    """What it is assigned to changed: its routes are read with it from now on."""


@dataclass(frozen=True, slots=True)
class RouteTouched:
    """What a location is to ship changed, told by the route's id alone: find out whose it is, and read that order."""

    route_id: str


@dataclass(frozen=True, slots=True)
class RequestsMade:
    """The merchant made requests of our fulfillment service; the channel does not say which: ask it what waits."""


@dataclass(frozen=True, slots=True)
class CanonicalListing:
    """A channel's product variant; `sku` is blank when it has none."""

    listing_id: str
    product_id: str
    sku: str
    title: str
    updated_at: datetime
    barcode: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListingSet:
    """All variants of one product as of `updated_at`; those not named are gone. `complete` is False when the channel
    shortened the list (a webhook carries 100 at most)."""

    product_id: str
    updated_at: datetime
    listings: tuple[CanonicalListing, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class NoticePackageLine:
    """Units of one of our lines inside a parcel."""

    line_id: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class NoticePackage:
    """One parcel with its tracking; tracking may be blank."""

    package_ref: str
    carrier: str
    tracking_number: str
    tracking_url: str
    lines: tuple[NoticePackageLine, ...]


@dataclass(frozen=True, slots=True)
class ShipNotice:
    """A destination says what happened to one of our requests. `kind` is one of `dispatched`, `voided`, `delivered`,
    `accepted`, `rejected`, `cancelled`; `reference` is the one we gave (`<order id>:<revision>`)."""

    kind: str
    reference: str
    request_id: str
    occurred_at: datetime
    shipment_id: str = ""
    packages: tuple[NoticePackage, ...] = ()
    reship: bool = False
    reason: str = ""
    cancelled: tuple[NoticePackageLine, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """A channel asks about a person, or about everybody: `kind` is `export`, `redact_customer` or `redact_shop`.
    `orders` and `customer_id` are the channel's ids."""

    kind: str
    orders: tuple[str, ...] = ()
    customer_id: str = ""
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AppUninstalled:
    """The channel says that it no longer lets us in. It may be old news: look before acting on it."""


@dataclass(frozen=True, slots=True)
class AccessChanged:
    """The channel says that it lets us do more or less than before."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A payload that asks for nothing, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A payload that is not what its topic promises. `reason` is one clear sentence without personal data."""

    reason: str


Parsed = (
    CanonicalOrder
    | OrderCancelledNotice
    | OrderTouched
    | RouteTouched
    | RequestsMade
    | ListingSet
    | ShipNotice
    | PrivacyRequest
    | AppUninstalled
    | AccessChanged
    | Ignored
    | Unreadable
)


@dataclass(frozen=True, slots=True)
class RawWebhook:
    """One HTTP delivery before it is trusted: lower-case header names, exact body bytes. `callback` is what it calls,
    where it came to one of a connector's callbacks."""

    headers: dict[str, str]
    body: bytes = field(repr=False)
    callback: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A delivery whose signature holds. `delivery_id` is the key for duplicates within the channel."""

    topic: str
    delivery_id: str
    event_id: str | None
    triggered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A delivery that is not let in, and why (never quoting the signature or the secret)."""

    reason: str
