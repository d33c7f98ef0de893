"""Registering Crossdock as a fulfillment service of a channel, and ending that.

Invariant: whatever is interrupted can be repeated. A service that leads to this channel's callback address is ours and
is adopted, so that none is made twice; and neither act makes more of the store's work ours than was before.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from crossdock.channels.errors import ChannelError, Permanent, Unknown
from crossdock.channels.protocols import ChannelAccess, LocationSource
from crossdock.channels.registry import connector
from crossdock.channels.serving import ChannelService, ServiceRegistrar, StockAction
from crossdock.service.app import Context
from crossdock.service.errors import Problem
from gateway import approvals, channels, checking, grants, keys, store
from gateway.domain.channels import SERVICE
from gateway.keys import Caller
from gateway.parts import Parts
from gateway.sealing import Unsealable

ORDERS = "order-ingest"
LEAVE_SECONDS = 20.0
"""A disconnect does not wait longer for a store to end our service."""

log = logging.getLogger(__name__)


class NewService(BaseModel):
    """What merchants call the service. With `only`, nothing of the store is ours but what they request of it; else
    what is ours stays ours beside it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    only: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """A connected channel whose services can be changed: its name, what its settings keep of our service, our callback
    address, and how it is called."""

    channel_id: UUID
    name: str
    kept: dict[str, Any]
    callback_url: str
    source: Any
    access: ChannelAccess


def router(context: Context, parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["channels"])
    person = Depends(keys.required(parts.keys))

    @routes.post("/{channel_id}/service")
    async def register_service(channel_id: UUID, new: NewService, who: Caller = person) -> dict[str, Any]:
        """Register Crossdock as a fulfillment service of the channel, or adopt the service that was."""
        return await register(context, parts, channel_id, new, who)

    @routes.delete("/{channel_id}/service")
    async def unregister_service(
        channel_id: UUID,
        stock: StockAction = "keep",
        to: Annotated[str, Query(max_length=100)] = "",
        who: Caller = person,
    ) -> dict[str, Any]:
        """Delete the service. Its location and stock stay with the merchant (`keep`), or go to the location `to`
        (`transfer`), or are deleted."""
        return await unregister(context, parts, channel_id, stock, to, who)

    return routes


async def register(context: Context, parts: Parts, channel_id: UUID, new: NewService, who: Caller) -> dict[str, Any]:
    """See the route. Raises Problem: 404, 409 where it cannot be done (missing scopes are named, and asked for with the
    next approval), 502 and 503 while the channel or order-ingest does not answer."""
    desk = await _desk(context, parts, channel_id)
    policy = (await parts.proxy.ask(ORDERS, f"/channels/{channel_id}/policy", None, who, "GET"))["policy"]
    wish = desk.kept | {"name": new.name or desk.kept.get("name") or "Crossdock"}
    await _keep(context, parts, desk, wish)
    try:
        await _need_scopes(desk)
        found = await _registered(desk, wish["name"])
        others = [] if new.only else policy["locations"] or await _own_locations(desk, policy)
    except ChannelError as problem:
        raise _not_done(problem) from None
    await _keep(context, parts, desk, {"name": found.name, "id": found.service_id, "location": found.location_id})
    change: dict[str, Any] = {"service_location": found.location_id}
    change |= {"locations": others} if others != policy["locations"] else {}
    await parts.proxy.ask(ORDERS, f"/channels/{channel_id}/policy", change, who, "PATCH")
    log.info("%s registered fulfillment service %s of channel %s", who.name, found.service_id, channel_id)
    return {"name": found.name, "service_id": found.service_id, "location": found.location_id, "locations": others}


async def unregister(
    context: Context, parts: Parts, channel_id: UUID, stock: StockAction, to: str, who: Caller
) -> dict[str, Any]:
    """See the route. Raises Problem as `register` does, and 409 when there is no service."""
    desk = await _desk(context, parts, channel_id)
    path = f"/channels/{channel_id}/policy"
    policy = (await parts.proxy.ask(ORDERS, path, None, who, "GET"))["policy"]
    try:
        found = _ours(desk, await desk.source.list_services(desk.access))
        if found is None and not desk.kept:
            raise Problem(409, "no_service", f"{desk.name} has no fulfillment service of ours.", "Nothing is to do.")
        if found is not None:
            await desk.source.unregister_service(desk.access, found.service_id, stock, to)
    except ChannelError as problem:
        raise _not_done(problem) from None
    place = found.location_id if found is not None else str(desk.kept.get("location", ""))
    if stock == "keep" and place and policy["service_location"] == place:
        # Without a named location everything that the store manages would be ours.
        locations = list(dict.fromkeys([*policy["locations"], place]))
        await parts.proxy.ask(ORDERS, path, {"service_location": "", "locations": locations}, who, "PATCH")
    await _keep(context, parts, desk, None)
    log.info("%s ended the fulfillment service of channel %s (%s)", who.name, channel_id, stock)
    return {"location": place, "stock": stock, "destination": to}


