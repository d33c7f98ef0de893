"""A batch in one transaction, and the failure ladder: `settle` returns when every message has a committed fate —
applied, duplicate, scheduled for another attempt, or parked — and raises Paused when none can be committed."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Collection, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from crossdock.messaging import faults, inbox, outbox, parked, suspects
from crossdock.messaging.consumer import Handler
from crossdock.messaging.envelope import Incoming, Received, Undecodable, again, decode, made_at
from crossdock.messaging.failures import RETRY_AFTER_SECONDS, FailingRun, Paused, Poison, Verdict, explain, judge
from crossdock.messaging.parked import ToPark, frames_of
from crossdock.messaging.topology import queue_name
from crossdock.messaging.transaction import transaction
from crossdock.service import telemetry
from crossdock.storage.engine import Database

POISON_RERUNS = 3
"""How often a batch is run again without the message that its handler named, before its members go one by one."""

ACCIDENT_RERUNS = 5
"""How often a deadlocked batch is run again before the consumer pauses."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Window(NamedTuple):
    """Message ids are UUIDv7: those made outside this span have no inbox partition. Seconds before and after now."""

    past: float
    future: float


class Suspects(NamedTuple):
    """Ids of messages with which a process may have died: those that may still run in company, and those that run
    alone because a process died with them in company."""

    together: set[str]
    alone: set[str]


