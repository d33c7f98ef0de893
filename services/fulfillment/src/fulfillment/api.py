"""Fulfillment's HTTP API: an order's desk, its requests, and the writes to the outside that a person may decide."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from crossdock.service.app import Context, service_guard
from crossdock.service.errors import not_found
from fulfillment import deciding, views
from fulfillment.store import channels, desks, writes

Limit = Annotated[int, Query(ge=1, le=1000)]


class Decision(BaseModel):
    """What a person found out about a write: it is done (as `external_id`, if known), send it again, or give it up."""

    decision: Literal["done", "retry", "give_up"]
    external_id: str = ""


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[service_guard(context, "fulfillment")], tags=["fulfillment"])

    @routes.get("/requests")
    async def requests(order_id: UUID) -> Any:
        return (await _desk(order_id))["requests"]

    @routes.get("/orders/{order_id}/fulfillment")
    async def fulfillment(order_id: UUID) -> dict[str, Any]:
        return await _desk(order_id)

    @routes.get("/write-backs")
    async def write_backs(
        state: Literal["pending", "sending", "done", "in_doubt", "failed"],
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            rows = await writes.writes_in(tx, state, after or UUID(int=0), limit)
        return [views.write_back(row) for row in rows]

    @routes.post("/write-backs/{write_id}/decide")
    async def decide(write_id: UUID, decision: Decision) -> dict[str, Any]:
        async with context.transaction() as tx:
            return await deciding.decide(tx, write_id, decision.decision, decision.external_id)

    async def _desk(order_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            desk = await desks.read_desk(tx, order_id)
            if desk is None:
                raise not_found("order", order_id)
            names = {str(row.channel_id): row.name for row in await channels.all_channels(tx)}
            return views.desk(order_id, desk, names, await writes.writes_of(tx, order_id))

    return routes
