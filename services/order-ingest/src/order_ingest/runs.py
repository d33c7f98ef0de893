"""Order-ingest's integrations: the ways in which orders are read from a channel without waiting for a webhook."""

import logging
from zoneinfo import available_timezones

from crossdock.channels.errors import ChannelError
from crossdock.channels.protocols import ClockSource
from crossdock.channels.registry import can, connector
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.runs import store as run_store
from crossdock.service.runs.model import ChannelRow, Runs
from order_ingest.backlog import BACKLOG, DAILY_REFETCH
from order_ingest.reconcile import ORDERS
from order_ingest.requested import REQUESTS
from order_ingest.store import channels as store

log = logging.getLogger(__name__)


async def channels(tx: Tx) -> list[ChannelRow]:
    """The channels that order-ingest knows."""
    return [
        ChannelRow(row.channel_id, row.kind, row.name, row.connected, bool(row.service_location))
        for row in await store.every(tx)
    ]


RUNS = Runs((ORDERS, BACKLOG, DAILY_REFETCH, REQUESTS), channels)


async def learn_zones(context: Context) -> bool:
    """Ask channels for their time zones where no person said one; what goes wrong is tried again with the next look."""
    async with context.transaction() as tx:
        unknown = {one.channel_id for one in await run_store.integrations(tx) if one.time_zone is None}
        asked = [one for one in await channels(tx) if one.connected and one.channel_id in unknown]
    for channel in asked:
        try:
            zone = await _zone_of(context, channel)
        except ChannelError as problem:
            log.warning("channel %s did not tell its time zone: %s", channel.channel_id, problem)
            continue
        async with context.transaction() as tx:
            await run_store.set_zone(tx, channel.channel_id, zone)
    return False


async def _zone_of(context: Context, channel: ChannelRow) -> str:
    """UTC where the channel knows none. Raises ChannelError."""
    if not can(channel.kind, ClockSource):
        return "UTC"
    source: ClockSource = connector(channel.kind)
    zone = await source.time_zone(await context.access.channel(channel.channel_id))
    return zone if zone in available_timezones() else "UTC"
