"""The worker that finds out whose a route is that changed: webhooks about fulfillment orders name no order.

The order is then marked to be read with its routes, as if a webhook had named it.
"""

import asyncio
import logging
from uuid import UUID

from crossdock.channels.errors import ChannelError, Retryable
from crossdock.channels.protocols import RouteSource
from crossdock.channels.registry import connector
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.service.app import Context
from order_ingest.asking import answered, pause
from order_ingest.book import Cause
from order_ingest.domain import fold
from order_ingest.domain.ids import order_id_of
from order_ingest.domain.order import Recipient
from order_ingest.domain.steps import Step
from order_ingest.intake import Word, take
from order_ingest.store import touches
from order_ingest.store.orders import Key, Row
from order_ingest.store.touches import Touch

log = logging.getLogger(__name__)


async def find_owners(context: Context) -> bool:
    """Ask channels which orders the next touched routes belong to. Nothing is locked while a channel answers."""
    settings = context.settings
    token = new_id()
    async with context.transaction() as tx:
        claimed = await touches.claim(
            tx, token, limit=settings.refetch_batch, lease_seconds=settings.refetch_lease_seconds
        )
    if not claimed:
        return False
    seconds = settings.refetch_lease_seconds / 2
    owners = await asyncio.gather(*(_owner(context, one, seconds) for one in claimed))
    found = dict(zip(claimed, owners, strict=True))
    async with context.transaction() as tx:
        named = [(one, owner) for one, owner in found.items() if isinstance(owner, str)]
        await take(tx, [reread(one.channel_id, one.channel_kind, owner) for one, owner in named])
        later = {
            one: pause(settings.refetch_retry_seconds, one.attempt, owner.after)
            for one, owner in found.items()
            if isinstance(owner, Retryable)
        }
        await touches.finish(tx, token, [one for one in claimed if one not in later], later)
    return len(claimed) == int(settings.refetch_batch)


async def _owner(context: Context, touch: Touch, seconds: float) -> str | ChannelError | None:
    """The order that a route belongs to, or why nobody can say; None when the channel does not know the route."""
    owner = await answered(context, touch.channel_id, _read(context, touch, seconds))
    if isinstance(owner, ChannelError) and not isinstance(owner, Retryable):
        log.warning("channel %s: nobody can say whose route %s is: %s", touch.channel_id, touch.route_id, owner)
    return owner


async def _read(context: Context, touch: Touch, seconds: float) -> str | None:
    source = connector(touch.channel_kind)
    if not isinstance(source, RouteSource):
        raise ChannelError(f"Channels of kind {touch.channel_kind} have no routes")
    access = await context.access.channel(touch.channel_id)
    async with asyncio.timeout(seconds):
        return await source.order_of_route(access, touch.route_id)


def reread(channel_id: UUID, channel_kind: str, external_id: str) -> Word:
    """What lets an order be read with its routes, as if a webhook had named it."""
    at = utc_now()
    key = Key(order_id_of(channel_id, external_id, at), channel_id, channel_kind, external_id)
    return Word(key, Cause(at, channel_kind), _touched)


def _touched(row: Row, recipient: Recipient | None) -> Step:
    return fold.take_pointer(row.order, row.source, None, routes=True)
