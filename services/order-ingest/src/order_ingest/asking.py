"""Asking a channel for one order: whatever goes wrong comes back as a typed answer, and asks for no second look."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from crossdock.channels.errors import AuthExpired, ChannelError, Retryable, Unknown
from crossdock.channels.model import CanonicalOrder
from crossdock.channels.protocols import OrderSource, RouteSource
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.service.app import Context
from order_ingest import translate
from order_ingest.domain.order import Arrival

Answer = Arrival | ChannelError | None
T = TypeVar("T")
LONGEST_WAIT_SECONDS = 3600.0


async def ask(
    context: Context, channel_id: UUID, kind: str, external_id: str, seconds: float, *, routes: bool = False
) -> Answer:
    """What a channel says of one order now, or why it did not say within so many seconds; None when it does not know
    the order. With `routes`, to which locations it is assigned is asked for, too, where the channel tells it. A read
    changes nothing, so that an unclear answer is asked for again."""
    found = await answered(context, channel_id, _read(context, channel_id, kind, external_id, seconds, routes))
    return translate.arrival_of(found) if isinstance(found, CanonicalOrder) else found


async def _read(
    context: Context, channel_id: UUID, kind: str, external_id: str, seconds: float, routes: bool
) -> CanonicalOrder | None:
    source = connector(kind)
    if not isinstance(source, OrderSource):
        raise ChannelError(f"Channels of kind {kind} cannot be asked for an order")
    access = await context.access.channel(channel_id)
    async with asyncio.timeout(seconds):
        found = await source.fetch_order(access, external_id)
        if found is not None and routes and isinstance(source, RouteSource):
            found = replace(found, routing=await source.fetch_routing(access, external_id))
    return found


def pause(seconds: float, attempt: int, after: float = 0.0) -> float:
    """Seconds until a channel is asked again: doubled with each attempt (from 1), at least what it asked for (`after`),
    at most an hour."""
    return min(max(after, seconds * 2.0 ** min(attempt - 1, 20)), LONGEST_WAIT_SECONDS)


async def answered(context: Context, channel_id: UUID, read: Awaitable[T]) -> T | ChannelError:
    """What a read of a channel comes to. Nothing that goes wrong with the channel is raised; what may be tried again
    comes back as Retryable."""
    try:
        return await read
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
