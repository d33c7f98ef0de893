"""What a promise is tested on: a running system with a market around it, and the checker's verdict."""

import asyncio
import os
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from crossdock.cli.stack import SERVICES
from crossdock.testing import checker
from crossdock.testing.checker import Verdict
from crossdock.testing.market import Background, Market, Sold, Traffic
from crossdock.testing.proxy import FaultProxy, between
from crossdock.testing.system import System, prepare
from crossdock.testing.waiting import eventually

PLENTY = {"SHIRT-M": 1_000_000, "MUG-BLUE": 1_000_000, "POSTER-A2": 1_000_000, "SOCKS-L": 1_000_000}
SKUS = tuple(PLENTY)

PATIENCE_WITHOUT = 45.0
"""How many seconds to wait for quiet where a mechanism is left out, and quiet may never come."""


@dataclass(frozen=True, slots=True)
class Link:
    """The network between one service and one server, which a test can break."""

    proxy: FaultProxy
    background: Background

    def lead_to(self, url: str) -> None:
        """New connections go to another server."""
        parts = urlsplit(url)
        self.proxy.target = (parts.hostname or "", parts.port or 0)

    def slow(self, seconds: float) -> None:
        """Every piece of data takes so much longer, one way."""
        self.proxy.latency = seconds

    def cut(self) -> None:
        """Reset every open connection."""
        self.background.run(_call(self.proxy.cut))

    def swallow(self, swallow: bool = True) -> None:
        """Let nothing through while connections stay open, or let it flow again."""
        self.background.run(_call(lambda: self.proxy.blackhole(swallow)))

    def refuse(self) -> None:
        """Be gone."""
        self.background.run(self.proxy.refuse())

    def listen(self) -> None:
        """Be back."""
        self.background.run(self.proxy.listen())


