"""What a store knows of the one app that is installed in it: its tokens, and which scopes let it do what."""

import secrets
from dataclasses import dataclass, field

INACTIVE = "This request requires an active refresh_token"

FULFILLMENT_ORDERS = ("assigned_fulfillment_orders", "merchant_managed_fulfillment_orders",
                      "third_party_fulfillment_orders")  # fmt: skip
READ_FULFILLMENT_ORDERS = tuple(f"read_{one}" for one in FULFILLMENT_ORDERS)
WRITE_FULFILLMENT_ORDERS = tuple(f"write_{one}" for one in FULFILLMENT_ORDERS)
ROOT_SCOPES: dict[str, tuple[str, ...]] = {
    "orders": ("read_orders",),
    "order": ("read_orders",),
    "ordersCount": ("read_orders",),
    "fulfillmentOrder": READ_FULFILLMENT_ORDERS,
    "products": ("read_products",),
    "product": ("read_products",),
    "productVariants": ("read_products",),
    "productVariant": ("read_products",),
    "inventoryItems": ("read_inventory", "read_products"),
    "inventoryItem": ("read_inventory", "read_products"),
    "locations": ("read_locations", "read_inventory"),
    "location": ("read_locations", "read_inventory"),
    "orderCreate": ("write_orders",),
    "orderCancel": ("write_orders",),
    "orderMarkAsPaid": ("write_orders",),
    "orderClose": ("write_orders",),
    "fulfillmentCreate": WRITE_FULFILLMENT_ORDERS,
    "fulfillmentEventCreate": ("write_fulfillments",),
    "fulfillmentOrderHold": WRITE_FULFILLMENT_ORDERS,
    "fulfillmentOrderReleaseHold": WRITE_FULFILLMENT_ORDERS,
    "assignedFulfillmentOrders": ("read_assigned_fulfillment_orders",),
    **dict.fromkeys(
        ("fulfillmentServiceCreate", "fulfillmentServiceUpdate", "fulfillmentServiceDelete"), ("write_fulfillments",)
    ),
    **dict.fromkeys(
        (
            "fulfillmentOrderAcceptFulfillmentRequest",
            "fulfillmentOrderRejectFulfillmentRequest",
            "fulfillmentOrderAcceptCancellationRequest",
            "fulfillmentOrderRejectCancellationRequest",
        ),
        ("write_assigned_fulfillment_orders",),
    ),
    "inventorySetQuantities": ("write_inventory",),
}
"""Scopes of which one is needed to use a root field."""

TOPIC_SCOPES: dict[str, tuple[str, ...]] = {
    "ORDERS": ("read_orders",),
    "ORDER": ("read_orders",),
    "REFUNDS": ("read_orders",),
    "FULFILLMENTS": ("read_fulfillments", "read_orders"),
    "FULFILLMENT": READ_FULFILLMENT_ORDERS,
    "PRODUCTS": ("read_products",),
    "INVENTORY": ("read_inventory", "read_products"),
    "LOCATIONS": ("read_locations",),
    "CUSTOMERS": ("read_customers",),
}
"""Scopes of which one is needed to subscribe to a topic, by the first word of the topic."""


@dataclass
class RefreshToken:
    """`replaces` names the token that it was issued for; that one stays usable until this one is first used."""

    value: str
    expires_at: float
    replaces: str | None = None


@dataclass
class Grants:
    """The app's tokens. Times are the sandbox clock's; an access token with no end was pasted or is of the old kind."""

    access: dict[str, float | None] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    codes: dict[str, tuple[str, float]] = field(default_factory=dict)
    calls: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0

    def accepts(self, token: str, now: float) -> bool:
        """Whether an access token is good now."""
        ends = self.access.get(token, 0.0)
        return ends is None or now < ends

    def issue_access(self, ends: float | None, *, alone: bool) -> str:
        """A new access token; `alone`, the ones before it end at once."""
        if alone:
            self.access.clear()
        token = f"shpat_{secrets.token_hex(16)}"
        self.access[token] = ends
        return token

    def issue_refresh(self, ends: float, replaces: str | None = None) -> str:
        """A new refresh token."""
        token = f"shprt_{secrets.token_hex(16)}"
        self.refresh[token] = RefreshToken(token, ends, replaces)
        return token

    def use_refresh(self, token: str, now: float, *, single_use: bool) -> bool:
        """Use a refresh token: the one that it replaced ends; `single_use`, so does it itself. False when inactive."""
        found = self.refresh.get(token)
        if found is None or found.expires_at <= now:
            return False
        if found.replaces is not None:
            self.refresh.pop(found.replaces, None)
        if single_use:
            self.refresh.pop(token)
        return True

    def revoke(self) -> None:
        """The app was uninstalled: none of its tokens is good any more."""
        self.access.clear()
        self.refresh.clear()
        self.codes.clear()


def widened(scopes: list[str]) -> set[str]:
    """Scopes with those that they imply: `write_x` implies `read_x`."""
    return set(scopes) | {f"read_{one.removeprefix('write_')}" for one in scopes if one.startswith("write_")}


def collapsed(scopes: list[str]) -> list[str]:
    """Scopes as Shopify names them: without those that another one implies."""
    return sorted(set(scopes) - {f"read_{one.removeprefix('write_')}" for one in scopes if one.startswith("write_")})


def topic_allowed(topic: str, scopes: list[str]) -> bool:
    """Whether an app with these scopes may subscribe to a topic such as `ORDERS_CREATE`."""
    needed = TOPIC_SCOPES.get(topic.split("_")[0], ())
    return not needed or bool(widened(scopes) & set(needed))
