"""Importing old orders over HTTP: what would be found is told first, then a run is started."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from crossdock.channels.errors import AuthExpired, ChannelError, Retryable
from crossdock.channels.protocols import BacklogScope, BacklogSource
from crossdock.channels.registry import can
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from crossdock.service.runs import store
from crossdock.service.runs.api import start_now
from crossdock.service.runs.model import ChannelRow
from order_ingest.backlog import BACKLOG, BacklogRequest, scope_of
from order_ingest.runs import channels


class Preview(BaseModel):
    """What to look for, and in which channel."""

    channel_id: UUID
    request: BacklogRequest


class NewImport(Preview):
    """`accept_limits`: import although the channel does not show everything that was asked for."""

    accept_limits: bool = False


def router(context: Context, guard: Any) -> APIRouter:
    """The routes; `guard` lets other services in."""
    routes = APIRouter(prefix="/backlog", dependencies=[guard], tags=["backlog"])

    @routes.post("/preview")
    async def preview(body: Preview) -> dict[str, Any]:
        """How many orders there are, and in sentences what would be missing; nothing is imported."""
        scope = await _scope(context, await _channel(context, body.channel_id), body.request)
        return {"expected": scope.expected, "notes": scope.notes}

    @routes.post("", status_code=202)
    async def begin(body: NewImport) -> dict[str, Any]:
        """Start an import; the answer is its run. 409 when not everything can be seen, unless that is accepted."""
        channel = await _channel(context, body.channel_id)
        scope = await _scope(context, channel, body.request)
        if scope.notes and not body.accept_limits:
            raise Problem(409, "limited", scope.notes[0], "Send it again with accept_limits to import what is shown.")
        async with context.transaction() as tx:
            integration = await store.of_channel(tx, channel.channel_id, BACKLOG.name)
            if integration is None:
                raise Problem(409, "not_ready", "This channel was connected a moment ago.", "Try again in a second.")
            request = body.request.model_dump(mode="json")
            return await start_now(tx, BACKLOG, integration, request, notes=scope.notes, expected=scope.expected)

    return routes


async def _channel(context: Context, channel_id: UUID) -> ChannelRow:
    """Raises Problem: 404, 409."""
    async with context.transaction() as tx:
        found = next((one for one in await channels(tx) if one.channel_id == channel_id), None)
    if found is None:
        raise not_found("channel", channel_id, "List them: crossdock channel list.")
    if not found.connected:
        raise Problem(409, "disconnected", "This channel is disconnected.", "Connect it first.")
    if not can(found.kind, BacklogSource):
        raise Problem(
            409, "no_backlog", f"Channels of kind {found.kind} have no old orders to read.", "Import them from a file."
        )
    return found


async def _scope(context: Context, channel: ChannelRow, request: BacklogRequest) -> BacklogScope:
    """Raises Problem: 502, 503."""
    try:
        return await scope_of(context, channel.channel_id, channel.kind, request.query())
    except (Retryable, AuthExpired) as problem:
        if isinstance(problem, AuthExpired):
            context.access.forget(channel.channel_id)
        raise Problem(503, "channel_away", f"{problem.sentence}.", "Try again in a moment.") from None
    except ChannelError as problem:
        raise Problem(502, "channel_refused", f"{problem.sentence}.", "Solve that, then try again.") from None
