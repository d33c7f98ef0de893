"""Steering of the orders and products of simulated stores: place, pay, edit, refund, cancel, ship by hand."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request
from pydantic import Field

from sandbox.clock import utc_now
from sandbox.control import Body
from sandbox.control_shopify import store_in
from sandbox.shopify import actions, catalog_payloads, fulfilling, payloads, stock
from sandbox.shopify.build import Unknown, line_of, location_id, order_of, product_of
from sandbox.shopify.bulk import Archive
from sandbox.shopify.describe import LineDescription, OrderDescription, ProductDescription
from sandbox.shopify.mutations import tracking_of
from sandbox.shopify.shipping import Fulfillment
from sandbox.shopify.state import Order, Store
from sandbox.shopify.webhooks import Event
from sandbox.world import World


class WebhooksBody(Body):
    """Which topics to send: left out, the usual ones of that action; an empty list, none."""

    webhooks: list[str] | None = None


class BulkBody(Body):
    """Many orders at once."""

    orders: list[OrderDescription] = Field(max_length=1000)


class CancelBody(WebhooksBody):
    """A cancellation by the merchant or buyer."""

    reason: str = "CUSTOMER"
    restock: bool = True
    refund: bool = True


class EditBody(WebhooksBody):
    """What shall be left: units by line id, or by SKU; and lines that are added."""

    quantities: dict[str, int] = Field(default_factory=dict)
    add: list[LineDescription] = Field(default_factory=list)


class RefundLine(Body):
    """Units of a line, by line id or SKU. `restock_type`: no_restock, cancel or return."""

    line: str
    quantity: int = Field(gt=0)
    restock_type: str = Field("no_restock", pattern="^(no_restock|cancel|return)$")


class RefundBody(WebhooksBody):
    """A refund; without `amount`, what the units cost."""

    lines: list[RefundLine] = Field(default_factory=list)
    amount: Decimal | None = None
    note: str | None = None


class NoteBody(WebhooksBody):
    """Other changes to an order."""

    note: str | None = None
    tags: list[str] | None = None
    shipping_address: dict[str, Any] | None = None


class FulfillBody(Body):
    """The merchant ships by hand in the store's admin; without `quantities`, everything."""

    quantities: dict[str, int] = Field(default_factory=dict)
    tracking: dict[str, Any] = Field(default_factory=dict)


class MoveBody(Body):
    """Another location, by name, for what is left to ship."""

    location: str


class StockBody(Body):
    """A new available quantity of a variant at a location, set in the store's admin."""

    sku: str
    available: int
    location: str | None = None


class WebhookBody(Body):
    """Any webhook. `body` is sent as it stands; without it, the order's payload as it is now."""

    topic: str
    order: str | None = None
    body: Any = None


class ArchiveBody(Body):
    """So many old orders that are alike, without a webhook and without the memory of as many."""

    order: OrderDescription
    count: int = Field(ge=1, le=1_000_000)
    refund: list[RefundLine] = Field(default_factory=list)


ARCHIVED = 7_000_000_000_000
"""The first id of archived orders."""


def routes(world: World) -> APIRouter:
    """The endpoints that steer what stores sell."""
    router = APIRouter(prefix="/_control/shopify")
    _product_routes(world, router)
    _order_routes(world, router)
    _change_routes(world, router)
    _hand_routes(world, router)
    return router


def order_in(store: Store, which: str) -> Order:
    """The order by id or name (`#1001`, the `#` may be left out). Raises: HTTPException 404."""
    by_id = store.orders.get(int(which)) if which.isdigit() else None
    found = by_id or next((one for one in store.orders.values() if one.name.lstrip("#") == which.lstrip("#")), None)
    if found is None:
        raise HTTPException(404, f"Store {store.domain} has no order {which}.")
    return found


def line_in(order: Order, which: str) -> int:
    """The id of the line with that id or SKU. Raises: HTTPException 404."""
    for line in order.lines:
        if which in (str(line.id), line.sku):
            return line.id
    raise HTTPException(404, f"Order {order.name} has no line {which}.")


