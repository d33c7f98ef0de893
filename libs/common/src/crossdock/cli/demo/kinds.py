"""The orders of the demonstration: one or more of every kind, and where each has to end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHIRT, MUG, POSTER, CAP, EBOOK = "SHIRT-M", "MUG-BLUE", "POSTER-A2", "CAP-RED", "EBOOK-1"
STOCK = {SHIRT: 400, MUG: 300, POSTER: 200, CAP: 0}
PRODUCTS: tuple[dict[str, Any], ...] = (
    {"title": "Shirt", "variants": [{"title": "M", "sku": SHIRT, "price": "24.00"}]},
    {"title": "Mug", "variants": [{"title": "Blue", "sku": MUG, "price": "9.50"}]},
    {"title": "Poster", "variants": [{"title": "A2", "sku": POSTER, "price": "15.00"}]},
    {"title": "Cap", "variants": [{"title": "Red", "sku": CAP, "price": "18.00"}]},
    {"title": "E-book", "variants": [{"title": "PDF", "sku": EBOOK, "price": "7.00", "requires_shipping": False}]},
    {"title": "Sticker", "variants": [{"title": "Round", "sku": "", "price": "2.00"}]},
)


def line(sku: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """One order line."""
    return {"sku": sku, "quantity": quantity} | more


@dataclass(frozen=True)
class Kind:
    """A kind of order: what is bought, how the store and the warehouse behave, how it must end, with what reason."""

    name: str
    lines: tuple[dict[str, Any], ...]
    ends: str = "shipped"
    reason: str = ""
    count: int = 1
    shop: str = "main"
    order: dict[str, Any] = field(default_factory=dict)
    behaviour: dict[str, Any] | None = None
    parcels: int = 1
    how: Callable[[Any, Any, "Kind"], None] | None = None


def plainly(sandbox: Any, order: Any, _kind: Kind) -> None:
    """One webhook tells of the order."""
    sandbox.tell(order, "orders/create")


def twice(sandbox: Any, order: Any, _kind: Kind) -> None:
    """The store delivers the same webhook twice."""
    sandbox.misbehave(order.shop, duplicate_next=1)
    sandbox.tell(order, "orders/create")


def out_of_order(sandbox: Any, order: Any, _kind: Kind) -> None:
    """The change arrives before the order it changes."""
    before = sandbox.payload(order)
    sandbox.change(order, tags=["gift"])
    sandbox.tell(order, "orders/updated")
    sandbox.tell(order, "orders/create", before)


def then_cancelled(sandbox: Any, order: Any, _kind: Kind) -> None:
    """The customer cancels while the warehouse has not begun."""
    sandbox.tell(order, "orders/create")
    sandbox.cancel_when_requested(order)


NO_CAPS = "Unable to reserve inventory: 2 of CAP-RED, 0 available at Main"
ENGRAVING = {"custom": True, "title": "Engraving", "quantity": 1, "price": "5.00", "requires_shipping": True}
ONE_SHIRT_ONLY = {"steps": [{"after": 0.5, "packages": [[{"sku": SHIRT, "quantity": 1}]]}]}
TEN_OFF = {"discount": {"code": "TEN", "amount": "10.00"}}

KINDS: tuple[Kind, ...] = (
    Kind("plain", (line(SHIRT),), count=5),
    Kind("several lines", (line(SHIRT, 2), line(MUG), line(POSTER, 3)), count=3),
    Kind("discounted", (line(SHIRT, 2), line(MUG, discount="1.50")), count=2, order=TEN_OFF),
    Kind("two packages", (line(SHIRT, 2), line(MUG, 2)), count=2, behaviour={"packages": 2}, parcels=2),
    Kind("delivered twice", (line(MUG, 2),), count=2, how=twice),
    Kind("out of order", (line(POSTER),), count=2, how=out_of_order),
    Kind("yen", (line(SHIRT), line(MUG, 2)), count=2, shop="yen"),
    Kind("with a download", (line(SHIRT), line(EBOOK))),
    Kind("part is missing", (line(SHIRT, 3),), "partially_shipped", behaviour=ONE_SHIRT_ONLY),
    Kind("no SKU", (line(SHIRT), ENGRAVING), "on_hold", "has no SKU", parcels=0),
    Kind("out of stock", (line(CAP, 2),), "on_hold", NO_CAPS, parcels=0),
    Kind("unpaid", (line(SHIRT),), "on_hold", "Waiting for payment", order={"financial_status": "PENDING"}, parcels=0),
    Kind("digital only", (line(EBOOK, 2),), "record_only", parcels=0),
    Kind("cancelled", (line(MUG),), "cancelled", behaviour={"ship_after": None}, parcels=0, how=then_cancelled),
)
