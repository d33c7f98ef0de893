"""How a store's own stock moves: a sale commits units, a shipment takes them off hand, a restock gives them back.

`available + committed = on_hand`; `committed` is never stored. An order made with BYPASS moves nothing.
"""

from sandbox.clock import second, utc_now
from sandbox.shopify import catalog_payloads
from sandbox.shopify.state import Line, Order, Store, Variant
from sandbox.shopify.webhooks import Event
from sandbox.world import World


def claim(world: World, store: Store, order: Order, silent: bool = False) -> None:
    """The order's units are no longer available. Below zero it goes, as Shopify's does when two buy at once."""
    order.claims_stock = True
    for line in order.lines:
        move(world, store, order, line, available=-line.quantity, silent=silent)


def move(
    world: World,
    store: Store,
    order: Order,
    line: Line,
    available: int = 0,
    on_hand: int = 0,
    silent: bool = False,
) -> None:
    """Change both quantities of a line's tracked variant by differences, and tell it where `available` changed."""
    variant = store.variants.get(line.variant_id or 0)
    if variant is None or not variant.tracked or not order.claims_stock or not (available or on_hand):
        return
    shift(variant, line.location_id, available, on_hand)
    if available and not silent:
        tell(world, store, variant, line.location_id)


def shift(variant: Variant, location_id: int, available: int, on_hand: int) -> None:
    """Change a variant's quantities at a location by differences."""
    variant.available[location_id] = variant.available.get(location_id, 0) + available
    variant.on_hand[location_id] = variant.on_hand.get(location_id, 0) + on_hand
    variant.levels_updated_at[location_id] = second()


def tell(world: World, store: Store, variant: Variant, location_id: int) -> None:
    """Send `inventory_levels/update`."""
    body = catalog_payloads.inventory_level(store, variant, location_id)
    Event(world, store, utc_now()).emit("inventory_levels/update", body, variant.sku or str(variant.id))