async def leave(context: Context, parts: Parts, channel_id: UUID, who: Caller) -> str:
    """End our service of a channel that is about to be disconnected, its stock kept where it is. Returns what stays
    there and how to remove it, blank when nothing does: a store that does not answer is no reason to stay connected."""
    async with context.transaction() as tx:
        channel = await store.channel(tx, channel_id)
    kept = channel.settings.get(SERVICE) if channel is not None and channel.state == "connected" else None
    if channel is None or not kept:
        return ""
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await unregister(context, parts, channel_id, "keep", "", who)
    except (Problem, Unsealable, TimeoutError) as problem:
        why = "it took too long" if isinstance(problem, TimeoutError) else str(problem)
        log.warning("the fulfillment service of channel %s may stay in the store: %s", channel_id, why)
        return (
            f"Our fulfillment service {kept['name']} may stay in {channel.name}, where nobody answers its requests any "
            f"more ({why.rstrip('.')}). Remove it in the store's admin, or connect the store again and run "
            f"`crossdock channel service unregister {channel.name}`."
        )
    return ""


async def _desk(context: Context, parts: Parts, channel_id: UUID) -> Desk:
    entry = await grants.access(context, parts, channel_id)
    channel = entry.channel
    source = connector(channel.kind)
    if not isinstance(source, ServiceRegistrar):
        sentence = f"Channels of kind {channel.kind} have no fulfillment services."
        raise Problem(409, "no_services", sentence, "Choose another channel.")
    callback_url = approvals.public_address(parts, f"/webhooks/{channel.kind}/{channel.id}")
    kept = dict(channel.settings.get(SERVICE) or {})
    return Desk(channel.id, channel.name, kept, callback_url, source, checking.bounded(entry))


async def _need_scopes(desk: Desk) -> None:
    """Raises Problem (409) that names each missing scope with what it is for."""
    inspection = await desk.source.inspect(desk.access)
    lacking = desk.source.missing(desk.source.service_needs(), inspection.scopes)
    if lacking:
        told = "; ".join(f"without {' or '.join(one.any_of)}, {one.without}" for one in lacking)
        next_step = f"Grant them (`crossdock channel authorize {desk.name}` asks for them), then register again."
        raise Problem(409, "scopes_missing", f"{desk.name} lacks access scopes: {told}.", next_step)


async def _registered(desk: Desk, name: str) -> ChannelService:
    """The service that is ours, made if there is none; looked for again where it may have been made meanwhile."""
    found = _ours(desk, await desk.source.list_services(desk.access))
    if found is None:
        try:
            made: ChannelService = await desk.source.register_service(desk.access, name, desk.callback_url)
            return made
        except (Unknown, Permanent):
            found = _ours(desk, await desk.source.list_services(desk.access))
            if found is None:
                raise
    if found.callback_url != desk.callback_url:
        await desk.source.redirect_service(desk.access, found.service_id, desk.callback_url)
    return found


def _ours(desk: Desk, services: tuple[ChannelService, ...]) -> ChannelService | None:
    """The service that was kept as ours, or whose calls lead to this channel."""
    return next((one for one in services if one.service_id == desk.kept.get("id")), None) or next(
        (one for one in services if one.callback_url == desk.callback_url), None
    )


async def _own_locations(desk: Desk, policy: dict[str, Any]) -> list[str]:
    """The locations whose work is ours while the policy names none: with a service it has to name them."""
    if policy["service_location"] or not isinstance(desk.source, LocationSource):
        return []
    places = await desk.source.list_locations(desk.access)
    return [one.location_id for one in places if one.active and not one.managed]


async def _keep(context: Context, parts: Parts, desk: Desk, service: dict[str, Any] | None) -> None:
    """Keep what is known of our service among the channel's settings, and tell the other services if it is news."""
    if desk.kept == (service or {}):
        return
    async with context.transaction() as tx:
        settings = {"settings": {SERVICE: service}}
        await channels.change(tx, parts.box, desk.channel_id, settings, {}, timedelta())
    await parts.directory.changed()


def _not_done(problem: ChannelError) -> Problem:
    sentence = f"{problem.sentence[:1].upper()}{problem.sentence[1:].rstrip('.')}."
    if isinstance(problem, Permanent):
        return Problem(409, "refused", sentence, "Correct it there, then repeat the command.")
    status = 502 if isinstance(problem, Unknown) else 503
    return Problem(status, "channel_away", sentence, "Repeat the command: what was done is found again.")
