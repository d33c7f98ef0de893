"""Events, payloads and steps from which order-ingest's tests are told. Everybody in them is made up."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crossdock.contracts.fulfillment import (
    ChannelRequestAnswered,
    ChannelRequestFailed,
    FulfillmentAccepted,
    FulfillmentCancelled,
    FulfillmentRejected,
    FulfillmentRequested,
    OrderTagFailed,
    OrderTagged,
    Package,
    PackedLine,
    RequestedLine,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentVoided,
    StandingLine,
    TrackingFailed,
    TrackingWritten,
)
from crossdock.contracts.gateway import ChannelConfigured, OrdersWebhookReceived
from crossdock.contracts.holds import HoldCode, hold
from crossdock.contracts.inventory import ReservedItem, Shortage, StockReserved, StockShort
from crossdock.contracts.sku_matcher import MatchedLine, OrderMatched, OrderUnmatched
from crossdock.messaging.transaction import Tx
from crossdock.testing.bench import HandlerBench
from order_ingest.domain.channel import Channel
from order_ingest.domain.ids import order_id_of
from order_ingest.store import channels

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNEL = UUID(int=7)
LOCATION = UUID(int=9)
ADDRESS = {
    "name": "Test Person",
    "address1": "1 Example Street",
    "city": "Sampletown",
    "zip": "00000",
    "country_code": "US",
}


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def order_id(number: int = 1, channel: UUID = CHANNEL) -> UUID:
    return order_id_of(channel, str(number), NOON)


def line(line_id: int = 11, *, quantity: int = 2, sku: str = "SHIRT", **changes: Any) -> dict[str, Any]:
    return {
        "id": line_id,
        "variant_id": line_id + 100,
        "product_id": 1,
        "title": sku.title(),
        "sku": sku,
        "quantity": quantity,
        "current_quantity": quantity,
        "fulfillable_quantity": quantity,
        "price": "10.00",
        "requires_shipping": True,
    } | changes


def payload(number: int = 1, *, minutes: int = 0, lines: Sequence[dict[str, Any]] | None = None, **changes: Any) -> Any:
    """An order as Shopify's webhooks carry it, changed at NOON + `minutes`; paid unless told otherwise."""
    items = [line()] if lines is None else list(lines)
    total = sum(float(item["price"]) * item["quantity"] for item in items)
    return {
        "id": number,
        "name": f"#{1000 + number}",
        "created_at": NOON.isoformat(),
        "updated_at": at(minutes).isoformat(),
        "currency": "EUR",
        "financial_status": "paid",
        "total_price": f"{total:.2f}",
        "email": "person@example.com",
        "shipping_address": ADDRESS,
        "line_items": items,
    } | changes


def webhook(body: Any, *, topic: str = "orders/updated", channel: UUID = CHANNEL) -> OrdersWebhookReceived:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OrdersWebhookReceived.model_construct(
        delivery_id=UUID(int=1),
        channel_id=channel,
        channel_kind="shopify",
        topic=topic,
        external_delivery_id="delivery",
        received_at=NOON,
        occurred_at=NOON,
        body=content,
    )


def placed(number: int = 1, **changes: Any) -> OrdersWebhookReceived:
    return webhook(payload(number, **changes))


def touched(number: int = 1, *, minutes: int | None = None) -> OrdersWebhookReceived:
    """A webhook that names an order without telling it, perhaps with the time of its change."""
    when = {} if minutes is None else {"updated_at": at(minutes).isoformat()}
    return webhook({"id": number} | when)


def moved(route: int = 7) -> OrdersWebhookReceived:
    """A webhook that says of a fulfillment order that it was moved, and not of which order."""
    named = {"id": f"gid://shopify/FulfillmentOrder/{route}", "status": "open"}
    return webhook({"moved_fulfillment_order": named}, topic="fulfillment_orders/moved")


def matched(number: int = 1, *, content: int = 1, version: int = 0) -> OrderMatched:
    return OrderMatched(
        order_id=order_id(number),
        channel_id=CHANNEL,
        content_version=content,
        match_version=version,
        placed_at=NOON,
        lines=(MatchedLine(line_id="11", wanted=2, components=()),),
        occurred_at=NOON,
    )


def unmatched(number: int = 1, *, content: int = 1, version: int = 0) -> OrderUnmatched:
    return OrderUnmatched(
        order_id=order_id(number),
        channel_id=CHANNEL,
        content_version=content,
        match_version=version,
        placed_at=NOON,
        holds=(hold(HoldCode.SKU_UNKNOWN, ("11",), line=1, title="Shirt", sku="SHIRT"),),
        occurred_at=NOON,
    )


def reserved(number: int = 1, *, content: int = 1, match: int = 0, version: int = 0) -> StockReserved:
    return StockReserved(
        order_id=order_id(number),
        content_version=content,
        match_version=match,
        reservation_version=version,
        items=(ReservedItem(line_id="11", sku="SHIRT", location_id=LOCATION, quantity=2),),
        occurred_at=NOON,
    )


def short(number: int = 1, *shortages: Shortage, content: int = 1, match: int = 0, version: int = 0) -> StockShort:
    return StockShort(
        order_id=order_id(number),
        content_version=content,
        match_version=match,
        reservation_version=version,
        shortages=shortages or (Shortage(sku="SHIRT-M", location="Main", wanted=2, available=0),),
        occurred_at=NOON,
    )


