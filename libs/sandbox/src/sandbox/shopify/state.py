"""What a simulated store knows: plain mutable records in memory, one `Store` per shop domain."""

import itertools
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.clock import second
from sandbox.shopify.app import Grants
from sandbox.shopify.cost import Bucket
from sandbox.shopify.money import Bag, Currencies, total
from sandbox.shopify.shipping import Fulfillment, FulfillmentOrder, Service

BIG = 820_982_911_946_154_508  # beyond 2**53, as in Shopify's own samples


@dataclass
class Location:
    """A place of the merchant, or of another app's fulfillment service."""

    id: int
    name: str
    is_active: bool = True
    fulfills_online_orders: bool = True
    is_fulfillment_service: bool = False
    country_code: str = "US"
    created_at: datetime = field(default_factory=second)


@dataclass
class Variant:
    """A product's variant; `sku` may be blank or shared. `available` and `on_hand` are by location id."""

    id: int
    product_id: int
    inventory_item_id: int
    title: str
    sku: str | None
    price: Decimal
    barcode: str | None = None
    requires_shipping: bool = True
    tracked: bool = True
    grams: int = 100
    position: int = 1
    location_id: int | None = None
    available: dict[int, int] = field(default_factory=dict)
    on_hand: dict[int, int] = field(default_factory=dict)
    levels_updated_at: dict[int, datetime] = field(default_factory=dict)
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)


@dataclass
class Product:
    """A product with its variants in position order."""

    id: int
    title: str
    handle: str
    vendor: str
    product_type: str
    status: str
    tags: list[str]
    variants: list[Variant]
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)


@dataclass
class TaxLine:
    """One tax on a line or a shipping line."""

    title: str
    rate: Decimal
    price: Bag


@dataclass
class Discount:
    """One discount application: `target` line_item or shipping_line, `method` across, each or one."""

    index: int
    kind: str  # discount_code, manual, automatic
    title: str
    value: Decimal
    value_type: str  # fixed_amount, percentage
    target: str = "line_item"
    selection: str = "all"
    method: str = "across"


@dataclass
class Allocation:
    """The part of a discount that falls on one line."""

    discount: Discount
    amount: Bag


@dataclass
class Line:
    """A line item. `quantity` is what was ordered, `current_quantity` what is left after edits and refunds."""

    id: int
    title: str
    quantity: int
    current_quantity: int
    price: Bag
    sku: str | None
    variant_id: int | None = None
    product_id: int | None = None
    variant_title: str | None = None
    vendor: str | None = None
    requires_shipping: bool = True
    taxable: bool = True
    gift_card: bool = False
    grams: int = 0
    location_id: int = 0
    fulfilled: int = 0
    returned: int = 0
    properties: list[dict[str, str]] = field(default_factory=list)
    tax_lines: list[TaxLine] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    line_discount: Decimal = Decimal(0)
    group: tuple[int, str] | None = None  # id and title of the bundle that it is a part of

    @property
    def unfulfilled(self) -> int:
        """Units that may still be shipped."""
        return max(0, self.current_quantity - (self.fulfilled - self.returned))

    def discounts(self, currencies: Currencies) -> Bag:
        """All discounts that fall on the whole line."""
        return total([allocation.amount for allocation in self.allocations], currencies)


@dataclass
class ShippingLine:
    """One way of shipping and its price."""

    id: int
    title: str
    price: Bag
    code: str | None = None
    tax_lines: list[TaxLine] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)


@dataclass
class Refund:
    """Money given back, and units taken off the order. `lines` hold (id, line id, quantity, restock type, location)."""

    id: int
    lines: list[tuple[int, int, int, str, int | None]]
    amount: Bag
    note: str | None = None
    created_at: datetime = field(default_factory=second)


