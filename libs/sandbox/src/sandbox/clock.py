"""A clock whose pace can be changed, so that four hours pass in a test; it rules delays, never timestamps."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The real time in UTC; payloads and signatures carry it, whatever the pace of the sandbox's clock."""
    return datetime.now(UTC)


def second() -> datetime:
    """Now in UTC to the second: Shopify's times carry no fractions, so two changes can share one `updated_at`."""
    return utc_now().replace(microsecond=0)


class Clock:
    """Sandbox seconds since start: `speed` of them pass in one real second."""

    def __init__(self) -> None:
        self.speed = 1.0
        self._at_anchor = 0.0
        self._anchor = time.monotonic()
        self._changed = asyncio.Event()
        self._timers: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Sandbox seconds since the sandbox started."""
        return self._at_anchor + (time.monotonic() - self._anchor) * self.speed

    def set(self, speed: float | None = None, advance: float = 0.0) -> None:
        """Change the pace and jump forward by `advance` sandbox seconds; everyone who sleeps notices."""
        self._at_anchor = self.now() + advance
        self._anchor = time.monotonic()
        if speed is not None:
            self.speed = speed
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def sleep_until(self, moment: float) -> None:
        """Return once `now()` has reached `moment`, also when the pace changes meanwhile."""
        while (left := moment - self.now()) > 0:
            changed = self._changed
            try:
                async with asyncio.timeout(left / self.speed if self.speed > 0 else None):
                    await changed.wait()
            except TimeoutError:
                continue

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of sandbox time."""
        await self.sleep_until(self.now() + seconds)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` in `seconds` of sandbox time; at once when there is nothing to wait for."""
        if seconds <= 0:
            act()
            return

        async def wait() -> None:
            await self.sleep(seconds)
            act()

        task = asyncio.get_running_loop().create_task(wait())
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    @property
    def pending(self) -> int:
        """How many calls of `after` still wait."""
        return len(self._timers)

    def cancel_all(self) -> None:
        """Forget every call that still waits."""
        for task in list(self._timers):
            task.cancel()
        self._timers.clear()