def _product_routes(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/products", status_code=201)
    async def product(shop: str, body: ProductDescription) -> dict[str, Any]:
        store = store_in(world, shop)
        try:
            made = product_of(store, body)
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from None
        usual = ["products/create" if body.id is None else "products/update"]
        actions.tell_product(world, store, made, usual if body.webhooks is None else body.webhooks)
        return catalog_payloads.product(store, made)

    @router.post("/{shop}/stock")
    async def set_stock(shop: str, body: StockBody) -> dict[str, Any]:
        store = store_in(world, shop)
        variant = next((one for one in store.variants.values() if one.sku == body.sku), None)
        place = next((one.id for one in store.locations.values() if body.location in (None, one.name)), None)
        if variant is None or place is None:
            raise HTTPException(404, f"Store {shop} has no variant {body.sku}, or no location {body.location}.")
        delta = body.available - variant.available.get(place, 0)
        stock.shift(variant, place, delta, delta)
        stock.tell(world, store, variant, place)
        return catalog_payloads.inventory_level(store, variant, place)


def _order_routes(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/orders", status_code=201)
    async def place(shop: str, body: OrderDescription) -> dict[str, Any]:
        store = store_in(world, shop)
        try:
            made = order_of(store, body)
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from None
        actions.place(world, store, made, body.webhooks, body.fulfillment_order_delay)
        return payloads.order(store, made)

    @router.post("/{shop}/orders/bulk", status_code=201)
    async def place_many(shop: str, body: BulkBody) -> dict[str, Any]:
        return {"orders": [await place(shop, one) for one in body.orders]}

    @router.post("/{shop}/archive", status_code=201)
    async def archive(shop: str, body: ArchiveBody) -> dict[str, Any]:
        made = archived(world, store_in(world, shop), body)
        return {"first_id": made.first_id, "count": made.count}

    @router.get("/{shop}/orders")
    async def orders(shop: str) -> dict[str, Any]:
        store = store_in(world, shop)
        return {"orders": [shown_order(store, one) for one in store.orders.values()]}

    @router.get("/{shop}/orders/{which}")
    async def order(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        return shown_order(store, order_in(store, which))

    @router.post("/{shop}/webhooks")
    async def send(shop: str, request: Request) -> dict[str, Any]:
        store = store_in(world, shop)
        body = WebhookBody.model_validate(orjson.loads(await request.body()))
        subject, content = "given", body.body
        if body.order is not None:
            order = order_in(store, body.order)
            subject, content = order.name, content or payloads.order(store, order)
        sent = Event(world, store, utc_now()).emit(body.topic, content, subject)
        return {"deliveries": [one.summary() for one in sent]}


def archived(world: World, store: Store, body: ArchiveBody) -> Archive:
    """Put old orders into a store. Raises: HTTPException 404."""
    try:
        template = order_of(store, body.order)
    except Unknown as unknown:
        raise HTTPException(404, str(unknown)) from None
    if body.refund:
        back = [(line_in(template, one.line), one.quantity, one.restock_type) for one in body.refund]
        actions.refund(world, store, template, back, webhooks=[])
    made = Archive(template, max([ARCHIVED, *(a.first_id + a.count for a in store.archives)]), body.count)
    store.archives.append(made)
    return made


def _change_routes(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/orders/{which}/pay")
    async def pay(shop: str, which: str, body: WebhooksBody | None = None) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        actions.pay(world, store, order, body.webhooks if body else None)
        return payloads.order(store, order)

    @router.post("/{shop}/orders/{which}/cancel")
    async def cancel(shop: str, which: str, body: CancelBody | None = None) -> dict[str, Any]:
        store, given = store_in(world, shop), body or CancelBody()
        order = order_in(store, which)
        try:
            actions.cancel(world, store, order, given.reason, given.restock, given.refund, given.webhooks)
        except actions.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return payloads.order(store, order)

    @router.post("/{shop}/orders/{which}/edit")
    async def edit(shop: str, which: str, body: EditBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        wanted = {line_in(order, line): count for line, count in body.quantities.items()}
        try:
            added = [line_of(store, one, order.currencies) for one in body.add]
            actions.edit(world, store, order, wanted, body.webhooks, added)
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from None
        except actions.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return payloads.order(store, order)

    @router.post("/{shop}/orders/{which}/refund")
    async def refund(shop: str, which: str, body: RefundBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        lines = [(line_in(order, one.line), one.quantity, one.restock_type) for one in body.lines]
        amount = order.currencies.bag(body.amount) if body.amount is not None else None
        try:
            made = actions.refund(world, store, order, lines, amount, body.note, body.webhooks)
        except actions.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return payloads.refund(store, order, made)


def _hand_routes(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/orders/{which}/change")
    async def change(shop: str, which: str, body: NoteBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        for name, value in body.model_dump(exclude_unset=True, exclude={"webhooks"}).items():
            setattr(order, name, value)
        actions.touch(world, order)
        actions.tell(world, store, order, ["orders/updated"] if body.webhooks is None else body.webhooks)
        return payloads.order(store, order)

    @router.post("/{shop}/orders/{which}/fulfill")
    async def fulfill(shop: str, which: str, body: FulfillBody | None = None) -> list[dict[str, Any]]:
        store, given = store_in(world, shop), body or FulfillBody()
        order = order_in(store, which)
        try:
            made = by_hand(world, store, order, given)
        except actions.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return [payloads.fulfillment(store, order, one) for one in made]

    @router.post("/{shop}/orders/{which}/move")
    async def move(shop: str, which: str, body: MoveBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        try:
            actions.relocate(world, store, order, location_id(store, body.location))
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from None
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/route")
    async def route(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        if not order.fulfillment_orders:
            actions.route(world, store, order)
        return shown_order(store, order)


def by_hand(world: World, store: Store, order: Order, given: FulfillBody) -> list[Fulfillment]:
    """Ship in the store's admin: one fulfillment per fulfillment order that has something of it. Raises: Refused."""
    wanted = {line_in(order, line): count for line, count in given.quantities.items()}
    made = []
    for one in [each for each in order.fulfillment_orders if each.status in fulfilling.SHIPPABLE]:
        slots = [(slot.id, min(slot.remaining, wanted.get(slot.line_id, 0))) for slot in one.lines]
        chosen = [(slot, count) for slot, count in slots if count]
        if wanted and not chosen:
            continue
        group = fulfilling.Group(one.id, chosen if wanted else [])
        made.append(fulfilling.ship(world, store, [group], tracking_of(given.tracking)))
    return made


def shown_order(store: Store, order: Order) -> dict[str, Any]:
    """An order's payload with what the payload doesn't show: its fulfillment orders, and of which fulfillments the
    customer was told."""
    return payloads.order(store, order) | {
        "fulfillment_orders": [asdict(one) for one in order.fulfillment_orders],
        "display_fulfillment_status": fulfilling.display_status(order),
        "customer_notified": [one.id for one in order.fulfillments if one.notified],
    }
