"""Order-ingest's lists over HTTP: orders by tab, filter and search, and how many stand under each tab."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from crossdock.contracts.base import utc_now
from crossdock.contracts.holds import HoldCode
from crossdock.service.app import Context
from crossdock.service.errors import Problem
from crossdock.service.tokens import sees_people
from order_ingest.domain import tabs
from order_ingest.domain.search import query_of
from order_ingest.domain.status import STATUSES
from order_ingest.store import counts, pages
from order_ingest.store.pages import Wanted
from order_ingest.views import counts_view, listed

Tab = Literal["outstanding", "on_hold", "waiting", "due_today", "late", "shipped", "cancelled", "rejected", "all"]
Sort = Literal["newest", "oldest", "due"]


class Filters(BaseModel):
    """What orders are listed by; None where it does not matter."""

    tab: Tab | None = None
    status: str | None = None
    hold: HoldCode | None = None
    channel: UUID | None = None
    sku: Annotated[str | None, Field(max_length=255)] = None
    number: Annotated[str | None, Field(max_length=100)] = None
    since: datetime | None = None
    until: datetime | None = None
    text: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    sort: Sort | None = None
    before: UUID | None = None
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


def router(context: Context) -> APIRouter:
    """The routes; they stand before those of one order."""
    routes = APIRouter()

    @routes.get("/orders/counts")
    async def count_orders(channel: UUID | None = None) -> dict[str, Any]:
        """How many orders stand under each tab, in all and by channel."""
        async with context.transaction() as tx:
            by_status = await counts.by_status(tx)
            by_clock = await counts.by_clock(tx)
        return counts_view(by_status, by_clock, channel) | {"as_of": utc_now()}

    @routes.get("/orders")
    async def list_orders(request: Request, filters: Annotated[Filters, Query()]) -> dict[str, Any]:
        """Orders by any mixture of filters. `sort` is `newest` (the default), `oldest`, or `due`: by ship-by time,
        of those that may still have to leave. `next` is the `before` (newest) or the `after` of the next page.
        `text` is the beginning of a number, a channel's own id, or, for those who may see them, a name, an e-mail
        address, a phone or a postcode."""
        wanted = _wanted(filters, people=sees_people(request))
        async with context.transaction() as tx:
            rows = await pages.page(tx, wanted, filters.limit)
        more = len(rows) == filters.limit
        return {"orders": [listed(row) for row in rows], "next": rows[-1].order_id if more else None}

    return routes


def _wanted(filters: Filters, *, people: bool) -> Wanted:
    """What a list is asked for by somebody who may search for `people` or may not. Raises Problem (422)."""
    if filters.status is not None and filters.status not in STATUSES:
        raise Problem(422, "unknown_status", "There is no such status.", f"Use one of {', '.join(STATUSES)}.")
    clock = filters.tab if filters.tab in tabs.BY_CLOCK else None
    order = filters.sort or ("due" if clock else "oldest" if filters.after is not None else "newest")
    if (filters.before if order != "newest" else filters.after) is not None:
        raise Problem(
            422,
            "wrong_cursor",
            f"Pages in the order `{order}` are not continued this way.",
            "Give `before` with `newest`, and `after` with `oldest` or `due`.",
        )
    text = filters.text if filters.text and filters.text.strip() else None
    return Wanted(
        statuses=_statuses(filters.tab, filters.status),
        clock=clock,
        hold=None if filters.hold is None else filters.hold.value,
        channel_id=filters.channel,
        sku=filters.sku,
        since=_in_utc(filters.since),
        until=_in_utc(filters.until),
        number=filters.number,
        text=text,
        person=query_of(text) if text is not None and people else "",
        sort=order,
        beyond=filters.before if order == "newest" else filters.after,
    )


def _statuses(tab: str | None, status: str | None) -> tuple[str, ...] | None:
    """The statuses of a tab and a filter together; None where neither says anything of them."""
    of_tab = tabs.TABS.get(tab or "")
    if status is None:
        return of_tab
    return (status,) if of_tab is None or status in of_tab else ()


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
