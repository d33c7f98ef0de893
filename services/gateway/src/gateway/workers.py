"""Loops that are no handlers: keep the directory fresh, purge old bodies, tend to secrets, store the first API key."""

from datetime import timedelta

from crossdock.contracts.base import utc_now
from crossdock.service.app import Context, Worker
from gateway import channels, keys, store
from gateway.domain.deliveries import first_id_at
from gateway.parts import parts_of
from gateway.redacting import redact_deliveries

PURGE_ROWS = 500
RESEAL_ROWS = 100


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
    """Delete secrets that ended, and seal with the first key what an older one sealed."""
    box = parts_of(context).box
    async with context.transaction() as tx:
        await store.drop_expired(tx)
        return await channels.reseal(tx, box, RESEAL_ROWS) == RESEAL_ROWS


async def store_first_key(context: Context) -> bool:
    """Store the API key of the settings if there was never any."""
    key = context.settings.bootstrap_api_key
    if key is not None:
        async with context.transaction() as tx:
            await keys.bootstrap_key(tx, key.get_secret_value())
    return False


WORKERS = (
    Worker("redact-deliveries", redact_deliveries, 2.0),
    Worker("refresh-directory", refresh_directory, 2.0),
    Worker("purge-bodies", purge_bodies, 60.0),
    Worker("tend-secrets", tend_secrets, 60.0),
    Worker("store-first-key", store_first_key, 30.0),
)