class World:
    """A system, a market, and words for what tests do with them."""

    def __init__(self, system: System, market: Market, say: Callable[[str], None], without: str = "") -> None:
        self.system = system
        self.market = market
        self.say = say
        self.patience = PATIENCE_WITHOUT if without else checker.QUIET_SECONDS
        self._without = without
        self._unsold: list[Sold] = []

    def prepare(self, number: int) -> list[Sold]:
        """So many orders of one to three units of two SKUs that never run out."""
        missing = max(0, number - len(self._unsold))
        self._unsold += self.market.prepare(
            missing, lambda n: {SKUS[n % len(SKUS)]: 1 + n % 3, SKUS[(n + 1) % len(SKUS)]: 1}
        )
        taken, self._unsold = self._unsold[:number], self._unsold[number:]
        return taken

    @contextmanager
    def selling(self, orders: Sequence[Sold] | int, **how: Any) -> Iterator[Traffic]:
        """Send the webhooks of orders (or of so many new ones) while the body runs; `Market.selling` says how."""
        told = self.prepare(orders) if isinstance(orders, int) else orders
        with self.market.selling(told, **how) as traffic:
            yield traffic
        sold = {id(one) for one in traffic.sold}
        self._unsold += [one for one in told if id(one) not in sold]

    def settle(self, traffic: Traffic, **how: Any) -> Verdict:
        """Wait for quiet, then let the checker judge, and print its line."""
        scheduled = how.pop("scheduled", True)
        seconds = how.pop("seconds", self.patience)
        ends = how.pop("ends", ())
        try:
            took = checker.wait_until_quiet(
                self.system, self.market, traffic, ends=ends, seconds=seconds, scheduled=scheduled
            )
        except AssertionError:
            self.say(str(checker.check(self.system, self.market, traffic, ends=ends)))
            raise
        verdict = checker.check(self.system, self.market, traffic, ends=ends)
        self.say(f"{verdict} (quiet after {took:.1f} s)")
        return verdict

    def forget_prepared(self) -> None:
        """Never sell what was prepared so far: the hub may know of it already."""
        self._unsold.clear()

    def known(self, traffic: Traffic) -> int:
        """How many of the orders sold the hub knows."""
        return checker.known(self.system, traffic)

    def wait_for(self, condition: Callable[[], bool], otherwise: str, seconds: float = 30.0) -> None:
        """Wait until something holds. Raises AssertionError that says what did not."""
        eventually(condition, seconds, otherwise)

    def sql(self, *statements: str) -> list[Any]:
        """Run statements as superuser; returns the rows of the last one."""
        return asyncio.run(_sql(self.system.admin_url, statements))

    def publish(self, queue: str, properties: dict[str, Any], body: bytes) -> None:
        """Put a message of any making into a queue."""
        message = {"properties": properties, "routing_key": queue, "payload": b64encode(body).decode()}
        url = f"{self.system.management_url}/api/exchanges/%2F/amq.default/publish"
        reply = httpx.post(url, json=message | {"payload_encoding": "base64"}, timeout=20, trust_env=False)
        reply.raise_for_status()
        if not reply.json()["routed"]:
            raise AssertionError(f"there is no queue {queue}")

    def parked(self, service: str) -> list[dict[str, Any]]:
        """The parked messages of a service, as its operator sees them."""
        return list(self.market.call("GET", f"/v1/services/{service}/parked"))

    def discard_parked(self, service: str) -> None:
        """Give up every parked message of a service."""
        for one in self.parked(service):
            self.market.call("POST", f"/v1/services/{service}/parked/{one['id']}/discard")

    @contextmanager
    def links(self, *names: str) -> Iterator[dict[str, dict[str, Link]]]:
        """Put proxies between services and their servers: `links["inventory"]["postgres"].cut()`."""
        stages = self.system.stack.stages()[-1]
        found: dict[str, dict[str, Link]] = {}
        with ExitStack() as open_links:
            for process in (process for process in stages if process.name in names):
                made = found[process.name] = {}
                for server, setting in (("postgres", "DATABASE_URL"), ("rabbitmq", "BROKER_URL")):
                    link, url = open_links.enter_context(self.link(process.env[f"CROSSDOCK_{setting}"]))
                    made[server] = link
                    self.system.configure(process.name, **{setting: url})
            self.system.restart(*names)
            try:
                yield found
            finally:
                for name in names:
                    self.system.configure(name, DATABASE_URL=None, BROKER_URL=None)
                self.system.restart(*names)

    @contextmanager
    def link(self, url: str) -> Iterator[tuple[Link, str]]:
        """A network of its own before the server that a URL names; yields it and the URL that goes through it."""
        background = self.market.background
        manager = between(url)
        proxy, through = background.run(manager.__aenter__())
        try:
            yield Link(proxy, background), through
        finally:
            background.run(manager.__aexit__(None, None, None))

    def altered(self, *alterations: str) -> tuple[str, ...]:
        """The program of a service altered in these ways, beside what is left out of every service."""
        return altered(self._without, *alterations)

    @contextmanager
    def started_with(self, *names: str, alteration: str = "", **settings: str) -> Iterator[None]:
        """Run services with other settings, or altered, while the body runs."""
        for name in names:
            self.system.configure(name, self.altered(alteration), **settings)
        self.system.restart(*names)
        try:
            yield
        finally:
            for name in names:
                self.system.configure(name, self.altered(), **dict.fromkeys(settings))
            self.system.restart(*names)


@contextmanager
def open_world(tools: Path, say: Callable[[str], None], ships: str = "*") -> Iterator[World]:
    """Start everything, and leave nothing behind; orders whose numbers match the shell pattern `ships` are shipped.
    CROSSDOCK_TEST_WITHOUT names mechanisms to leave out, to see the promises fail: see `crossdock.testing.altered`."""
    with tempfile.TemporaryDirectory(prefix="crossdock-world-", ignore_cleanup_errors=True) as name:
        system = prepare(Path(name), tools, say)
        without = os.environ.get("CROSSDOCK_TEST_WITHOUT", "")
        for service in SERVICES:
            system.configure(service, altered(without))
        system.call_this_normal()
        with ExitStack() as ending:
            ending.callback(system.end)
            system.begin()
            market = Market(system.stack.gateway_url, system.stack.sandbox_url, system.stack.secret("api key"), ships)
            ending.callback(market.close)
            market.open(PLENTY)
            checker.wait_until_quiet(system, market, Traffic())
            yield World(system, market, say, without)


def altered(*alterations: str) -> tuple[str, ...]:
    """The program of a service altered in these ways, by the names of `crossdock.testing.altered`; its own where there
    are none."""
    names = ",".join(filter(None, alterations))
    return ("-m", "crossdock.testing.altered", names) if names else ()


async def _sql(url: str, statements: Sequence[str]) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def _call(step: Callable[[], None]) -> None:
    step()
