"""A baseline of the stage benchmark: Dramatiq, one message, one SQLAlchemy session, one transaction, eight threads.

Does what `usual_handler` does; Dramatiq carries it in messages and queues of its own form, and works in threads, so
its session is the synchronous one over psycopg.
"""

import argparse
import signal
import threading
from collections.abc import Sequence
from uuid import UUID

import dramatiq
import pika  # type: ignore[import-untyped]
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from sqlalchemy import create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker
from usual_handler import ProcessedMessage, Reservation, Stock, reserved_event, reserved_items, wanted_of

from crossdock.contracts.sku_matcher import OrderMatched
from crossdock.messaging.envelope import new_id

THREADS = 8
ACTOR = "reserve_stock"


def fill(broker_url: str, queue: str, orders: Sequence[OrderMatched]) -> None:
    """Enqueue orders as Dramatiq's own producer does."""
    broker = RabbitmqBroker(url=broker_url, confirm_delivery=True)
    broker.declare_queue(queue, ensure=True)
    for order in orders:
        args = (str(new_id()), order.model_dump_json())
        broker.enqueue(dramatiq.Message(queue_name=queue, actor_name=ACTOR, args=args, kwargs={}, options={}))
    broker.close()


class Reserve:
    """What the actor does."""

    def __init__(self, sessions: sessionmaker[Session], broker: RabbitmqBroker) -> None:
        self._sessions = sessions
        self._broker = broker

    def work(self, message_id: str, body: str) -> None:
        """Reserve, commit, publish; Dramatiq acknowledges."""
        event = OrderMatched.model_validate_json(body)
        wanted = wanted_of(event)
        try:
            with self._sessions.begin() as session:
                session.add(ProcessedMessage(message_id=UUID(message_id)))
                for sku, line_id, units in wanted:
                    stock = session.execute(select(Stock).where(Stock.sku == sku).with_for_update()).scalar_one()
                    if stock.on_hand - stock.reserved < units:
                        raise RuntimeError("the benchmark has stock enough")
                    stock.reserved += units
                    session.add(Reservation(order_id=event.order_id, line_id=line_id, sku=sku, quantity=units))
        except IntegrityError:
            return  # a duplicate
        reserved = reserved_event(event, reserved_items(wanted))
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, message_id=str(new_id()), type=reserved.type
        )
        self._broker.channel.basic_publish("events", reserved.type, reserved.model_dump_json().encode(), properties)


def run(database_url: str, broker_url: str, queue: str) -> None:
    """Work until SIGTERM."""
    engine = create_engine(database_url, pool_size=THREADS, max_overflow=0)
    broker = RabbitmqBroker(url=broker_url, confirm_delivery=True)
    dramatiq.set_broker(broker)
    reserve = Reserve(sessionmaker(engine, expire_on_commit=False, autoflush=False), broker)
    dramatiq.actor(actor_name=ACTOR, queue_name=queue, broker=broker)(reserve.work)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    stopped.wait()
    worker.stop()
    broker.close()
    engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--database-url", "--broker-url", "--queue"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    run(given.database_url, given.broker_url, given.queue)
