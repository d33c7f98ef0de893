"""The matcher's HTTP API: SKUs, listings, and what an order was matched to."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from crossdock.contracts.base import utc_now
from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import not_found
from crossdock.service.runs import api as runs_api
from crossdock.service.tokens import Actor
from sku_matcher import telling
from sku_matcher.deciding import Wish, assign_line, map_listings
from sku_matcher.domain.matching import Component
from sku_matcher.runs import RUNS
from sku_matcher.store import catalogue, mappings, orders, presence

SkuText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")
]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=1000)]


ListingId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
Quantity = Annotated[int, Field(ge=1, le=10_000)]


class MappingWish(BaseModel):
    """A channel's listing shall be `quantity` units of `sku`; null takes the mapping away."""

    channel_id: UUID
    listing_id: ListingId
    sku: SkuText | None
    quantity: Quantity = 1


class Assignment(BaseModel):
    """What one unit of an order's line is."""

    sku: SkuText
    quantity: Quantity = 1


class NewSku(BaseModel):
    """A SKU to add by hand: for some channels, or for every channel when none is named."""

    sku: SkuText
    title: Title | None = None
    channel_ids: list[UUID] = Field(default=[], max_length=1000)


def router(context: Context) -> APIRouter:
    """The routes."""
    guard = service_guard(context, "sku-matcher")
    routes = APIRouter()
    routes.include_router(runs_api.router(context, RUNS, guard))
    routes.include_router(_catalogue_routes(context), dependencies=[guard])
    return routes


def _catalogue_routes(context: Context) -> APIRouter:
    routes = APIRouter(tags=["sku-matcher"])

    @routes.get("/skus")
    async def list_skus(sku: str | None = None, after: str = "", limit: Limit = 100) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            rows = await catalogue.sku_page(tx, sku=sku, after=after, limit=limit)
        return [dict(row) for row in rows]

    @routes.post("/skus", status_code=201, responses={200: {"model": dict[str, Any], "description": "It was known"}})
    async def post_sku(new: NewSku, response: Response) -> dict[str, Any]:
        async with context.transaction() as tx:
            changed = await add_sku(tx, new.sku, new.title, new.channel_ids)
            rows = await catalogue.sku_page(tx, sku=new.sku, after="", limit=1)
        response.status_code = 201 if changed else 200
        return dict(rows[0])

    @routes.get("/listings")
    async def list_listings(
        channel: UUID, sku: str | None = None, after: str = "", limit: Limit = 100
    ) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            rows = await catalogue.listing_page(tx, channel, sku=sku, after=after, limit=limit)
        return [dict(row) for row in rows]

    _mappings(context, routes)

    @routes.get("/orders/{order_id}/match")
    async def match(order_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            row = await orders.order_row(tx, order_id)
        if row is None or row.order is None or row.match is None:
            raise not_found("match for order", order_id, "Look whether the order was placed, then try again.")
        return {
            "order_id": order_id,
            "channel_id": row.order.channel_id,
            "content_version": row.match.content_version,
            "match_version": row.match.match_version,
            "matched": row.match.matched,
            "cancelled": row.order.cancelled,
            "lines": [line.model_dump() for line in telling.lines_of(row.match)],
            "holds": [telling.hold_of(problem).model_dump() for problem in row.match.problems],
        }

    return routes


def _mappings(context: Context, routes: APIRouter) -> None:
    @routes.put("/mappings")
    async def put_mappings(
        wishes: Annotated[list[MappingWish], Field(min_length=1, max_length=1000)], actor: Actor
    ) -> dict[str, Any]:
        """Tie listings to SKUs; each wish has its own outcome."""
        wanted = [Wish(one.channel_id, one.listing_id, one.sku or "", one.quantity) for one in wishes]
        async with context.transaction() as tx:
            return {"mappings": await map_listings(tx, wanted, actor, utc_now())}

    @routes.get("/mappings")
    async def list_mappings(channel: UUID, after: str = "", limit: Limit = 100) -> dict[str, Any]:
        async with context.transaction() as tx:
            rows = await mappings.page(tx, channel, after=after, limit=limit)
        following = rows[-1].listing_id if len(rows) == limit else None
        return {"mappings": [dict(row) for row in rows], "next": following}

    @routes.put("/orders/{order_id}/match/lines/{line}")
    async def put_line(order_id: UUID, line: str, said: Assignment, actor: Actor) -> dict[str, Any]:
        """Say what a line is (by its id or position) that has no SKU; later orders are not touched."""
        async with context.transaction() as tx:
            return await assign_line(tx, order_id, line, Component(said.sku, said.quantity), actor)


async def add_sku(tx: Tx, sku: str, title: str | None, channel_ids: list[UUID]) -> bool:
    """Add a SKU by hand, so that orders which wait for it go on; without `channel_ids` for every channel. Returns False
    when nothing was new. Raises Problem (404) for a channel that is not known."""
    for unknown in sorted(set(channel_ids) - await catalogue.known_channels(tx, channel_ids)):
        raise not_found("channel", unknown)
    where = sorted(set(channel_ids)) or [presence.HUB]
    await presence.claim_presence(tx, {(channel_id, sku) for channel_id in (*where, presence.HUB)})
    by_hand = await presence.set_by_hand(tx, sku, where)
    fresh = await catalogue.add_skus(tx, {sku: title or ""})
    old = await catalogue.lock_sku(tx, sku)
    if not fresh and not by_hand and title in (None, old.title):
        return False
    version = old.sku_version if fresh else old.sku_version + 1
    new_title = old.title if title is None else title
    await catalogue.save_sku(tx, sku, version, new_title)
    tx.publish(SkuChanged(sku=sku, sku_version=version, title=new_title))
    return True