@dataclass
class Order:
    """An order of the store."""

    id: int
    number: int
    name: str
    currencies: Currencies
    lines: list[Line]
    shipping_lines: list[ShippingLine]
    discounts: list[Discount]
    received: Bag
    financial_status: str
    taxes_included: bool
    customer: dict[str, Any] | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    note: str | None = None
    note_attributes: list[dict[str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    test: bool = False
    source_name: str = "web"
    source_identifier: str | None = None
    source_url: str | None = None
    po_number: str | None = None
    email: str | None = None
    phone: str | None = None
    edited: bool = False
    gateways: list[str] = field(default_factory=list)
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    closed_at: datetime | None = None
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)
    processed_at: datetime = field(default_factory=second)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    fulfillment_orders: list[FulfillmentOrder] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    claims_stock: bool = False
    changed_on_clock: float = 0.0
    created_on_clock: float = 0.0

    @property
    def priced(self) -> "list[Line | ShippingLine]":
        """Everything that has a price, taxes and discounts."""
        return [*self.lines, *self.shipping_lines]

    def line(self, line_id: int) -> Line:
        """The line with this id. Raises: KeyError."""
        for line in self.lines:
            if line.id == line_id:
                return line
        raise KeyError(line_id)


@dataclass
class Subscription:
    """A webhook subscription; `by_api` ones are deleted after too many failures."""

    id: int
    topic: str  # ORDERS_CREATE
    uri: str
    by_api: bool = True
    include_fields: list[str] = field(default_factory=list)
    filter: str | None = None
    name: str | None = None
    metafield_namespaces: list[str] = field(default_factory=list)
    created_at: datetime = field(default_factory=second)
    updated_at: datetime = field(default_factory=second)


@dataclass
class Job:
    """Work that Shopify does later, such as a cancellation."""

    id: str
    done: bool = False


@dataclass
class Fault:
    """The next `times` calls of an operation go wrong. `operation` is a root field, `*` for any of them, or a grant of
    the token endpoint."""

    operation: str
    kind: str  # lose_reply, act_late, timeout, error_500, throttle, http_429, token_expired
    times: int = 1
    seconds: float = 30.0


@dataclass
class Settings:
    """How a store behaves. Delays, lags and lives of tokens are sandbox seconds."""

    fulfillment_order_delay: float = 0.0
    search_lag: float = 0.0
    updated_at_lag: float = 0.0
    cancel_delay: float = 0.2
    bulk_delay: float = 0.2
    bulk_error: str | None = None
    throttled_status: int = 200
    orders_per_minute: int | None = None
    served_versions: list[str] = field(default_factory=lambda: ["2026-01", "2026-04", "2026-07", "2026-10"])
    webhook_version: str = "2026-10"
    approves: bool = True
    withheld_scopes: list[str] = field(default_factory=list)
    same_organisation: bool = True
    token_seconds: float = 3600.0
    refresh_seconds: float = 7_776_000.0
    credentials_token_seconds: float = 86_400.0
    one_access_token: bool = False
    refresh_single_use: bool = False
    scopes: list[str] = field(
        default_factory=lambda: [
            "read_customers",
            "read_inventory",
            "read_locations",
            "read_merchant_managed_fulfillment_orders",
            "read_orders",
            "read_products",
            "write_fulfillments",
            "write_inventory",
            "write_merchant_managed_fulfillment_orders",
            "write_orders",
        ]
    )


class Ids:
    """Numbers for a store's things: rising, never reused, and every third order or line beyond 2**53."""

    def __init__(self, seed: int) -> None:
        base = random.Random(seed).randrange(1_000, 9_000) * 1_000_000_000  # noqa: S311 - not a secret
        self._small = itertools.count(base)
        self._big = itertools.count(BIG + base)
        self._turn = itertools.count(1)

    def next(self) -> int:
        """A number up to 2**53."""
        return next(self._small)

    def next_mixed(self) -> int:
        """A number that is beyond 2**53 every third time."""
        return next(self._big) if next(self._turn) % 3 == 0 else next(self._small)


@dataclass
class Store:
    """One shop."""

    domain: str
    id: int
    name: str
    currency: str
    token: str
    secret: str
    ids: Ids
    bucket: Bucket
    settings: Settings = field(default_factory=Settings)
    client_id: str = "client-id"
    bulk: dict[int, Any] = field(default_factory=dict)
    bulk_tasks: set[Any] = field(default_factory=set)
    bulk_files: list[Path] = field(default_factory=list)
    archives: list[Any] = field(default_factory=list)
    grants: Grants = field(default_factory=Grants)
    old_secret: str | None = None
    utc_offset: str = "-05:00"
    timezone_name: str = "America/New_York"
    installed: bool = True
    locations: dict[int, Location] = field(default_factory=dict)
    services: dict[int, Service] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    variants: dict[int, Variant] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    fulfillment_orders: dict[int, FulfillmentOrder] = field(default_factory=dict)
    fulfillments: dict[int, Fulfillment] = field(default_factory=dict)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    idempotency: dict[str, Any] = field(default_factory=dict)
    api_orders: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    @property
    def offset(self) -> timezone:
        """The store's distance from UTC, in which REST times are written."""
        sign = -1 if self.utc_offset.startswith("-") else 1
        hours, minutes = self.utc_offset.lstrip("+-").split(":")
        return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))

    def local(self, moment: datetime | None) -> str | None:
        """A time in REST form, with the store's offset."""
        return moment.astimezone(self.offset).isoformat(timespec="seconds") if moment is not None else None
