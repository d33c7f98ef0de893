"""The baseline of the stage benchmark: the usual handler, one message, one session, one transaction.

Written and tuned as a competent team would: uvloop, a robust connection, prefetch 16 and as many database connections,
prepared statements (asyncpg caches them), rows locked in sorted order, publisher confirms, acknowledged last. It does
what `inventory.reserve_stock` does for a plain order: deduplicate, lock, reserve, record, publish.
"""

import argparse
import asyncio
import signal
from uuid import UUID

import aio_pika
import uvloop
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from crossdock.contracts.inventory import ReservedItem, StockReserved
from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.messaging.envelope import new_id

PREFETCH = 16
LOCATION = UUID("00000000-0000-7000-8000-000000000001")
DDL = """
    DROP SCHEMA IF EXISTS usual CASCADE;
    CREATE SCHEMA usual;
    CREATE TABLE usual.stock (sku text PRIMARY KEY, on_hand int NOT NULL, reserved int NOT NULL) WITH (fillfactor = 70);
    CREATE TABLE usual.reservation (id uuid PRIMARY KEY, order_id uuid NOT NULL, line_id text NOT NULL,
                                    sku text NOT NULL, quantity int NOT NULL);
    CREATE INDEX ON usual.reservation (order_id);
    CREATE TABLE usual.processed_message (message_id uuid PRIMARY KEY);
"""


class Base(DeclarativeBase):
    """Tables of schema `usual`."""

    __table_args__ = {"schema": "usual"}  # noqa: RUF012 - the form that SQLAlchemy documents


class Stock(Base):
    """What lies there of a SKU."""

    __tablename__ = "stock"
    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int]


class Reservation(Base):
    """Units of a SKU that are promised to an order line."""

    __tablename__ = "reservation"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID]
    line_id: Mapped[str]
    sku: Mapped[str]
    quantity: Mapped[int]


class ProcessedMessage(Base):
    """A message whose effect is there."""

    __tablename__ = "processed_message"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)


class Handler:
    """Reserves stock for one order at a time."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def reserve(self, message_id: UUID, event: OrderMatched) -> tuple[ReservedItem, ...]:
        """One session, one transaction. Raises IntegrityError for a message that came before."""
        wanted = wanted_of(event)
        async with self._sessions() as session, session.begin():
            session.add(ProcessedMessage(message_id=message_id))
            for sku, line_id, units in wanted:
                stock = (await session.execute(select(Stock).where(Stock.sku == sku).with_for_update())).scalar_one()
                if stock.on_hand - stock.reserved < units:
                    raise RuntimeError("the benchmark has stock enough")
                stock.reserved += units
                session.add(Reservation(order_id=event.order_id, line_id=line_id, sku=sku, quantity=units))
        return reserved_items(wanted)


class Consumer:
    """The callback of aio-pika around it."""

    def __init__(self, handler: Handler, events: AbstractExchange) -> None:
        self._handler = handler
        self._events = events

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Reserve, commit, publish, acknowledge (on leaving `process`)."""
        async with message.process(requeue=True):
            event = OrderMatched.model_validate_json(message.body)
            try:
                items = await self._handler.reserve(UUID(message.message_id), event)
            except IntegrityError:
                return  # a duplicate
            reserved = reserved_event(event, items)
            told = aio_pika.Message(
                reserved.model_dump_json().encode(),
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=str(new_id()),
                correlation_id=str(event.order_id),
                type=reserved.type,
            )
            await self._events.publish(told, routing_key=reserved.type)


def wanted_of(event: OrderMatched) -> list[tuple[str, str, int]]:
    """SKU, line and units, sorted: rows are locked in one order."""
    return sorted((line.components[0].sku, line.line_id, line.wanted) for line in event.lines)


def reserved_items(wanted: list[tuple[str, str, int]]) -> tuple[ReservedItem, ...]:
    """What was reserved, as the event tells it."""
    return tuple(
        ReservedItem(line_id=line_id, sku=sku, location_id=LOCATION, quantity=units) for sku, line_id, units in wanted
    )


def reserved_event(event: OrderMatched, items: tuple[ReservedItem, ...]) -> StockReserved:
    """The answer to a match."""
    return StockReserved(
        order_id=event.order_id,
        content_version=event.content_version,
        match_version=event.match_version,
        reservation_version=0,
        items=items,
    )


async def run(database_url: str, broker_url: str, queue_name: str) -> None:
    """Consume until SIGTERM."""
    engine = create_async_engine(database_url, pool_size=PREFETCH, max_overflow=0)
    # One flush at the commit, as autoflush off is recommended for such handlers; it saves two round trips.
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    connection = await aio_pika.connect_robust(broker_url)
    async with connection:
        consuming, publishing = await connection.channel(), await connection.channel(publisher_confirms=True)
        await consuming.set_qos(prefetch_count=PREFETCH)
        queue = await consuming.declare_queue(queue_name, passive=True)
        await queue.consume(Consumer(Handler(sessions), await publishing.get_exchange("events")).handle)
        await stopped.wait()
    await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--database-url", "--broker-url", "--queue"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    uvloop.run(run(given.database_url, given.broker_url, given.queue))
