"""A run in the hands of one process: what was done is saved with the place, in one transaction, under the run's token.

Guards: a process that lost its run saves nothing any more, whatever it was about to write.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from crossdock.channels.errors import Retryable
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.registry import connector
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.runs import store
from crossdock.service.runs.model import Failure, Kind, Run, Tally, Turn

SAVING_ATTEMPTS = 5
"""How often a page is saved again when others write the same records at the same moment."""

T = TypeVar("T")
Apply = Callable[[Tx], Awaitable[Tally]]
log = logging.getLogger(__name__)


class LostRun(Exception):
    """Another process has taken the run since."""


async def nothing(_: Tx) -> Tally:
    """Saves the place and nothing else."""
    return Tally()


class Job:
    """A run that this process holds. `cursor` and `tally` are as saved; `stopping`: somebody wants it to stop."""

    def __init__(self, context: Context, kind: Kind, run: Run, token: UUID) -> None:
        self.context = context
        self.kind = kind
        self.run = run
        self.token = token
        self.cursor = run.cursor
        self.tally = run.tally
        self.stopping = run.stop_requested
        self.deadline: float = time.monotonic() + context.settings.run_lease_seconds / 2

    @property
    def seconds_left(self) -> float:
        """Of this turn: half a lease from its begin."""
        return max(self.deadline - time.monotonic(), 0.0)

    async def ask(self, read: Callable[[Any, ChannelAccess], Awaitable[T]]) -> T:
        """What the run's channel answers to a read (of its connector and access) within the turn. Raises ChannelError;
        an answer that does not come is Retryable."""
        access = await self.context.access.channel(self.run.channel_id)
        try:
            async with asyncio.timeout(self.seconds_left):
                return await read(connector(self.run.channel_kind), access)
        except TimeoutError:
            raise Retryable("The channel did not answer in time") from None

    async def save(
        self, cursor: Any, apply: Apply = nothing, *, failures: Sequence[Failure] = (), expected: int | None = None
    ) -> Tally:
        """Apply changes and keep the place, together or not at all; returns what was done. Raises LostRun, and what the
        database raises."""
        for attempt in range(1, SAVING_ATTEMPTS + 1):
            try:
                async with self.context.transaction() as tx:
                    return await self._save(tx, cursor, apply, failures, expected)
            except Exception as error:
                if judge(error) is not Verdict.RERUN or attempt == SAVING_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _save(
        self, tx: Tx, cursor: Any, apply: Apply, failures: Sequence[Failure], expected: int | None
    ) -> Tally:
        stopping = await store.hold(tx, self.run.run_id, self.token)
        if stopping is None:
            raise LostRun
        done = await apply(tx) + Tally(seen=len(failures), failed=len(failures))
        await store.save(tx, self.run.run_id, cursor, done, expected, self.context.settings.run_lease_seconds)
        room = max(store.KEPT_ERRORS - self.tally.failed, 0)
        if kept := failures[:room]:
            await store.note_errors(tx, self.run.run_id, kept)
        self.cursor, self.tally, self.stopping = cursor, self.tally + done, self.stopping or stopping
        return done

    async def take(
        self,
        records: Sequence[T],
        apply: Callable[[Tx, Sequence[T]], Awaitable[Tally]],
        cursor: Any,
        *,
        name: Callable[[T], str],
        failures: Sequence[Failure] = (),
        expected: int | None = None,
    ) -> Tally:
        """Apply records together; when that fails because of one of them, each alone, so that a bad one harms no other.
        The place moves with the last of them."""
        try:
            return await self.save(cursor, lambda tx: apply(tx, records), failures=failures, expected=expected)
        except Exception as error:
            if judge(error) is not Verdict.MESSAGE or not records:
                raise
        done, bad = Tally(), list(failures)
        for record in records:
            try:
                done += await self.save(self.cursor, partial(_alone, apply, record))
            except Exception as error:
                if judge(error) is not Verdict.MESSAGE:
                    raise
                log.exception("run %s could not store %s", self.run.run_id, name(record))
                bad.append(Failure(name(record), f"It could not be stored: {explain(error)}"))
        return done + await self.save(cursor, failures=bad, expected=expected)

    async def turn(self) -> Turn:
        """One turn of the run, with signs of life meanwhile. Raises LostRun, and what the kind's turn raises."""
        work = asyncio.ensure_future(self.kind.turn(self))
        beats = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({work, beats}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise LostRun
            return work.result()
        finally:
            for task in (work, beats):
                task.cancel()
            await asyncio.gather(work, beats, return_exceptions=True)

    async def _beat(self) -> None:
        """Returns when the run is lost."""
        lease = self.context.settings.run_lease_seconds
        while True:
            await asyncio.sleep(lease / 3)
            try:
                async with self.context.transaction() as tx:
                    stopping = await store.beat(tx, self.run.run_id, self.token, lease)
            except Exception as error:
                log.warning("run %s could not give a sign of life: %s", self.run.run_id, explain(error))
                continue
            if stopping is None:
                return
            self.stopping = self.stopping or stopping


async def _alone(apply: Callable[[Tx, Sequence[T]], Awaitable[Tally]], record: T, tx: Tx) -> Tally:
    return await apply(tx, [record])
