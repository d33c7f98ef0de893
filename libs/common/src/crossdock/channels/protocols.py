"""What a connector can do, as small protocols; a connector implements those that its channel offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from crossdock.channels.model import CanonicalOrder, CanonicalRouting, ListingSet, Parsed, RawWebhook, Refused, Verified


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """How to reach one channel: its base URL, settings without secrets, and a short-lived access token."""

    base_url: str
    token: str
    settings: dict[str, Any]


@runtime_checkable
class WebhookSource(Protocol):
    """Verifies deliveries and reads them; `parse` is pure."""

    def verify(self, webhook: RawWebhook, secrets: Sequence[bytes], now: datetime) -> Verified | Refused:
        """Check the signature over the raw bytes, in constant time, with each of the secrets that may be in use."""

    def category(self, topic: str) -> str | None:
        """`orders`, `catalog`, `stock`, `fulfillment`, `channel`, or None for a topic that nobody needs."""

    def parse(self, topic: str, body: bytes) -> Sequence[Parsed]:
        """Read a verified body; never raises for bad content, it returns `Unreadable` with the reason."""


@runtime_checkable
class CallbackSource(Protocol):
    """A WebhookSource that also takes calls at addresses below the one of a channel's webhooks."""

    callbacks: frozenset[str]
    """What may be called: the last part of the address, which is then the delivery's topic."""


@runtime_checkable
class KeptHere(Protocol):
    """A channel that nobody outside keeps: its orders come from files and from people. There is nobody to tell of a
    shipment, and there are no listings."""

    kept_here: Literal[True]


@runtime_checkable
class PersonalPayloads(Protocol):
    """Knows the people in the channel's payloads, so that they can be removed on request; both methods are pure."""

    def people_named(self, topic: str, body: bytes) -> frozenset[str] | None:
        """The channel's ids of the orders and customers that a body is about; None when it cannot tell."""

    def without_people(self, topic: str, body: bytes) -> bytes:
        """The body without personal data, still readable by `parse`; empty when it cannot be read."""


@runtime_checkable
class OrderSource(Protocol):
    """Reads orders from the channel."""

    async def fetch_order(self, access: ChannelAccess, external_id: str) -> CanonicalOrder | None:
        """The order as it is now, or None if the channel does not know it. Raises ChannelError; Permanent with a code
        of `ABOUT_ONE_ORDER` when this order alone cannot be read, so that others need not wait for it."""


@runtime_checkable
class RouteSource(Protocol):
    """Tells to which locations the channel assigned an order."""

    async def fetch_routing(self, access: ChannelAccess, external_id: str) -> CanonicalRouting | None:
        """Where the order is to be shipped from as of now, or None if the channel does not know the order. Raises
        ChannelError."""

    async def order_of_route(self, access: ChannelAccess, route_id: str) -> str | None:
        """The external id of the order that a route belongs to, or None if the channel does not know the route. Raises
        ChannelError."""


ABOUT_ONE_ORDER = frozenset({"bad_id", "too_many_lines", "unreadable"})
"""Codes of a failed `fetch_order` that say nothing of the channel's other orders."""


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order that changed, and when; read it whole with `fetch_order` unless that state is known already.

    Where times have whole seconds two changes can share one. What else the channel tells here without being asked for
    the whole order tells such states apart: its own word for the payment, and the total in shop currency.
    """

    external_id: str
    updated_at: datetime
    financial_status: str | None = None
    cancelled: bool | None = None
    total: Decimal | None = None
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders by their last change, oldest first. `cursor` leads to the next page; None at the end."""

    orders: tuple[OrderRef, ...]
    cursor: str | None


