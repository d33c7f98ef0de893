"""Order-ingest's lists over HTTP: orders by tab, filter and search, and how many stand under each tab."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

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
    async def list_orders(
        request: Request,
        tab: Tab | None = None,
        status: str | None = None,
        hold: HoldCode | None = None,
        channel: UUID | None = None,
        sku: Annotated[str | None, Query(max_length=255)] = None,
        number: Annotated[str | None, Query(max_length=100)] = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        sort: Sort | None = None,
        before: UUID | None = None,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        """Orders by any mixture of filters. `sort` is `newest` (the default), `oldest`, or `due`: by ship-by time,
        of those that may still have to leave. `next` is the `before` (newest) or the `after` of the next page.
        `text` is the beginning of a number, a channel's own id, or, for those who may see them, a name, an e-mail
        address, a phone or a postcode."""
        if status is not None and status not in STATUSES:
            raise Problem(422, "unknown_status", "There is no such status.", f"Use one of {', '.join(STATUSES)}.")
        clock = tab if tab in tabs.BY_CLOCK else None
        order = sort or ("due" if clock else "oldest" if after is not None else "newest")
        if (before if order != "newest" else after) is not None:
            raise Problem(
                422,
                "wrong_cursor",
                f"Pages in the order `{order}` are not continued this way.",
                "Give `before` with `newest`, and `after` with `oldest` or `due`.",
            )
        if text is not None and not text.strip():
            text = None
        wanted = Wanted(
            statuses=_statuses(tab, status),
            clock=clock,
            hold=None if hold is None else hold.value,
            channel_id=channel,
            sku=sku,
            since=_in_utc(since),
            until=_in_utc(until),
            number=number,
            text=text,
            person=query_of(text) if text is not None and sees_people(request) else "",
            sort=order,
            beyond=before if order == "newest" else after,
        )
        async with context.transaction() as tx:
            rows = await pages.page(tx, wanted, limit)
        return {"orders": [listed(row) for row in rows], "next": rows[-1].order_id if len(rows) == limit else None}

    return routes


def _statuses(tab: str | None, status: str | None) -> tuple[str, ...] | None:
    """The statuses of a tab and a filter together; None where neither says anything of them."""
    of_tab = tabs.TABS.get(tab or "")
    if status is None:
        return of_tab
    return (status,) if of_tab is None or status in of_tab else ()


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
