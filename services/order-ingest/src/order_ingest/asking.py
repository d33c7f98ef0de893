"""Asking a channel for one order: whatever goes wrong comes back as a typed answer, and asks for no second look."""

import asyncio
from dataclasses import replace
from uuid import UUID

from crossdock.channels.errors import AuthExpired, ChannelError, Retryable, Unknown
from crossdock.channels.protocols import OrderSource, RouteSource
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.service.app import Context
from order_ingest import translate
from order_ingest.domain.order import Arrival

Answer = Arrival | ChannelError | None


async def ask(
    context: Context, channel_id: UUID, kind: str, external_id: str, seconds: float, *, routes: bool = False
) -> Answer:
    """What a channel says of one order now, or why it did not say within so many seconds; None when it does not know
    the order. With `routes`, to which locations it is assigned is asked for, too, where the channel tells it. A read
    changes nothing, so that an unclear answer is asked for again."""
    try:
        source = connector(kind)
        if not isinstance(source, OrderSource):
            return ChannelError(f"Channels of kind {kind} cannot be asked for an order")
        access = await context.access.channel(channel_id)
        async with asyncio.timeout(seconds):
            found = await source.fetch_order(access, external_id)
            if found is not None and routes and isinstance(source, RouteSource):
                found = replace(found, routing=await source.fetch_routing(access, external_id))
    except AuthExpired as problem:
        context.access.forget(channel_id)
        return Retryable(problem.sentence)
    except Unknown as problem:
        return Retryable(problem.sentence)
    except TimeoutError:
        return Retryable("The channel did not answer in time")
    except UnknownChannelKind as problem:
        return ChannelError(str(problem))
    except ChannelError as problem:
        return problem
    return None if found is None else translate.arrival_of(found)
