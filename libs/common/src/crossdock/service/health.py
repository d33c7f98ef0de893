"""Liveness: every loop has turned lately. Readiness: servers are there, and no consumer is paused."""

import time
from collections.abc import Callable

LIVE_SECONDS = 60.0
"""A loop that did not turn for so long, its idle time apart, is stuck: its longest step (a batch at the statement
time-out) is shorter."""


class Health:
    """Collects the beats of every loop, and the reasons for which the service is not ready."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._reasons: dict[str, Callable[[], str | None]] = {}

    def beat(self, loop: str, *, idle: float = 0.0) -> Callable[[], None]:
        """Register a loop that rests for `idle` seconds at each turn; call what is returned at every turn."""

        def turn() -> None:
            self._until[loop] = time.monotonic() + idle

        turn()
        return turn

    def ready_unless(self, name: str, reason: Callable[[], str | None]) -> None:
        """Register a check: None when all is well, else what is wrong in a few words."""
        self._reasons[name] = reason

    def stuck(self) -> list[str]:
        """Loops that have not turned for too long."""
        limit = time.monotonic() - LIVE_SECONDS
        return sorted(loop for loop, until in self._until.items() if until < limit)

    def unready(self) -> dict[str, str]:
        """What keeps the service from being ready, by the name of the check."""
        found = {name: reason() for name, reason in self._reasons.items()}
        return {name: reason for name, reason in found.items() if reason}