def requested(number: int = 1, *, revision: int = 1, **units: int) -> FulfillmentRequested:
    lines = tuple(RequestedLine(line_id=key[1:], quantity=count) for key, count in (units or {"l11": 2}).items())
    return FulfillmentRequested(
        order_id=order_id(number), revision=revision, destination="Depot", lines=lines, occurred_at=NOON
    )


def accepted(number: int = 1, *, revision: int = 1) -> FulfillmentAccepted:
    return FulfillmentAccepted(order_id=order_id(number), revision=revision, destination="Depot", occurred_at=NOON)


def rejected(number: int = 1, *, revision: int = 1) -> FulfillmentRejected:
    return FulfillmentRejected(
        order_id=order_id(number), revision=revision, destination="Depot", reason="no such service", occurred_at=NOON
    )


def settled(number: int = 1, *, content: int, version: int = 1, **standing: int) -> FulfillmentCancelled:
    return FulfillmentCancelled(
        order_id=order_id(number),
        content_version=content,
        settlement_version=version,
        standing=tuple(StandingLine(line_id=key[1:], quantity=count) for key, count in standing.items()),
        occurred_at=NOON,
    )


def dispatched(number: int = 1, shipment: str = "S1", **units: int) -> ShipmentDispatched:
    lines = tuple(PackedLine(line_id=key[1:], quantity=count) for key, count in (units or {"l11": 2}).items())
    package = Package(package_ref="1", carrier="Carrier", tracking_number=f"T-{shipment}", lines=lines)
    return ShipmentDispatched(
        order_id=order_id(number),
        shipment_id=shipment,
        revision=1,
        dispatched_at=NOON,
        packages=(package,),
        occurred_at=NOON,
    )


def voided(number: int = 1, shipment: str = "S1", *, reship: bool = False) -> ShipmentVoided:
    return ShipmentVoided(order_id=order_id(number), shipment_id=shipment, revision=1, reship=reship, occurred_at=NOON)


def delivered(number: int = 1, shipment: str = "S1") -> ShipmentDelivered:
    return ShipmentDelivered(order_id=order_id(number), shipment_id=shipment, delivered_at=NOON, occurred_at=NOON)


def written(number: int = 1, shipment: str = "S1", *, adopted: bool = False) -> TrackingWritten:
    return TrackingWritten(
        order_id=order_id(number),
        shipment_id=shipment,
        package_ref="1",
        external_fulfillment_id="F1",
        adopted=adopted,
        occurred_at=NOON,
    )


def write_failed(number: int = 1, shipment: str = "S1") -> TrackingFailed:
    return TrackingFailed(
        order_id=order_id(number), shipment_id=shipment, package_ref="1", reason="not allowed", occurred_at=NOON
    )


def tagged(number: int = 1, *, adopted: bool = False) -> OrderTagged:
    return OrderTagged(order_id=order_id(number), tag="Crossdock", adopted=adopted, occurred_at=NOON)


def tag_failed(number: int = 1) -> OrderTagFailed:
    return OrderTagFailed(order_id=order_id(number), tag="Crossdock", reason="not allowed", occurred_at=NOON)


def answered(number: int = 1, request: str = "1", answer: str = "accept", **changes: Any) -> ChannelRequestAnswered:
    about = {"order_id": order_id(number), "route_id": "7", "request_id": request, "answer": answer}
    return ChannelRequestAnswered.model_validate(about | {"occurred_at": NOON} | changes)


def not_answered(number: int = 1, request: str = "1", answer: str = "accept") -> ChannelRequestFailed:
    about = {"order_id": order_id(number), "route_id": "7", "request_id": request, "answer": answer}
    return ChannelRequestFailed.model_validate(about | {"reason": "not allowed", "occurred_at": NOON})


def noticed() -> OrdersWebhookReceived:
    """A notification that something was requested of our fulfillment service."""
    return webhook({"kind": "FULFILLMENT_REQUEST"}, topic="fulfillment_order_notification")


def configured(
    mode: str = "live",
    *,
    version: int = 1,
    name: str = "Test Shop",
    channel: UUID = CHANNEL,
    kind: str = "shopify",
    **settings: str,
) -> Any:
    return ChannelConfigured.model_validate(
        {
            "channel_id": channel,
            "channel_version": version,
            "kind": kind,
            "name": name,
            "mode": mode,
            "settings": settings,
            "occurred_at": NOON,
        }
    )


def live(*ids: UUID) -> Callable[[Tx], Awaitable[None]]:
    """A step that takes channels live."""

    async def save(tx: Tx) -> None:
        wanted = ids or (CHANNEL,)
        await channels.lock(tx, wanted)
        await channels.save(tx, {i: Channel(i, 1, "shopify", "Test Shop", "live", connected=True) for i in wanted})

    return save


async def receive(bench: HandlerBench, *events: OrdersWebhookReceived) -> list[Any]:
    return list(await bench.handle("receive_orders", events))


async def status_of(bench: HandlerBench, number: int = 1) -> str:
    rows = [row for row in await bench.table("orders") if row["external_id"] == str(number)]
    return str(rows[0]["status"])


async def holds_of(bench: HandlerBench, number: int = 1) -> list[str]:
    rows = [row for row in await bench.table("orders") if row["external_id"] == str(number)]
    return list(rows[0]["hold_codes"])


async def story_of(bench: HandlerBench) -> list[str]:
    return [row["sentence"] for row in await bench.table("timeline", order_by="id")]