class BatchProcessor:
    """Runs one handler's batches."""

    def __init__(
        self,
        database: Database,
        handler: Handler,
        *,
        window: Window,
        retry_after: Sequence[float] = RETRY_AFTER_SECONDS,
    ) -> None:
        self.handler = handler
        self.queue = queue_name(database.service, handler.name)
        self._database = database
        self._accepted = handler.accepted()
        self._window = window
        self._retry_after = retry_after
        self._failing = FailingRun()

    async def settle(self, messages: Sequence[Incoming]) -> None:
        """Give every message its fate. Raises Paused, and then some may be without one: they must be offered again."""
        started = time.perf_counter()
        members, unreadable = self._decode(messages)
        with telemetry.batch(self.queue, members) as outcome:
            await self._attempt(members, unreadable)
            outcome.done(len(messages), time.perf_counter() - started)

    async def settle_suspects(self, messages: Sequence[Incoming]) -> None:
        """Settle readable messages with which a process may have died, under marks; one that was alone with three
        deaths is parked. Raises Paused."""
        members = {member.message_id: member for member in self._decode(messages)[0]}
        deaths = await self._guarded(self._mark(members))
        killers = [member for id_, member in members.items() if deaths[id_] >= suspects.IN_COMPANY + suspects.DEATHS]
        for member in killers:
            await self._run_again_after_accidents([], [_killer(member)])
        blamed = {member.message_id for member in killers}
        await self.settle([member.raw for id_, member in members.items() if id_ not in blamed])
        await self._guarded(self._clear(members))

    async def suspects(self, messages: Sequence[Incoming]) -> Suspects:
        """Which of these messages, delivered before, have no effect yet, by how they are to run. Raises Paused."""
        ids = {member.message_id for member in self._decode(messages)[0]}
        return await self._guarded(self._suspects(ids))

    async def _suspects(self, ids: set[UUID]) -> Suspects:
        async with transaction(self._database) as tx:
            done = await suspects.done(tx, self.handler.name, ids)
            if done:
                await suspects.clear(tx, self.handler.name, done)
            open_ = ids - done
            alone = await suspects.marked(tx, self.handler.name, open_)
        return Suspects({str(one) for one in open_ - alone}, {str(one) for one in alone})

    async def _mark(self, ids: Collection[UUID]) -> dict[UUID, int]:
        async with transaction(self._database) as tx:
            return await suspects.mark(tx, self.handler.name, ids)

    async def _clear(self, ids: Collection[UUID]) -> None:
        async with transaction(self._database) as tx:
            await suspects.clear(tx, self.handler.name, ids)

    async def _guarded(self, step: Awaitable[T]) -> T:
        """The runtime's own statements: whatever goes wrong with them is an outage."""
        try:
            return await step
        except Exception as error:
            raise Paused(explain(error)) from error

    def _decode(self, messages: Sequence[Incoming]) -> tuple[list[Received], list[ToPark]]:
        members: dict[int, Received] = {}
        unreadable = []
        now = time.time()
        for message in messages:
            try:
                received = decode(message, self._accepted)
                if not now - self._window.past < made_at(received.message_id) < now + self._window.future:
                    raise Undecodable("the message id was made outside the days that the inbox keeps")
                members.setdefault(received.message_id.int, received)
            except Undecodable as problem:
                unreadable.append(ToPark(message, str(problem)))
        return list(members.values()), unreadable

    async def _attempt(self, members: list[Received], to_park: list[ToPark]) -> None:
        """The whole batch; without the poison that its handler names; at last each member by itself."""
        for _ in range(POISON_RERUNS + 1):
            try:
                await self._run_again_after_accidents(members, to_park)
                return
            except Poison as poison:
                named = [member for member in members if member.event is poison.event]
                members = [member for member in members if member.event is not poison.event]
                to_park = to_park + [_parked(member, poison) for member in named]
            except Paused:
                raise
            except Exception as error:
                if len(members) == 1 and not to_park:
                    await self._fail(members[0], error)
                    return
                break
        for parked_one in to_park:
            await self._run_again_after_accidents([], [parked_one])
        for member in members:
            await self._alone(member)

    async def _alone(self, member: Received) -> None:
        try:
            await self._run_again_after_accidents([member], [])
        except Poison as poison:
            await self._run_again_after_accidents([], [_parked(member, poison)])
        except Paused:
            raise
        except Exception as error:
            await self._fail(member, error)

    async def _run_again_after_accidents(self, members: Sequence[Received], to_park: Sequence[ToPark]) -> None:
        for attempt in range(ACCIDENT_RERUNS):
            try:
                await self._run(members, to_park)
                return
            except Poison:
                raise
            except Exception as error:
                match judge(error):
                    case Verdict.PAUSE:
                        raise Paused(explain(error)) from error
                    case Verdict.MESSAGE:
                        raise
                    case Verdict.RERUN:
                        log.info("%s: batch runs again after %s", self.queue, explain(error))
                        await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads load, hides nothing
        raise Paused(f"{ACCIDENT_RERUNS} runs in a row met a deadlock")

    async def _run(self, members: Sequence[Received], to_park: Sequence[ToPark]) -> None:
        """One transaction: claim, handle, park, outbox, commit."""
        async with transaction(self._database, members) as tx:
            ids = [member.message_id for member in members]
            await faults.point("before_claim")
            fresh = await inbox.claim(tx, self.handler.name, ids) if ids else set()
            events = [member.event for member in members if member.message_id in fresh]
            if events:
                await self.handler.function(events, tx)
                await faults.point("after_handler")
            if to_park:
                await parked.park(tx, self.handler.name, self.queue, to_park)
        await faults.point("after_commit")
        if events:
            self._failing.success()
        for one in to_park:
            telemetry.parked(self.queue)
            log.warning("%s: parked a message of type %s: %s", self.queue, one.message.type, one.reason)

    async def _fail(self, member: Received, error: Exception) -> None:
        """A message failed alone: another attempt later, or parked after the last one."""
        if self._failing.failure(member.origin_id):
            raise Paused(f"different messages fail one after the other, the last with {explain(error)}") from error
        exhausted = member.attempt >= len(self._retry_after)
        async with transaction(self._database) as tx:
            if not await inbox.claim(tx, self.handler.name, [member.message_id]):
                return
            if exhausted:
                await parked.park(tx, self.handler.name, self.queue, [_parked(member, error)])
            else:
                wait = self._retry_after[member.attempt] * random.uniform(1, 1.2)  # noqa: S311 - jitter only extends
                later = again(member.raw, queue=self.queue, attempt=member.attempt + 1, origin_id=member.origin_id)
                await outbox.schedule(tx, [later], [wait])
        telemetry.failed(self.queue, exhausted=exhausted)
        log.warning(
            "%s: message %s failed (attempt %d): %s; %s",
            self.queue,
            member.message_id,
            member.attempt,
            explain(error),
            "parked" if exhausted else "runs again later",
        )


def _killer(member: Received) -> ToPark:
    reason = f"the process died {suspects.DEATHS} times while it handled this message alone"
    return ToPark(member.raw, reason, "", member.origin_id, member.attempt)


def _parked(member: Received, error: Exception) -> ToPark:
    trace = "" if isinstance(error, Poison) else frames_of(error)
    return ToPark(member.raw, explain(error), trace, member.origin_id, member.attempt)
