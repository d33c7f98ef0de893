"""Inventory's HTTP API: stock, counts, the ledger, and what an order holds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from crossdock.contracts.base import utc_now
from crossdock.contracts.inventory import StockChanged
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from inventory import store
from inventory.domain.stock import count

Limit = Annotated[int, Query(ge=1, le=1000)]


class Count(BaseModel):
    """A count of what lies on the shelf, as of a time (now, unless given); movements after it are added to it."""

    on_hand: int = Field(ge=0, le=1_000_000_000)
    as_of: AwareDatetime | None = None


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[service_guard(context, "inventory")], tags=["inventory"])

    @routes.get("/stock")
    async def list_stock(sku: str | None = None, after: str = "", limit: Limit = 100) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            rows = await store.stock_page(tx, sku=sku, after=after, limit=limit)
        return [dict(row) for row in rows]

    @routes.put("/stock/{sku}")
    async def set_stock(sku: str, counted: Count) -> dict[str, Any]:
        async with context.transaction() as tx:
            return await record_count(tx, sku, counted.on_hand, counted.as_of or utc_now())

    @routes.get("/stock/{sku}/ledger")
    async def ledger(sku: str, limit: Limit = 100) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            return [dict(row) for row in await store.ledger_of(tx, sku, limit)]

    @routes.get("/reservations/{order_id}")
    async def reservation(order_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            claim = await store.claim_of(tx, order_id)
        if claim is None:
            raise not_found("reservation for order", order_id)
        items = [{"line_id": i.line_id, "sku": i.sku, "held": i.held, "consumed": i.consumed} for i in claim.items]
        return {"order_id": order_id, "reserved": claim.reserved, "waiting": claim.waiting, "items": items}

    return routes


async def record_count(tx: Tx, sku: str, quantity: int, as_of: datetime) -> dict[str, Any]:
    """Set what is on hand by a count. Raises Problem (409) when a newer count is known, (422) when it lies ahead."""
    if as_of > utc_now():
        raise Problem(
            422, "count_in_future", f"The count of {sku} is dated in the future.", "Check the clock or as_of."
        )
    location_id, location = await store.default_location(tx)
    level = (await store.lock_stock(tx, location_id, [sku]))[sku]
    after = count(level, quantity, as_of, await store.moved_since(tx, location_id, sku, as_of))
    if after is None:
        when = level.counted_at.isoformat()
        raise Problem(409, "older_count", f"{sku} was counted later, as of {when}.", "Count again, or leave as_of out.")
    await store.save_stock(tx, location_id, [after])
    entry = {"sku": sku, "kind": "count", "quantity": after.on_hand - level.on_hand, "contained": False}
    await store.write_ledger(tx, location_id, [entry | {"order_id": None, "cause": "count", "at": as_of}])
    tx.publish(
        StockChanged(
            sku=sku,
            location_id=location_id,
            on_hand=after.on_hand,
            reserved=after.reserved,
            rose=after.available > level.available,
            as_of=as_of,
        )
    )
    return {"sku": sku, "location": location, "on_hand": after.on_hand, "reserved": after.reserved,
            "available": after.available}  # fmt: skip
