"""Requests about people over HTTP, for admins alone: asked, followed, proven, and exported."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from crossdock.service.tokens import actor_of, needs_admin
from order_ingest.domain.search import email_query, phone_query
from order_ingest.imports import end_files
from order_ingest.store import privacy
from order_ingest.store.privacy import Asked

SERVICES = ("order-ingest", "gateway", "fulfillment")
"""Who searches, and reports each page of orders."""
EXPORT_PAGE = 200


class NewRequest(BaseModel):
    """What is asked about whom: orders of one channel by the channel's ids or by ours, and whoever has an e-mail
    address or phone there."""

    kind: Literal["export", "redact_customer"]
    channel: UUID
    external_ids: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = Field((), max_length=1000)
    order_ids: tuple[UUID, ...] = Field((), max_length=1000)
    email: str = Field("", max_length=320)
    phone: str = Field("", max_length=50)


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/privacy", dependencies=[Depends(needs_admin)])

    @routes.post("/requests", status_code=202)
    async def ask(new: NewRequest, request: Request) -> dict[str, Any]:
        """Ask for an export of, or the redaction of, a customer's personal data."""
        async with context.transaction() as tx:
            return await _shown(tx, await _remember(tx, new, actor_of(request)))

    @routes.get("/requests")
    async def list_requests(
        before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> dict[str, Any]:
        """Requests, newest first."""
        async with context.transaction() as tx:
            rows = await privacy.listed(tx, before, limit)
        return {
            "requests": [_request(row) for row in rows],
            "next": rows[-1].request_id if len(rows) == limit else None,
        }

    @routes.get("/requests/{request_id}")
    async def show(request_id: UUID) -> dict[str, Any]:
        """One request with its proof: what was searched, what was removed where, and what remains."""
        async with context.transaction() as tx:
            return await _shown(tx, request_id)

    @routes.get("/requests/{request_id}/export")
    async def export(request_id: UUID) -> StreamingResponse:
        """All that is stored of the customer now, as one JSON document; nothing of it is kept with the request."""
        async with context.transaction() as tx:
            row = await privacy.one(tx, request_id)
        if row is None:
            raise not_found("privacy request", request_id)
        if row.kind != "export":
            raise Problem(409, "no_export", "This request asked for a redaction.", "Ask for an export instead.")
        name = f'attachment; filename="crossdock-export-{request_id}.json"'
        return StreamingResponse(
            _export(context, request_id), media_type="application/json", headers={"content-disposition": name}
        )

    return routes


async def _remember(tx: Tx, new: NewRequest, asked_by: str) -> UUID:
    """Keep what somebody asks; its id. Raises Problem (422) when it names nobody."""
    query = email_query(new.email) or phone_query(new.phone)
    if not (new.external_ids or new.order_ids or query):
        sentence = "The request names nobody."
        raise Problem(422, "nobody", sentence, "Give external_ids, order_ids, an email or a phone of 5 digits.")
    request_id = new_id()
    # Before people are looked up: what of a file is an order by now is found, the rest becomes none.
    files = await end_files(tx, new.channel) if new.kind != "export" else 0
    found = await privacy.of_people(tx, {request_id: (new.channel, query)})
    asked = Asked(
        request_id=request_id,
        channel_id=new.channel,
        kind=new.kind,
        source="operator",
        asked_by=asked_by,
        external_ids=new.external_ids,
        order_ids=(*new.order_ids, *found[request_id]),
        files_ended=files,
    )
    await privacy.add(tx, [asked])
    return request_id


async def _export(context: Context, request_id: UUID) -> AsyncIterator[bytes]:
    yield b'{"request_id":' + orjson.dumps(request_id) + b',"orders":['
    after, comma = privacy.FIRST, b""
    while True:
        async with context.transaction() as tx:
            rows = await privacy.exported(tx, request_id, after, EXPORT_PAGE)
        for row in rows:
            yield comma + orjson.dumps(dict(row), default=str)
            comma = b","
        if len(rows) < EXPORT_PAGE:
            break
        after = rows[-1].order_id
    yield b"]}"


async def _shown(tx: Tx, request_id: UUID) -> dict[str, Any]:
    row = await privacy.one(tx, request_id)
    if row is None:
        raise not_found("privacy request", request_id)
    found = _request(row)
    if row.kind == "export":
        return found
    reports = await privacy.reports(tx, request_id)
    remaining = await privacy.remaining(tx, row)
    return found | {
        "services": {service: _summed([one for one in reports if one.service == service]) for service in SERVICES},
        "remaining": dict(remaining),
    }


def _request(row: Any) -> dict[str, Any]:
    """A request as it is shown: `open` while orders are redacted, `searching` until all services have reported."""
    told = row.state == "told" and row.kind != "export"
    complete = row.reports >= row.pages * len(SERVICES)
    state = ("done" if complete else "searching") if told else "ready" if row.kind == "export" else row.state
    return {
        "request_id": row.request_id,
        "channel_id": row.channel_id,
        "channel": row.channel,
        "kind": row.kind,
        "source": row.source,
        "asked_by": row.asked_by,
        "state": state,
        "orders": row.orders,
        "orders_named": row.orders_named,
        "files_ended": row.files_ended,
        "requested_at": row.requested_at,
        "done_at": row.reported_at if state == "done" else None,
    }


def _summed(reports: Sequence[Any]) -> dict[str, Any]:
    searched: dict[str, int] = {}
    removed: dict[str, int] = {}
    for one in reports:
        for total, part in ((searched, one.searched), (removed, one.removed)):
            for name, count in part.items():
                total[name] = total.get(name, 0) + count
    return {"pages": len(reports), "searched": searched, "removed": removed}
