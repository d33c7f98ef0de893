"""Sends signed webhooks as the real senders do: not in order, at least once, retried with the same id and body."""

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import httpx

from sandbox.clock import Clock, utc_now

CONNECT_SECONDS = 1.0
REPLY_SECONDS = 5.0
KEPT_DELIVERIES = 20_000
# Eight retries within four hours, each wait twice the one before: 14,400 s / (2**8 - 1) is the first.
RETRY_SECONDS = [14_400 / 255 * 2**n for n in range(8)]

Sign = Callable[[bytes, datetime], dict[str, str]]


@dataclass
class Attempt:
    """One HTTP request of a delivery: `outcome` is the status code, or what went wrong instead of a reply."""

    at: str
    outcome: int | str
    signed_with: str


@dataclass
class Delivery:
    """One webhook on its way. `state`: queued, held, sending, retrying, delivered, failed, dropped."""

    id: str
    source: str
    topic: str
    subject: str
    url: str
    body: bytes
    headers: dict[str, str]
    sign: Sign
    on_failed: Callable[[], None] | None = None
    state: str = "queued"
    duplicate_of: str | None = None
    number: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    def summary(self, with_body: bool = False) -> dict[str, Any]:
        """What `/_control/deliveries` shows."""
        shown: dict[str, Any] = {
            "number": self.number,
            "webhook_id": self.id,
            "source": self.source,
            "topic": self.topic,
            "subject": self.subject,
            "url": self.url,
            "state": self.state,
            "duplicate_of": self.duplicate_of,
            "attempts": [asdict(attempt) for attempt in self.attempts],
        }
        if with_body:
            shown |= {"body": self.body.decode(), "headers": self.headers}
        return shown


@dataclass
class Misbehaviour:
    """How deliveries of one source go wrong. Seconds are sandbox seconds; rates lie between 0 and 1."""

    duplicate_rate: float = 0.0
    duplicate_next: int = 0
    drop_rate: float = 0.0
    drop_next: int = 0
    delay: float = 0.0
    delay_jitter: float = 0.0
    reorder: int = 0
    sign_with: str = "current"  # or "old", "wrong"
    paused: bool = False


class Courier:
    """Queue and senders of every webhook of the sandbox."""

    def __init__(self, clock: Clock, rng: random.Random, concurrency: int = 32) -> None:
        self.clock = clock
        self.rng = rng
        self.paused = False
        self.misbehaviour: dict[str, Misbehaviour] = {}
        self.deliveries: dict[int, Delivery] = {}
        self._numbers = itertools.count(1)
        self._waiting: deque[Delivery] = deque()
        self._held: dict[str, list[Delivery]] = {}
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(REPLY_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrency),
            follow_redirects=False,
            trust_env=False,
        )

    def of(self, source: str) -> Misbehaviour:
        """The misbehaviour of one source, such as `shopify:one.example.com` or `3pl:main`."""
        return self.misbehaviour.setdefault(source, Misbehaviour())

    def send(self, delivery: Delivery) -> Delivery:
        """Queue one webhook; what the source's misbehaviour says happens to it."""
        how = self.of(delivery.source)
        self._register(delivery)
        if how.drop_next > 0 or self.rng.random() < how.drop_rate:
            how.drop_next = max(0, how.drop_next - 1)
            delivery.state = "dropped"
            return delivery
        queued = [delivery]
        if how.duplicate_next > 0 or self.rng.random() < how.duplicate_rate:
            how.duplicate_next = max(0, how.duplicate_next - 1)
            queued.append(self._copy(delivery))
        for one in queued:
            if how.reorder > 0:
                self._hold(one, how.reorder)
            else:
                self._queue(one)
        return delivery

    def again(self, number: int) -> Delivery:
        """Deliver a stored webhook once more, with its id and body unchanged, as a late retry would."""
        copy = self._copy(self.deliveries[number])
        self._queue(copy)
        return copy

    def release(self, source: str | None = None) -> None:
        """Deliver what `reorder` holds back, the newest first."""
        for name in [source] if source is not None else list(self._held):
            for delivery in reversed(self._held.pop(name, [])):
                self._queue(delivery)

    def resume(self) -> None:
        """Send what queued up while deliveries were paused."""
        waiting, self._waiting = self._waiting, deque()
        for delivery in waiting:
            self._queue(delivery)

    @property
    def busy(self) -> dict[str, int]:
        """How many webhooks are on their way (retries that wait included), held back, or paused."""
        return {
            "in_flight": len(self._tasks),
            "held": sum(len(held) for held in self._held.values()),
            "paused": len(self._waiting),
        }

    def reset(self) -> None:
        """Forget every webhook and all misbehaviour."""
        for task in list(self._tasks):
            task.cancel()
        self._tasks.clear()
        self._waiting.clear()
        self._held.clear()
        self.deliveries.clear()
        self.misbehaviour.clear()
        self.paused = False

    async def close(self) -> None:
        """Stop sending and close the connections."""
        tasks = list(self._tasks)
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _register(self, delivery: Delivery) -> None:
        delivery.number = next(self._numbers)
        self.deliveries[delivery.number] = delivery
        self.deliveries.pop(delivery.number - KEPT_DELIVERIES, None)

    def _copy(self, of: Delivery) -> Delivery:
        copy = Delivery(of.id, of.source, of.topic, of.subject, of.url, of.body, of.headers, of.sign, of.on_failed)
        copy.duplicate_of = f"#{of.number}"
        self._register(copy)
        return copy

    def _hold(self, delivery: Delivery, size: int) -> None:
        delivery.state = "held"
        held = self._held.setdefault(delivery.source, [])
        held.append(delivery)
        if len(held) >= size:
            self.release(delivery.source)

    def _queue(self, delivery: Delivery) -> None:
        if self.paused or self.of(delivery.source).paused:
            delivery.state = "queued"
            self._waiting.append(delivery)
            return
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        how = self.of(delivery.source)
        if how.delay or how.delay_jitter:
            await self.clock.sleep(how.delay + self.rng.random() * how.delay_jitter)
        for wait in [*RETRY_SECONDS, None]:
            if await self._attempt(delivery):
                delivery.state = "delivered"
                return
            if wait is not None:
                delivery.state = "retrying"
                await self.clock.sleep(wait)
        delivery.state = "failed"
        if delivery.on_failed is not None:
            delivery.on_failed()

    async def _attempt(self, delivery: Delivery) -> bool:
        async with self._slots:
            delivery.state = "sending"
            at = utc_now()
            outcome: int | str
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    reply = await self._client.post(
                        delivery.url,
                        content=delivery.body,
                        headers=delivery.headers | delivery.sign(delivery.body, at),
                    )
                outcome = reply.status_code
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                outcome = type(error).__name__
        delivery.attempts.append(Attempt(at.isoformat(), outcome, self.of(delivery.source).sign_with))
        return isinstance(outcome, int) and 200 <= outcome < 300