@runtime_checkable
class OrderFeed(Protocol):
    """Tells which orders changed: the truth that webhooks only make faster."""

    async def poll_orders(self, access: ChannelAccess, since: datetime, cursor: str | None = None) -> OrderPage:
        """Orders changed at or after `since` less an overlap. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class BacklogQuery:
    """Which old orders: placed in a window (`until` not included), changed since a time, by the numbers that people
    call them, or of which something is still to ship. What is None or empty does not narrow."""

    since: datetime | None = None
    until: datetime | None = None
    changed_since: datetime | None = None
    numbers: tuple[str, ...] = ()
    unfulfilled: bool = False


@dataclass(frozen=True, slots=True)
class BacklogScope:
    """What an import would find: how many orders (None when the channel does not say), and in sentences what it would
    not find."""

    expected: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BacklogPage:
    """Some old orders. `unreadable` are those that cannot be read, by number or id, each with why. `cursor` leads to
    the next page, None at the end; ask for it after so many seconds, because of what the channel `waits_for`.
    `restarted`: what led here is gone, so that reading begins anew (with no cursor)."""

    orders: tuple[CanonicalOrder, ...]
    unreadable: tuple[tuple[str, str], ...]
    cursor: str | None
    after: float = 0.0
    waits_for: str = ""
    restarted: bool = False


@runtime_checkable
class BacklogSource(Protocol):
    """Reads old orders, many at once, in memory that does not depend on how many there are."""

    async def backlog_scope(self, access: ChannelAccess, query: BacklogQuery) -> BacklogScope:
        """What an import would find, told before it begins. Raises ChannelError."""

    async def backlog_page(self, access: ChannelAccess, query: BacklogQuery, cursor: str | None) -> BacklogPage:
        """The next page; the same cursor gives the same page again. Raises ChannelError; Permanent when the channel
        ignores what narrows the query, never "everything"."""


@runtime_checkable
class ClockSource(Protocol):
    """Knows in which time zone the channel counts its days."""

    async def time_zone(self, access: ChannelAccess) -> str:
        """An IANA name, such as `Europe/Berlin`. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class ChannelLocation:
    """A place where the channel keeps stock; `managed` when another app's fulfillment service owns its stock."""

    location_id: str
    name: str
    active: bool
    managed: bool


@runtime_checkable
class LocationSource(Protocol):
    """Tells the channel's locations."""

    async def list_locations(self, access: ChannelAccess) -> tuple[ChannelLocation, ...]:
        """All locations, inactive ones too. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """Products by their last change, oldest first. `cursor` leads to the next page; None at the end. `unreadable` are
    the ids of products that cannot be read, each with why, in one sentence."""

    products: tuple[ListingSet, ...]
    cursor: str | None
    unreadable: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class ListingSource(Protocol):
    """Reads the channel's listings."""

    async def list_products(
        self, access: ChannelAccess, since: datetime | None = None, cursor: str | None = None
    ) -> ListingPage:
        """Products changed at or after `since`, or all of them, each with all of its variants. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """Units of one order line in a parcel."""

    line_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShipmentNotice:
    """What a channel is told of one parcel."""

    order_external_id: str
    package_ref: str
    carrier: str
    tracking_number: str
    tracking_url: str
    lines: tuple[ShipmentLine, ...]
    notify_customer: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The channel's own id of what was written; `adopted` when a look found it there already."""

    external_id: str
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a look found. `strong`: a read by id, not a search whose index may lag. `note` is for the timeline."""

    found: Receipt | None
    strong: bool
    note: str


@runtime_checkable
class ShipmentSink(Protocol):
    """Tells the channel of shipments."""

    async def push_shipment(self, access: ChannelAccess, notice: ShipmentNotice) -> Receipt:
        """Write one parcel. Raises ChannelError; `Unknown` when it may have happened."""

    async def find_shipment(self, access: ChannelAccess, notice: ShipmentNotice) -> Evidence:
        """Look whether the parcel is there already. Raises ChannelError."""


@runtime_checkable
class TagSink(Protocol):
    """Marks orders in the channel with tags, beside those that they have."""

    async def add_tag(self, access: ChannelAccess, external_id: str, tag: str) -> None:
        """Give an order a tag; one that it has already is no error. Raises ChannelError; `Unknown` when it may have
        happened."""

    async def find_tag(self, access: ChannelAccess, external_id: str, tag: str) -> Evidence:
        """Look whether an order has a tag. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What a destination shall ship of one line: `sku` and units of that SKU."""

    line_id: str
    sku: str
    quantity: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class ShipRequest:
    """A request to a destination. `reference` is ours and unique; `recipient` is personal data. `service` is the
    shipping that the buyer asked for, in the words of the channel that sold; blank, and no dates, where it says
    nothing."""

    reference: str
    order_number: str
    recipient: dict[str, Any]
    lines: tuple[RequestLine, ...]
    service: str = ""
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What a destination says of a request: `accepted`, `rejected` (with a reason), `cancelled` or `refused`;
    `cancelled` holds, per line, the units that the cancellation stopped."""

    state: str
    external_id: str = ""
    reason: str = ""
    cancelled: tuple[RequestLine, ...] = ()


@runtime_checkable
class FulfillmentProvider(Protocol):
    """A destination: a 3PL or WMS that can be asked to ship, to stop, and how things stand."""

    async def submit(self, access: ChannelAccess, request: ShipRequest) -> RequestAnswer:
        """Ask to ship. Raises ChannelError; `Unknown` when it may have been taken."""

    async def cancel(self, access: ChannelAccess, external_id: str, reference: str) -> RequestAnswer:
        """Ask to stop whatever has not left. Raises ChannelError; `Unknown` when it may have been stopped."""

    async def status(self, access: ChannelAccess, reference: str) -> RequestAnswer | None:
        """How the request stands, found by our reference, or None if the destination does not know it."""
