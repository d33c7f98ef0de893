"""The baselines of the webhook benchmark: the same process, server and signature check, and the usual thing after it.

`signature-only` stores nothing; `publish` hands the webhook to the broker and waits for the confirm; `row` commits one
row for each request. Only `row` absorbs a webhook that comes twice, and neither of the two does both: tell others and
remember.
"""

import os
from dataclasses import replace
from typing import Protocol

import aio_pika
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.types import Receive, Scope, Send

from crossdock.channels.model import Verified
from crossdock.contracts.gateway import OrdersWebhookReceived
from crossdock.messaging.envelope import new_id
from crossdock.service.app import Context, run
from gateway.main import service
from gateway.parts import parts_of
from gateway.webhooks import ACCEPTED, ACCEPTED_HEADERS, WebhookDoor, verified

POOL = 20
DDL = """
    DROP SCHEMA IF EXISTS usual_door CASCADE;
    CREATE SCHEMA usual_door;
    CREATE TABLE usual_door.delivery (id uuid PRIMARY KEY, channel_id uuid NOT NULL, delivery_id text NOT NULL,
                                      topic text NOT NULL, body bytea NOT NULL, UNIQUE (channel_id, delivery_id));
"""
INSERT = text("""
    INSERT INTO usual_door.delivery (id, channel_id, delivery_id, topic, body)
    VALUES (:id, :channel_id, :delivery_id, :topic, :body) ON CONFLICT (channel_id, delivery_id) DO NOTHING
""")


class Keeper(Protocol):
    """What a door does with a verified webhook before it answers."""

    async def keep(self, channel_id: object, about: Verified, body: bytes) -> None: ...


class Nothing:
    """Checks the signature, and that is all."""

    async def keep(self, channel_id: object, about: Verified, body: bytes) -> None:
        """Keeps nothing."""


class Publish:
    """One persistent message for each webhook, confirmed by the broker before the answer."""

    def __init__(self) -> None:
        self._exchange: aio_pika.abc.AbstractExchange | None = None

    async def keep(self, channel_id: object, about: Verified, body: bytes) -> None:
        """Publish and wait for the confirm."""
        if self._exchange is None:
            connection = await aio_pika.connect_robust(os.environ["BENCH_BROKER_URL"])
            channel = await connection.channel(publisher_confirms=True)
            self._exchange = await channel.get_exchange("internal")
        message = aio_pika.Message(
            body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(new_id()),
            type=OrdersWebhookReceived.type,
            headers={"topic": about.topic, "delivery_id": about.delivery_id, "channel_id": str(channel_id)},
        )
        await self._exchange.publish(message, routing_key=OrdersWebhookReceived.type)


class OneRow:
    """One row and one commit for each webhook."""

    def __init__(self) -> None:
        self._engine = create_async_engine(os.environ["BENCH_DATABASE_URL"], pool_size=POOL, max_overflow=0)

    async def keep(self, channel_id: object, about: Verified, body: bytes) -> None:
        """Insert and commit."""
        row = {"id": new_id(), "channel_id": channel_id, "delivery_id": about.delivery_id, "topic": about.topic}
        async with self._engine.begin() as connection:
            await connection.execute(INSERT, {**row, "body": body})


KEEPERS: dict[str, type[Keeper]] = {"signature-only": Nothing, "publish": Publish, "row": OneRow}


class UsualDoor(WebhookDoor):
    """Finds the channel, reads the body, checks the signature, keeps it in the usual way."""

    keeper: Keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        entry = self._entry(scope["path_params"], headers)
        chunks: list[bytes] = []
        await self._read(headers, receive, chunks)
        body = b"".join(chunks)
        self._held -= len(body)
        await self.keeper.keep(entry.channel_id, verified(entry, headers, body), body)
        await send({"type": "http.response.start", "status": 200, "headers": ACCEPTED_HEADERS})
        await send({"type": "http.response.body", "body": ACCEPTED})


def router(context: Context) -> APIRouter:
    """The one route."""
    parts = parts_of(context)
    settings = parts.settings
    door = UsualDoor(
        parts.directory,
        parts.commit,
        body_bytes=settings.webhook_body_bytes,
        memory_bytes=settings.webhook_memory_bytes,
    )
    door.keeper = KEEPERS[os.environ["BENCH_DOOR"]]()
    routes = APIRouter()
    routes.add_route("/webhooks/shopify", door, methods=["POST"])  # type: ignore[arg-type]
    return routes


if __name__ == "__main__":
    run(replace(service, router=router))
