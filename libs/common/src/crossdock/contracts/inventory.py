"""Events of inventory: what was promised to an order, and how stock moved."""

from datetime import datetime
from uuid import UUID

from crossdock.contracts.base import Event, OrderScoped, Value


class ReservedItem(Value):
    """Units of one SKU held for one line at one location; what has shipped is no longer held. `per_unit` units of the
    SKU make one unit of the line."""

    line_id: str
    sku: str
    location_id: UUID
    quantity: int
    per_unit: int = 1


class Shortage(Value):
    """`wanted` more units of a SKU are needed than the location has `available`."""

    sku: str
    location: str
    wanted: int
    available: int


class ReservationEvent(OrderScoped):
    """Inventory's answer to one match. Skip it when (`content_version`, `match_version`, `reservation_version`) is
    not newer."""

    publisher = "inventory"

    order_id: UUID
    content_version: int
    match_version: int
    reservation_version: int


class StockReserved(ReservationEvent):
    """The whole order is held."""

    type = "stock.reserved.v1"
    consumers = ("order-ingest", "fulfillment")

    items: tuple[ReservedItem, ...]


class StockShort(ReservationEvent):
    """Not all of the order can be held. Nothing more was taken; what it held before, it still holds."""

    type = "stock.short.v1"
    consumers = ("order-ingest",)

    shortages: tuple[Shortage, ...]


class StockReleased(OrderScoped):
    """A fact: a settlement gave units of an order back to stock."""

    type = "stock.released.v1"
    publisher = "inventory"

    order_id: UUID
    settlement_version: int
    items: tuple[ReservedItem, ...]


class StockChanged(Event):
    """Stock of one SKU at one location after a movement. `rose` when more can be promised than before."""

    type = "stock.changed.v1"
    publisher = "inventory"
    consumers = ("inventory",)

    sku: str
    location_id: UUID
    on_hand: int
    reserved: int
    rose: bool
    as_of: datetime

    @property
    def subject(self) -> str:
        """The SKU and the location."""
        return f"{self.sku}/{self.location_id}"


EVENTS: tuple[type[Event], ...] = (StockReserved, StockShort, StockReleased, StockChanged)
