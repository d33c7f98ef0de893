"""The group commit: deliveries that arrive together are stored together, each with its message or not at all.

Invariant: `store` returns only after COMMIT. A delivery that cannot be stored fails alone.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.parked import frames_of
from crossdock.messaging.transaction import single_statement
from crossdock.storage.engine import Database
from gateway import metrics, store
from gateway.domain.deliveries import Delivery

GROUP_ROWS = 200
GROUP_BYTES = 8 * 2**20
FLIGHTS = 2
"""Group commits in flight: while one waits for the disk, the next is sent."""

log = logging.getLogger(__name__)


class DatabaseAway(Exception):
    """Nothing was stored: the database cannot be reached, or does not answer in time."""


class Unstorable(Exception):
    """This one delivery is refused by the database; its text says why without values."""


@dataclass(slots=True, eq=False)
class _Waiting:
    delivery: Delivery
    message: Outgoing | None
    stored: "asyncio.Future[None]" = field(repr=False)


class GroupCommit:
    """Collects what is waiting, without lingering, and commits it; a flight ends when nothing waits."""

    def __init__(self, database: Database, *, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._flights: set[asyncio.Task[None]] = set()
        self._flying = 0

    async def store(self, delivery: Delivery, message: Outgoing | None) -> None:
        """Store a delivery and the message that tells of it; one that came before is stored already.

        Raises DatabaseAway or Unstorable.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(delivery, message, loop.create_future())
        self._waiting.append(waiting)
        if self._flying < FLIGHTS:
            self._flying += 1
            flight = asyncio.create_task(self._fly(), name="group commit")
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        # A flight's own time-out is not enough: giving up a connection that hangs takes the driver seconds more.
        too_late = loop.call_later(self._seconds, _settle, waiting, DatabaseAway("no answer in time"))
        try:
            await waiting.stored
        finally:
            too_late.cancel()

    async def _fly(self) -> None:
        """Commit until nothing waits. `_flying` falls in the same turn of the loop in which nothing waited: whoever
        comes after that starts the next flight, and is never left behind by one that is about to end."""
        try:
            while self._waiting:
                group = self._take()
                try:
                    if group:
                        await self._store(group)
                except Exception as error:
                    self._fail([*group, *self._waiting], error)
                    self._waiting.clear()
        finally:
            self._flying -= 1

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < GROUP_ROWS:
            size += len(self._waiting[0].delivery.body)
            if group and size > GROUP_BYTES:
                break
            waiting = self._waiting.popleft()
            if not waiting.stored.done():
                group.append(waiting)
        return group

    async def _store(self, group: list[_Waiting]) -> None:
        try:
            await self._commit(group)
        except Exception as error:
            if judge(error) is not Verdict.MESSAGE:
                raise
            await self._store_each(group)

    async def _store_each(self, group: list[_Waiting]) -> None:
        """One of them is refused by the database: let it not harm the others."""
        for waiting in group:
            try:
                await self._commit([waiting])
            except Exception as error:
                if judge(error) is not Verdict.MESSAGE:
                    raise
                about = (waiting.delivery.channel_id, explain(error), frames_of(error))
                log.error("a delivery of channel %s cannot be stored: %s\n%s", *about)
                _settle(waiting, Unstorable(explain(error)))

    async def _commit(self, group: list[_Waiting]) -> None:
        """Commit, once more after a deadlock or a lost connection: the key makes a second time harmless."""
        deliveries = [waiting.delivery for waiting in group]
        messages = [waiting.message for waiting in group if waiting.message is not None]
        began = time.perf_counter()
        async with asyncio.timeout(self._seconds):
            try:
                fresh = await self._record(deliveries, messages)
            except Exception as error:
                if judge(error) is Verdict.MESSAGE:
                    raise
                fresh = await self._record(deliveries, messages)
        metrics.group_seconds.record(time.perf_counter() - began)
        metrics.group_size.record(len(group))
        for category, number in Counter(delivery.category for delivery in deliveries).items():
            metrics.accepted.add(number, {"category": category})
        metrics.duplicates.add(len(group) - fresh)
        for waiting in group:
            _settle(waiting, None)

    async def _record(self, deliveries: list[Delivery], messages: list[Outgoing]) -> int:
        async with single_statement(self._database) as tx:
            return await store.record(tx, deliveries, messages)

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        log.warning("%d deliveries are sent back with 503: %s", len(group), explain(error))
        for waiting in group:
            _settle(waiting, DatabaseAway(explain(error)))


def _settle(waiting: _Waiting, error: Exception | None) -> None:
    if waiting.stored.done():
        return
    if error is None:
        waiting.stored.set_result(None)
    else:
        waiting.stored.set_exception(error)
