"""Steering of fulfillment orders: moves, holds, schedules, and requests to a fulfillment service."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import Field

from sandbox.control import Body
from sandbox.control_orders import line_in, order_in, shown_order
from sandbox.control_shopify import store_in
from sandbox.shopify import actions, routing, serving
from sandbox.shopify.build import Unknown, location_id
from sandbox.world import World


class MoveBody(Body):
    """Where to; without `quantities` (by line id or SKU) all that is left."""

    location: str
    quantities: dict[str, int] = Field(default_factory=dict)


class HoldBody(Body):
    """Why, and of which location; of all, when none is named."""

    reason: str = "OTHER"
    location: str | None = None


class ScheduleBody(Body):
    """Until when, and of which location."""

    at: datetime
    location: str | None = None


class PromiseBody(Body):
    """By when to ship and to deliver, and of which location."""

    ship_by: datetime | None = None
    deliver_by: datetime | None = None
    location: str | None = None


def routes(world: World) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/_control/shopify")
    _merchant(world, router)
    _service(world, router)
    return router


def _merchant(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/orders/{which}/assign")
    async def assign(shop: str, which: str, body: MoveBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        quantities = {line_in(order, line): count for line, count in body.quantities.items()}
        try:
            routing.move(world, store, order, location_id(store, body.location), quantities)
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from None
        except actions.Refused as refusal:
            raise HTTPException(409, str(refusal)) from None
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/hold")
    async def hold(shop: str, which: str, body: HoldBody | None = None) -> dict[str, Any]:
        store, given = store_in(world, shop), body or HoldBody()
        order = order_in(store, which)
        routing.hold(world, store, order, given.reason, _place(store, given.location))
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/release")
    async def release(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        routing.release(world, store, order)
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/schedule")
    async def schedule(shop: str, which: str, body: ScheduleBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        routing.schedule(world, store, order, body.at, _place(store, body.location))
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/promise")
    async def promise(shop: str, which: str, body: PromiseBody) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        routing.promise(order, body.ship_by, body.deliver_by, _place(store, body.location))
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/due")
    async def due(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        routing.make_due(world, store, order)
        return shown_order(store, order)


def _service(world: World, router: APIRouter) -> None:
    @router.post("/{shop}/orders/{which}/request")
    async def request(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        serving.request(world, store, order)
        return shown_order(store, order)

    @router.post("/{shop}/orders/{which}/request-cancellation")
    async def request_cancellation(shop: str, which: str) -> dict[str, Any]:
        store = store_in(world, shop)
        order = order_in(store, which)
        serving.request_cancellation(world, store, order)
        return shown_order(store, order)


def _place(store: Any, name: str | None) -> int | None:
    try:
        return None if name is None else location_id(store, name)
    except Unknown as unknown:
        raise HTTPException(404, str(unknown)) from None
