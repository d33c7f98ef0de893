"""A baseline of the stage benchmark: FastStream, one message, one SQLAlchemy session, one transaction.

What it does for a message is `usual_handler.Handler`; FastStream reads, validates, dispatches and acknowledges.
"""

import argparse
import asyncio
import logging
import signal
from uuid import UUID

import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from usual_handler import PREFETCH, Handler, reserved_event

from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.messaging.envelope import new_id


async def run(database_url: str, broker_url: str, queue_name: str) -> None:
    """Consume until SIGTERM."""
    engine = create_async_engine(database_url, pool_size=PREFETCH, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    broker = RabbitBroker(
        broker_url, default_channel=Channel(prefetch_count=PREFETCH, publisher_confirms=True), log_level=logging.WARNING
    )
    events = RabbitExchange("events", type=ExchangeType.TOPIC, declare=False)

    async def reserve(event: OrderMatched, message: RabbitMessage) -> None:
        try:
            items = await Handler(sessions).reserve(UUID(message.message_id), event)
        except IntegrityError:
            return  # a duplicate
        reserved = reserved_event(event, items)
        await broker.publish(
            reserved,
            exchange=events,
            routing_key=reserved.type,
            persist=True,
            message_id=str(new_id()),
            correlation_id=str(event.order_id),
            message_type=reserved.type,
        )

    broker.subscriber(RabbitQueue(queue_name, declare=False), ack_policy=AckPolicy.NACK_ON_ERROR)(reserve)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with broker:
        await broker.start()
        await stopped.wait()
    await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--database-url", "--broker-url", "--queue"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    uvloop.run(run(given.database_url, given.broker_url, given.queue))
