"""A process of its own that says when it is ready, and when told to go schedules and turns runs for some seconds; each
run notes who turned it."""

import asyncio
import os
import random
import sys
import time
from types import SimpleNamespace
from uuid import UUID

from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.health import Health
from crossdock.service.runs import worker
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, ChannelRow, Failure, Kind, Runs, Turn
from crossdock.service.runs.schedule import Schedule
from crossdock.storage.engine import Database

SETTINGS = SimpleNamespace(
    run_channels=4, run_lease_seconds=60.0, run_retry_seconds=5.0, run_gap_seconds=60.0, run_days=14
)
SECONDS = 10.0


async def channels(_: Tx) -> list[ChannelRow]:
    return [ChannelRow(UUID(int=7), "shopify", "Main", True)]


async def turn(job: Job) -> Turn:
    await job.save(1, failures=[Failure(str(os.getpid()), "turned it")])
    return DONE


async def look(url: str) -> None:
    kind = Kind("orders", "orders", "", "", object, turn, lambda _: Schedule(every_seconds=2))
    runs = Runs((kind,), channels)
    context = Context(SETTINGS, Database(url, "sku-matcher"), None, Health())  # type: ignore[arg-type]
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        await worker.schedule(runs, context)
        await worker.turn(runs, "orders", False, context)
        await asyncio.sleep(random.random() / 10)
    await context.database.close()


if __name__ == "__main__":
    asyncio.run(look(sys.argv[1]))
