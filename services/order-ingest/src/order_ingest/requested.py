"""Finding what merchants ask of our fulfillment service: a channel is asked which requests wait for an answer.

A notification of the channel only starts this sooner. An order with a request that is news is read with its routes, as
if a webhook had named it; what is answered then is decided where the order is judged.
"""

from collections.abc import Collection, Sequence
from functools import partial
from uuid import UUID

from crossdock.channels.serving import RequestSource, WaitingRequest, WaitingRequests
from crossdock.messaging.transaction import Tx
from crossdock.service.runs import store as run_store
from crossdock.service.runs.job import Job
from crossdock.service.runs.model import DONE, GOES_ON, Kind, Tally, Turn
from crossdock.service.runs.schedule import Schedule
from order_ingest.intake import take
from order_ingest.routes import reread
from order_ingest.store import channels, orders


async def turn(job: Job) -> Turn:
    """One page of what waits for an answer. Raises ChannelError."""
    async with job.context.transaction() as tx:
        place = await channels.service_location(tx, job.run.channel_id)
    if not place:
        return DONE
    page: WaitingRequests = await job.ask(lambda source, access: source.waiting_requests(access, place, job.cursor))
    async with job.context.transaction() as tx:
        known = await orders.asked(tx, job.run.channel_id, [one.order_external_id for one in page.requests])
    news = [one for one in page.requests if (one.order_external_id, one.route_id, one.request_id) not in known]
    await job.save(page.cursor, partial(_apply, job, len(page.requests), news))
    return DONE if page.cursor is None else GOES_ON


async def _apply(job: Job, seen: int, news: Sequence[WaitingRequest], tx: Tx) -> Tally:
    names = dict.fromkeys(one.order_external_id for one in news)
    await take(tx, [reread(job.run.channel_id, job.run.channel_kind, name) for name in names])
    return Tally(seen=seen, changed=len(news), unchanged=seen - len(news))


async def ask_now(tx: Tx, channel_ids: Collection[UUID]) -> None:
    """Let these channels be asked at once, unless that waits to be done already."""
    await run_store.queue_for(tx, REQUESTS, channel_ids, "notification")


REQUESTS = Kind(
    name="requests",
    lane="requests",
    origin="requests of {channel} to our fulfillment service",
    destination="orders of this hub",
    ability=RequestSource,
    wanted=lambda channel: channel.serviced,
    turn=turn,
    schedule=lambda settings: Schedule(every_seconds=settings.poll_seconds),
    longest_wait=lambda settings: float(settings.poll_seconds),
    patience=None,
)
