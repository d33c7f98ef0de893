"""Parcels of a simulated store's orders, and what the store holds of them."""

from typing import Any

from crossdock.channels.protocols import ShipmentLine, ShipmentNotice
from sandbox.testing import Sandbox


def notice(
    order: dict[str, Any], quantities: dict[str, int] | None = None, tracking: str = "1ZTEST0001"
) -> ShipmentNotice:
    """A parcel of an order; `quantities` by SKU, everything when left out."""
    lines = tuple(
        ShipmentLine(str(item["id"]), quantities[item["sku"]] if quantities else item["quantity"])
        for item in order["line_items"]
        if quantities is None or item["sku"] in quantities
    )
    url = f"https://track.example.com/{tracking}" if tracking else ""
    return ShipmentNotice(str(order["id"]), "PKG-1", "UPS", tracking, url, lines)


def fulfillments(sandbox: Sandbox, order: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.look(f"shopify/{sandbox.shop}/orders/{order['id']}")["fulfillments"]
    return found
