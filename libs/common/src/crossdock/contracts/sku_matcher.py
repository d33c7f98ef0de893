"""Events of sku-matcher: which SKUs an order's lines are, and what changed in the catalogue."""

from datetime import datetime
from uuid import UUID

from crossdock.contracts.base import Event, OrderScoped, Value
from crossdock.contracts.holds import Hold


class Component(Value):
    """`per_unit` units of `sku` for each unit of the order line (more than one for bundles and multipacks)."""

    sku: str
    per_unit: int = 1


class MatchedLine(Value):
    """A line that ships, the units wanted of it and the SKUs it is made of."""

    line_id: str
    wanted: int
    components: tuple[Component, ...]


class MatchEvent(OrderScoped):
    """What a match says. Skip it when (`content_version`, `match_version`) is not newer. `decision` is a sentence on
    what a person decided that led to it; blank when nobody did."""

    publisher = "sku-matcher"

    order_id: UUID
    channel_id: UUID
    content_version: int
    match_version: int
    placed_at: datetime
    decision: str = ""


class OrderMatched(MatchEvent):
    """Every line that ships is tied to SKUs; lines with nothing to ship are left out."""

    type = "order.matched.v1"
    consumers = ("inventory", "order-ingest")

    lines: tuple[MatchedLine, ...]


class OrderUnmatched(MatchEvent):
    """At least one line could not be tied to a SKU."""

    type = "order.unmatched.v1"
    consumers = ("order-ingest",)

    holds: tuple[Hold, ...]


class ListingChanged(Event):
    """A channel's listing appeared or changed; `sku` is blank when it has none, `removed` when it is gone."""

    type = "listing.changed.v1"
    publisher = "sku-matcher"
    consumers = ("sku-matcher",)

    channel_id: UUID
    listing_id: str
    listing_version: int
    sku: str
    previous_sku: str = ""
    title: str
    removed: bool = False

    @property
    def subject(self) -> str:
        """The channel and the listing."""
        return f"{self.channel_id}/{self.listing_id}"


class ListingMapped(Event):
    """A person tied a listing to `quantity` units of a SKU; `sku` is blank when the mapping was taken away."""

    type = "listing.mapped.v1"
    publisher = "sku-matcher"
    consumers = ("sku-matcher",)

    channel_id: UUID
    listing_id: str
    mapping_version: int
    sku: str
    quantity: int

    @property
    def subject(self) -> str:
        """The channel and the listing."""
        return f"{self.channel_id}/{self.listing_id}"


class SkuChanged(Event):
    """A SKU was added or changed."""

    type = "sku.changed.v1"
    publisher = "sku-matcher"
    consumers = ("sku-matcher",)

    sku: str
    sku_version: int
    title: str = ""

    @property
    def subject(self) -> str:
        """The SKU."""
        return self.sku


EVENTS: tuple[type[Event], ...] = (OrderMatched, OrderUnmatched, ListingChanged, ListingMapped, SkuChanged)
