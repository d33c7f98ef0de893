"""A process that turns imports until none is left, and says once a second how many orders it saw and its memory in KB.

In place of the other services it answers that nothing can be matched, and drops what would be published.
"""

import asyncio
import sys
import time
from uuid import UUID

import psutil
from sqlalchemy import text

from crossdock.channels.addresses import allow_private
from crossdock.channels.http import close_client
from crossdock.channels.protocols import ChannelAccess
from crossdock.service.app import Context
from crossdock.service.health import Health
from crossdock.service.runs import worker
from crossdock.storage.engine import Database
from order_ingest.runs import RUNS
from order_ingest.settings import Settings

ANSWER = text("""
    UPDATE orders SET progress = progress
        || '{"match": {"content_version": 1, "match_version": 1, "matched": false, "holds": []}}'
    WHERE order_id IN (SELECT order_id FROM in_flight)
""")
STATE = text("SELECT seen, state FROM run WHERE kind = 'backlog'")


class Access:
    """Every channel is one store of the sandbox."""

    def __init__(self, base_url: str) -> None:
        self._access = ChannelAccess(base_url, "token", {})

    async def channel(self, _: UUID) -> ChannelAccess:
        """How to reach it."""
        return self._access


async def main(database_url: str, store_url: str) -> None:
    allow_private("127.0.0.1")
    values = {"database_url": database_url, "broker_url": "x", "service_key": "k" * 32, "run_lease_seconds": 20}
    database = Database(database_url, "order-ingest")
    access = Access(store_url)
    context = Context(Settings.model_validate(values), database, access, Health())  # type: ignore[arg-type]
    told, state = 0.0, "running"
    while state in ("waiting", "running"):
        await worker.schedule(RUNS, context)
        if not await worker.turn(RUNS, "backlog", False, context):
            await worker.turn(RUNS, "backlog", True, context)
            await asyncio.sleep(0.1)
        async with context.transaction() as tx:
            await tx.run(ANSWER)
            await tx.run(text("DELETE FROM outbox"))
            [(seen, state)] = await tx.rows(STATE)
        if time.monotonic() > told + 1 or state not in ("waiting", "running"):
            told = time.monotonic()
            sys.stdout.write(f"{seen} {psutil.Process().memory_info().rss // 1024}\n")
            sys.stdout.flush()
    await close_client()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
