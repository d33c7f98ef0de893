"""What a failure means: the message's fault, an accident worth one more run, or an outage that pauses the consumer."""

from enum import Enum
from uuid import UUID

import asyncpg

from crossdock.contracts.base import Event

RETRY_AFTER_SECONDS = (1, 5, 30, 120, 600)
"""The wait before each further attempt of a message that failed alone; after the last one it is parked."""

FAILING_RUN = 10
"""So many different messages failing with no success between them are not to blame: the consumer pauses."""

MESSAGE_CLASSES = ("21", "22", "23", "54")
"""SQLSTATE classes that speak of the data: cardinality, data exception, integrity, program limit exceeded."""

RERUN_STATES = ("40001", "40P01")
"""Serialization failure and deadlock: the batch is run again."""


class Poison(Exception):
    """Raised by a handler to name one message that can never succeed; it is parked and the others are run again.

    `reason` is one sentence for the operator, without personal data.
    """

    def __init__(self, event: Event, reason: str) -> None:
        super().__init__(reason)
        self.event = event
        self.reason = reason


class RunAgain(Exception):
    """Raised where two transactions met at a row that neither could lock, because it was not there: the batch runs
    again and finds it."""


class Paused(Exception):
    """No fate could be committed: the consumer waits and probes. Its text says why."""


class Verdict(Enum):
    """Whom a failure counts against."""

    MESSAGE = "message"
    RERUN = "rerun"
    PAUSE = "pause"


def judge(error: BaseException) -> Verdict:
    """Decide what an exception out of a batch means.

    A database error counts against the message only when its SQLSTATE speaks of the data; a missing partition (23514
    without a constraint name) does not. Every other database error, and a lost connection, is an outage.
    """
    if isinstance(error, RunAgain | asyncpg.InvalidCachedStatementError):
        return Verdict.RERUN
    if not isinstance(error, asyncpg.PostgresError):
        return Verdict.PAUSE if isinstance(error, OSError | asyncpg.InterfaceError) else Verdict.MESSAGE
    state = sqlstate(error) or ""
    if state in RERUN_STATES:
        return Verdict.RERUN
    if state == "23514" and not _constraint(error):
        return Verdict.PAUSE
    return Verdict.MESSAGE if state[:2] in MESSAGE_CLASSES else Verdict.PAUSE


def sqlstate(error: BaseException) -> str | None:
    """The five-letter SQLSTATE of a database error, or None where the server did not answer."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def _constraint(error: BaseException) -> str | None:
    name = getattr(error, "constraint_name", None)
    return name if isinstance(name, str) else None


def explain(error: BaseException) -> str:
    """A failure in one sentence, without the values that the database quotes in its details."""
    if isinstance(error, Poison | Paused | RunAgain):
        return str(error)
    if state := sqlstate(error):
        constraint = _constraint(error)
        about = f", constraint {constraint}" if constraint else ""
        return f"{type(error).__name__}: SQLSTATE {state}{about}"
    return type(error).__name__


class FailingRun:
    """The different messages that failed since the last success."""

    def __init__(self, limit: int = FAILING_RUN) -> None:
        self._limit = limit
        self._origins: set[UUID] = set()

    def success(self) -> None:
        """Something worked: whatever fails now is to blame itself."""
        self._origins.clear()

    def failure(self, origin_id: UUID) -> bool:
        """Count a message; True when the run is so long that no message should be blamed."""
        if len(self._origins) < self._limit:
            self._origins.add(origin_id)
        return len(self._origins) >= self._limit
