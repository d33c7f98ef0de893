"""Loops that are no handlers: the directory, old bodies, secrets, the first API key, tokens, checks of channels."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from crossdock.contracts.base import utc_now
from crossdock.service.app import Context, Worker
from crossdock.service.errors import Problem
from gateway import channels, checking, grants, store
from gateway.domain.deliveries import first_id_at
from gateway.parts import Parts, parts_of
from gateway.redacting import redact_deliveries
from gateway.sealing import Unsealable
from gateway.store import connections

PURGE_ROWS = 500
RESEAL_ROWS = 100
RENEWED_AT_ONCE = 10
CHECKED_AT_ONCE = 5
log = logging.getLogger(__name__)


async def refresh_directory(context: Context) -> bool:
    """Learn of channels that another process changed, and of secrets that ended."""
    await parts_of(context).directory.refresh()
    return False


async def purge_bodies(context: Context) -> bool:
    """Delete the bodies of old deliveries; their keys stay, so that a late duplicate is still known."""
    before = first_id_at(utc_now() - timedelta(days=context.settings.body_days))
    async with context.transaction() as tx:
        return await store.purge_bodies(tx, before, PURGE_ROWS) == PURGE_ROWS


async def tend_secrets(context: Context) -> bool:
    """Delete secrets and approvals that ended, and seal with the first key what an older one sealed."""
    box = parts_of(context).box
    async with context.transaction() as tx:
        await store.drop_expired(tx)
        await connections.drop_approvals(tx)
        return await channels.reseal(tx, box, RESEAL_ROWS) == RESEAL_ROWS


async def store_first_key(context: Context) -> bool:
    """Store the API key of the settings if there was never any, once for each process."""
    await parts_of(context).keys.store_first()
    return False


async def renew_tokens(context: Context) -> bool:
    """Renew access tokens some time before they end, so that nobody waits for one."""
    async with context.transaction() as tx:
        due = await connections.due_renewals(tx, RENEWED_AT_ONCE)
    await asyncio.gather(*(_renew(context, parts_of(context), one) for one in due))
    return len(due) == RENEWED_AT_ONCE


async def _renew(context: Context, parts: Parts, channel_id: UUID) -> None:
    async with context.transaction() as tx:
        channel, how = await store.channel(tx, channel_id), await connections.connection(tx, channel_id)
    if channel is None or how is None:
        return
    try:
        await grants.renew(context, parts, channel, how)
    except (Problem, Unsealable) as problem:
        log.warning("the access token of channel %s was not renewed: %s", channel_id, problem)


async def check_connections(context: Context) -> bool:
    """Look at the channels whose turn it is, and subscribe to webhooks that they lack."""
    return await checking.check_due(context, parts_of(context), CHECKED_AT_ONCE) == CHECKED_AT_ONCE


WORKERS = (
    Worker("redact-deliveries", redact_deliveries, 2.0),
    Worker("refresh-directory", refresh_directory, 2.0),
    Worker("purge-bodies", purge_bodies, 60.0),
    Worker("tend-secrets", tend_secrets, 60.0),
    Worker("store-first-key", store_first_key, 1.0),
    Worker("renew-tokens", renew_tokens, 2.0),
    Worker("check-connections", check_connections, 2.0),
)
