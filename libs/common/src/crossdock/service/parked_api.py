"""Parked messages over HTTP: the same routes in every service."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel

from crossdock.messaging import parked
from crossdock.messaging.transaction import transaction
from crossdock.service.errors import Problem
from crossdock.service.tokens import needs_people
from crossdock.storage.engine import Database


class ParkedMessage(BaseModel):
    """A parked message without its body: what it is, which handler could not take it, and why."""

    id: UUID
    handler: str
    queue: str
    message_id: str | None
    origin_id: UUID | None
    attempt: int
    type: str | None
    correlation_id: str | None
    reason: str
    parked_at: datetime
    state: Literal["parked", "replayed", "discarded"]
    settled_at: datetime | None
    size: int


class WholeParkedMessage(ParkedMessage):
    """A parked message with its body as text, its headers, and where in the code it failed."""

    headers: dict[str, Any]
    body: str
    traceback: str


class EditedBody(BaseModel):
    """The corrected body of a parked message, as text."""

    body: str


def router(database: Database) -> APIRouter:
    """List, show, edit, replay and discard."""
    routes = APIRouter(prefix="/parked", tags=["parked messages"])

    @routes.get("")
    async def list_parked(
        state: Literal["parked", "replayed", "discarded", "all"] = "parked",
        before: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[ParkedMessage]:
        async with transaction(database) as tx:
            rows = await parked.parked_messages(tx, state=None if state == "all" else state, before=before, limit=limit)
        return [ParkedMessage.model_validate(dict(row)) for row in rows]

    @routes.get("/{parked_id}", dependencies=[Depends(needs_people)])
    async def show(parked_id: UUID) -> WholeParkedMessage:
        async with transaction(database) as tx:
            row = await _found(parked.parked_message(tx, parked_id))
        read = {"headers": orjson.loads(row.headers), "body": row.body.decode(errors="replace")}
        return WholeParkedMessage.model_validate(dict(row) | read)

    @routes.put("/{parked_id}/body", status_code=204)
    async def edit(parked_id: UUID, edited: EditedBody) -> None:
        async with transaction(database) as tx:
            await _found(parked.edit(tx, parked_id, edited.body.encode()))

    @routes.post("/{parked_id}/replay", status_code=204)
    async def replay(parked_id: UUID) -> None:
        async with transaction(database) as tx:
            await _found(parked.replay(tx, parked_id))

    @routes.post("/{parked_id}/discard", status_code=204)
    async def discard(parked_id: UUID) -> None:
        async with transaction(database) as tx:
            await _found(parked.discard(tx, parked_id))

    return routes


async def _found(step: Any) -> Any:
    try:
        return await step
    except parked.NotParked as problem:
        raise Problem(
            409, "not_parked", f"{problem}.", "List the parked messages again: crossdock parked list."
        ) from None
