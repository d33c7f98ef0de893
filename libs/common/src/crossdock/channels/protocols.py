"""What a connector can do, as small protocols; a connector implements those that its channel offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from crossdock.channels.model import CanonicalOrder, ListingSet, Parsed, RawWebhook, Refused, Verified


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
class KeptHere(Protocol):
    """A channel that nobody outside keeps: its orders come from files and from people. There is nobody to tell of a
    shipment, and there are no listings."""

    kept_here: Literal[True]


@runtime_checkable
class OrderSource(Protocol):
    """Reads orders from the channel."""

    async def fetch_order(self, access: ChannelAccess, external_id: str) -> CanonicalOrder | None:
        """The order as it is now, or None if the channel does not know it. Raises ChannelError; Permanent with a code
        of `ABOUT_ONE_ORDER` when this order alone cannot be read, so that others need not wait for it."""


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


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What a destination shall ship of one line: `sku` and units of that SKU."""

    line_id: str
    sku: str
    quantity: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class ShipRequest:
    """A request to a destination. `reference` is ours and unique; `recipient` is personal data."""

    reference: str
    order_number: str
    recipient: dict[str, Any]
    lines: tuple[RequestLine, ...]


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
