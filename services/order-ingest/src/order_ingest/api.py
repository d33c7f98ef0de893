"""Order-ingest's HTTP API: orders with their state, why they wait, their parcels and their timeline."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from crossdock.channels.protocols import OrderFeed
from crossdock.channels.registry import can
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import not_found
from crossdock.service.runs import api as runs_api
from crossdock.service.tokens import needs_people
from order_ingest import backlog_api, decisions, golive, lists, policies, privacy_api, sheets, typed
from order_ingest.reference import order_id_of
from order_ingest.runs import RUNS
from order_ingest.store import feeds, pages
from order_ingest.views import order_view, timeline_view

TIMELINE_PAGE = 1000
"""Entries of its timeline that an order is shown with; its timeline alone has the others."""


def router(context: Context) -> APIRouter:
    """The routes."""
    guard = service_guard(context, "order-ingest")
    routes = APIRouter(dependencies=[guard], tags=["orders"])
    routes.include_router(lists.router(context))
    routes.include_router(privacy_api.router(context))
    routes.include_router(policies.router(context))
    routes.include_router(decisions.router(context))
    routes.include_router(golive.router(context))
    routes.include_router(runs_api.router(context, RUNS, guard))
    routes.include_router(backlog_api.router(context, guard))

    _one_order(context, routes)

    @routes.get("/feeds")
    async def list_feeds() -> dict[str, Any]:
        """How far each channel's list of changes was read, and what went wrong at the last poll."""
        async with context.transaction() as tx:
            kinds = [kind for kind in await feeds.kinds(tx) if can(kind, OrderFeed)]
            return {"feeds": [dict(row) for row in await feeds.every(tx, kinds)]}

    routes.include_router(sheets.router(context))
    routes.include_router(typed.router(context))
    return routes


def _one_order(context: Context, routes: APIRouter) -> None:
    @routes.get("/orders/{reference}")
    async def show_order(reference: str) -> dict[str, Any]:
        """One order, by its id or its number."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            found = await pages.one(tx, order_id)
            entries = await pages.timeline(tx, order_id, None, TIMELINE_PAGE)
        if found is None:
            raise not_found("order", order_id)
        return order_view(*found, entries, TIMELINE_PAGE)

    @routes.get("/orders/{reference}/timeline")
    async def show_timeline(
        reference: str, after: UUID | None = None, limit: Annotated[int, Query(ge=1, le=TIMELINE_PAGE)] = 100
    ) -> dict[str, Any]:
        """What happened to an order, oldest first. `next` is the `after` of the next page."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            if await pages.one(tx, order_id) is None:
                raise not_found("order", order_id)
            entries, further = timeline_view(await pages.timeline(tx, order_id, after, limit), limit)
        return {"order_id": order_id, "timeline": entries, "next": further}

    @routes.get("/orders/{reference}/recipient", dependencies=[Depends(needs_people)])
    async def show_recipient(reference: str) -> dict[str, Any]:
        """The personal data of one order; not for viewers."""
        async with context.transaction() as tx:
            order_id = await order_id_of(tx, reference)
            row = await pages.recipient(tx, order_id)
        if row is None:
            raise not_found("recipient of order", order_id)
        return {"order_id": order_id, "recipient_version": row.recipient_version, "recipient": row.recipient}
