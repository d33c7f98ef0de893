"""Exchanges, queues and bindings declared over AMQP, again and again: declaring what is there changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError

from crossdock.messaging.broker.link import Link, explain
from crossdock.messaging.topology import DeclaredExchange, DeclaredQueue, Topology, exchanges_of, queues_of

_STEP_TIMEOUT = 10.0

Step = Callable[[Channel], Awaitable[None]]


@dataclass(slots=True)
class Declared:
    """What declaring found: (ready messages, consumers) of each queue, and a clause for whatever is otherwise."""

    depths: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


async def declare(link: Link, topology: Topology) -> Declared:
    """Declare everything in `topology`. What exists with other arguments stays as it is and is named in `problems`.

    A queue that gives no answer (a quorum queue without its majority) must not keep the others from theirs. Raises
    what aiormq raises when the link is lost.
    """
    found = Declared()
    steps = list(_steps(topology, found))
    while steps:
        # A refused declaration closes its channel: the rest goes on in a new one.
        async with link.channel() as channel:
            while steps:
                name, step = steps.pop(0)
                try:
                    async with asyncio.timeout(_STEP_TIMEOUT):
                        await step(channel)
                except (AMQPChannelError, TimeoutError) as problem:
                    if link.lost.done():
                        raise
                    found.problems.setdefault(name, explain(problem))
                    break
    return found


def _steps(topology: Topology, found: Declared) -> Iterator[tuple[str, Step]]:
    for exchange in exchanges_of(topology):
        yield exchange.name, partial(_declare_exchange, exchange)
    for queue in queues_of(topology):
        yield queue.name, partial(_declare_queue, queue, found)
        for source, routing_key in queue.bindings:
            yield queue.name, partial(_bind, queue.name, source, routing_key)


async def _declare_exchange(exchange: DeclaredExchange, channel: Channel) -> None:
    await channel.exchange_declare(exchange=exchange.name, exchange_type=exchange.type, durable=True)


async def _declare_queue(queue: DeclaredQueue, found: Declared, channel: Channel) -> None:
    answer = await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    found.depths[queue.name] = (answer.message_count or 0, answer.consumer_count or 0)


async def _bind(queue: str, exchange: str, routing_key: str, channel: Channel) -> None:
    await channel.queue_bind(queue, exchange, routing_key)
