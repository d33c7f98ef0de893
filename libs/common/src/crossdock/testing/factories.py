"""Events in few words, for the tests of every service."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from crossdock.contracts.fulfillment import FulfillmentCancelled, Package, PackedLine, ShipmentDispatched, StandingLine
from crossdock.contracts.sku_matcher import Component, MatchedLine, OrderMatched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNEL = UUID(int=7)


def order(number: int) -> UUID:
    """The id of order `number`."""
    return UUID(int=number)


def matched(number: int, *, content: int = 1, version: int = 0, minutes: int = 0, **skus: int) -> OrderMatched:
    """Order `number` wants so many of each SKU; one line for each, named after it."""
    lines = tuple(
        MatchedLine(line_id=sku, wanted=units, components=(Component(sku=sku),)) for sku, units in skus.items()
    )
    return OrderMatched(
        order_id=order(number),
        channel_id=CHANNEL,
        content_version=content,
        match_version=version,
        placed_at=NOON + timedelta(minutes=minutes or number),
        lines=lines,
    )


def dispatched(number: int, shipment: str, *, at: datetime = NOON, **units: int) -> ShipmentDispatched:
    """So many units of each line left in one package."""
    lines = tuple(PackedLine(line_id=sku, quantity=count) for sku, count in units.items())
    return ShipmentDispatched(
        order_id=order(number),
        shipment_id=shipment,
        revision=1,
        dispatched_at=at,
        packages=(Package(package_ref=f"{shipment}-1", lines=lines),),
    )


def settled(number: int, *, content: int, version: int, **standing: int) -> FulfillmentCancelled:
    """A settlement that leaves so many units of each line standing."""
    return FulfillmentCancelled(
        order_id=order(number),
        content_version=content,
        settlement_version=version,
        standing=tuple(StandingLine(line_id=sku, quantity=units) for sku, units in standing.items()),
    )
