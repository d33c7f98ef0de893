"""The checker: reads outcomes alone (orders, reservations, ledger, the warehouse's and the store's own books, queues)
and says in one line what was lost and what happened twice."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import orjson

from crossdock.cli.stack import PACKAGES, SERVICES
from crossdock.messaging.topology import Management, ManagementAway
from crossdock.testing.market import Market, Sold, Traffic
from crossdock.testing.system import System

SCHEMAS = tuple(PACKAGES.values())
SHIPPED = frozenset({"shipped", "delivered"})
"""Where an order ends that nothing stands in the way of."""

ASKED = frozenset({"outstanding"})
"""Where it ends when the warehouse leaves it lying."""

QUIET_SECONDS = 120.0

STILL_SECONDS = 1.5
"""The broker counts messages once a second: one that just left an outbox may be counted nowhere before that."""

ORDERS = "SELECT external_id, order_id, status FROM order_ingest.orders WHERE external_id = ANY($1::text[])"
CLAIMS = "SELECT order_id, items FROM inventory.claim"
LEDGER = """
    SELECT order_id, sku, -sum(quantity) AS units FROM inventory.ledger
    WHERE kind IN ('shipped', 'voided') GROUP BY order_id, sku
"""
STOCK = """
    SELECT s.sku, s.on_hand, s.reserved, coalesce(l.moved, 0) AS moved
    FROM inventory.stock s
    LEFT JOIN (SELECT sku, sum(quantity) FILTER (WHERE NOT contained) AS moved FROM inventory.ledger GROUP BY sku) l
         USING (sku)
"""
UNSETTLED = "SELECT state, count(*) FROM fulfillment.write_back WHERE state <> 'done' GROUP BY state"
TABS = """
    SELECT channel_id, status, coalesce(c.orders, 0) AS counted, coalesce(o.orders, 0) AS orders
    FROM (SELECT channel_id, status, sum(orders) AS orders
          FROM (SELECT channel_id, status, orders FROM order_ingest.order_count
                UNION ALL SELECT channel_id, status, orders FROM order_ingest.order_count_delta) AS both_
          GROUP BY channel_id, status) AS c
    FULL JOIN (SELECT channel_id, status, count(*) AS orders FROM order_ingest.orders GROUP BY channel_id, status) AS o
         USING (channel_id, status)
    WHERE coalesce(c.orders, 0) <> coalesce(o.orders, 0)
"""
"""Tabs that show another number than there are orders."""
TOLD_AGAIN = """
    SELECT order_id, kind, count(*) - 1 AS again FROM order_ingest.timeline
    WHERE cause IS NOT NULL GROUP BY order_id, kind, sentence, cause HAVING count(*) > 1
"""
"""What a timeline says more than once because of one and the same message."""
PARKED = " UNION ALL ".join(
    f"SELECT '{schema}' AS schema, handler, reason FROM {schema}.parked_message WHERE state = 'parked'"  # noqa: S608
    for schema in SCHEMAS
)
STORED = " UNION ALL ".join(
    f"SELECT '{schema}' AS schema, (SELECT count(*) FROM {schema}.outbox) AS outbox,"  # noqa: S608
    f" (SELECT count(*) FROM {schema}.scheduled) AS scheduled"
    for schema in SCHEMAS
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the orders that were sent. `wrong` says in sentences what does not add up."""

    sent: int
    accepted: int
    applied: int
    lost: int
    duplicated: int
    oversold: int
    parked: int
    left: int
    wrong: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every promise of this line was kept."""
        return not (self.lost or self.duplicated or self.oversold or self.parked or self.left or self.wrong)

    def __str__(self) -> str:
        line = (
            f"sent {self.sent} accepted {self.accepted} applied {self.applied} lost {self.lost} "
            f"duplicated {self.duplicated} oversold {self.oversold} parked {self.parked} left in queues {self.left}"
        )
        return "\n  ".join([line, *self.wrong[:20]])


@dataclass
class Books:
    """What every party knows, read at one moment; units are counted by order and SKU."""

    status: dict[str, str] = field(default_factory=dict)
    held: dict[str, Counter[str]] = field(default_factory=dict)
    ledger: dict[str, Counter[str]] = field(default_factory=dict)
    asked: dict[str, list[Counter[str]]] = field(default_factory=dict)
    shipped: dict[str, Counter[str]] = field(default_factory=dict)
    parcels: Counter[str] = field(default_factory=Counter)
    told: dict[str, Counter[str]] = field(default_factory=dict)
    fulfillments: Counter[str] = field(default_factory=Counter)
    told_again: dict[str, Counter[str]] = field(default_factory=dict)
    tabs: list[Any] = field(default_factory=list)
    stock: list[Any] = field(default_factory=list)
    reserved: Counter[str] = field(default_factory=Counter)
    parked: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    unsettled: dict[str, int] = field(default_factory=dict)


def check(system: System, market: Market, traffic: Traffic, *, ends: Collection[str] = ()) -> Verdict:
    """Compare what was sent with what every party's books say. `ends` are the statuses in which orders may be, where
    that is not only what the warehouse's behaviour leads to."""
    return judge(asyncio.run(_read(system, market, traffic.sold)), traffic, ends)


def judge(books: Books, traffic: Traffic, ends: Collection[str] = ()) -> Verdict:
    """What these books say of what was sent (pure)."""
    findings = [_compare(books, one, one.external_id in traffic.accepted, ends) for one in traffic.sold]
    stock_wrong = list(_astray(books))
    return Verdict(
        sent=len(traffic.sold),
        accepted=len(traffic.accepted),
        applied=sum(f.applied for f in findings),
        lost=sum(f.lost for f in findings),
        duplicated=sum(f.duplicated for f in findings),
        oversold=sum(_oversold(books, row) for row in books.stock),
        parked=len(books.parked),
        left=sum(books.left.values()),
        wrong=(*(s for f in findings for s in f.sentences), *stock_wrong, *books.parked),
    )


def wait_until_quiet(
    system: System,
    market: Market,
    traffic: Traffic,
    *,
    ends: Collection[str] = (),
    seconds: float = QUIET_SECONDS,
    scheduled: bool = True,
) -> float:
    """Wait until every accepted order is where it has to end and nothing has moved for STILL_SECONDS; returns the
    seconds it took until then.

    Without `scheduled`, messages that wait for a later attempt count as quiet. Raises AssertionError that says what
    still moves.
    """
    began = time.monotonic()
    wanted = {one.external_id: ends or _end_of(one) for one in traffic.accepted_orders}
    still = began
    while True:
        if moving := _moving(system, market, wanted, scheduled):
            still = time.monotonic()
        elif time.monotonic() - still >= STILL_SECONDS:
            return still - began
        if time.monotonic() > began + seconds:
            raise AssertionError(f"Not quiet after {seconds:.0f} s: {'; '.join(moving)}")
        time.sleep(0.3)


def shipped(system: System, keys: Collection[str]) -> set[str]:
    """Which of these orders the hub knows as shipped; none while its database is away."""
    try:
        rows = asyncio.run(_orders(system, list(keys)))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return set()
    return {row["external_id"] for row in rows if row["status"] in SHIPPED}


def known(system: System, traffic: Traffic) -> int:
    """How many of the orders that were sold are in the hub."""
    return len(asyncio.run(_orders(system, [one.external_id for one in traffic.sold])))


async def _orders(system: System, keys: Sequence[str]) -> list[Any]:
    connection = await asyncpg.connect(system.admin_url)
    try:
        return list(await connection.fetch(ORDERS, keys))
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class _Finding:
    applied: bool
    lost: bool
    duplicated: int
    sentences: tuple[str, ...] = ()


def _compare(books: Books, one: Sold, accepted: bool, ends: Collection[str]) -> _Finding:
    """One order: what should have happened once, and how often it did."""
    key = one.external_id
    status = books.status.get(key)
    if status is None:
        gone = (f"{one.number} was accepted and is nowhere",) if accepted else ()
        return _Finding(False, accepted, 0, gone)
    ordered = Counter(one.units if status in SHIPPED or status in _end_of(one) else {})
    left = Counter(one.units if status in SHIPPED else {})
    counted = {
        "reserved": (ordered, books.held.get(key, Counter())),
        "asked of the warehouse": (ordered, sum(books.asked.get(key, []), Counter())),
        "booked": (left, books.ledger.get(key, Counter())),
        "shipped": (left, books.shipped.get(key, Counter())),
        "told to the store": (left, books.told.get(key, Counter())),
    }
    sentences = []
    missing, extra = 0, 0
    if status not in (ends or _end_of(one)):
        missing += 1
        sentences.append(f"{one.number} is {status}")
    for what, (wanted, units) in counted.items():
        missing += (wanted - units).total()
        extra += (units - Counter(one.units)).total()  # what an order that got stuck has is no more than was ordered
        if units != wanted:
            sentences.append(f"{one.number}: {dict(units)} {what}, not {dict(wanted)}")
    if (again := books.fulfillments[key] - books.parcels[key]) > 0:
        extra += again
        sentences.append(f"{one.number}: the store was told of {again} parcels too many")
    for kind, again in books.told_again.get(key, Counter()).items():
        extra += again
        sentences.append(f"{one.number}: its timeline tells {kind} {again} times too often")
    return _Finding(not sentences, bool(missing), extra, tuple(sentences))


def _end_of(one: Sold) -> Collection[str]:
    return SHIPPED if one.ships else ASKED


def _oversold(books: Books, row: Any) -> int:
    """Units of a SKU promised beyond those that are there, by the less favourable of two books each: what stock counts
    itself, and what the orders hold; what stock counts, and what the ledger adds up to."""
    promised = max(row["reserved"], books.reserved[row["sku"]])
    return int(max(0, promised - min(row["on_hand"], row["moved"])))


def _astray(books: Books) -> Iterable[str]:
    for row in books.stock:
        if row["reserved"] != books.reserved[row["sku"]]:
            yield f"{row['sku']}: {row['reserved']} reserved, but orders hold {books.reserved[row['sku']]}"
        if row["on_hand"] != row["moved"]:
            yield f"{row['sku']}: {row['on_hand']} on hand, but the ledger adds up to {row['moved']}"
    for row in books.tabs:
        yield f"the tab {row['status']} shows {row['counted']} orders, but there are {row['orders']}"


async def _read(system: System, market: Market, sold: Sequence[Sold]) -> Books:
    books = Books()
    connection = await asyncpg.connect(system.admin_url)
    try:
        keys = [one.external_id for one in sold]
        orders = await connection.fetch(ORDERS, keys)
        books.status = {row["external_id"]: row["status"] for row in orders}
        names = {row["order_id"]: row["external_id"] for row in orders}
        for row in await connection.fetch(CLAIMS):
            for item in orjson.loads(row["items"]):
                books.reserved[item["sku"]] += item["held"]
                if row["order_id"] in names:
                    units = books.held.setdefault(names[row["order_id"]], Counter())
                    units[item["sku"]] += item["held"] + item["consumed"]
        for row in await connection.fetch(LEDGER):
            if row["order_id"] in names:
                books.ledger.setdefault(names[row["order_id"]], Counter())[row["sku"]] += int(row["units"])
        for row in await connection.fetch(TOLD_AGAIN):
            if row["order_id"] in names:
                books.told_again.setdefault(names[row["order_id"]], Counter())[row["kind"]] += row["again"]
        books.tabs = await connection.fetch(TABS)
        books.stock = await connection.fetch(STOCK)
        books.parked = [f"{r['schema']}.{r['handler']} parked: {r['reason']}" for r in await connection.fetch(PARKED)]
        books.left = await _left(connection, system.management)
    finally:
        await connection.close()
    _read_warehouse(books, market, {one.number: one.external_id for one in sold})
    _read_store(books, market, set(keys))
    return books


def _read_warehouse(books: Books, market: Market, names: Mapping[str, str]) -> None:
    for request in market.requests():
        key = names.get(request["order_number"])
        if key is None or request["state"] == "rejected":
            continue
        asked = Counter({line["sku"]: 0 for line in request["lines"]})
        for line in request["lines"]:
            asked[line["sku"]] += line["quantity"] - line["cancelled"]
        books.asked.setdefault(key, []).append(+asked)
        for shipment in request["shipments"]:
            if shipment["state"] != "voided":
                books.parcels[key] += len(shipment["packages"])
                for package in shipment["packages"]:
                    for line in package["lines"]:
                        books.shipped.setdefault(key, Counter())[line["sku"]] += line["quantity"]


def _read_store(books: Books, market: Market, keys: Collection[str]) -> None:
    for order in market.orders():
        key = str(order["id"])
        if key not in keys:
            continue
        for fulfillment in order["fulfillments"]:
            if fulfillment["status"] == "success":
                books.fulfillments[key] += 1
                for line in fulfillment["line_items"]:
                    books.told.setdefault(key, Counter())[line["sku"]] += line["quantity"]


async def _left(connection: "asyncpg.Connection[Any]", management: Management) -> dict[str, int]:
    left = {}
    for row in await connection.fetch(STORED):
        left[f"{row['schema']}.outbox"] = row["outbox"]
        left[f"{row['schema']}.scheduled"] = row["scheduled"]
    for name, depth in (await management.depths()).items():
        if name.partition(".")[0] in SERVICES:  # a subscriber's queue is its own affair
            left[name] = depth.ready + depth.unacked
    return {name: count for name, count in left.items() if count}


def _moving(system: System, market: Market, wanted: Mapping[str, Collection[str]], scheduled: bool) -> list[str]:
    """What still moves, in words; nothing when all is quiet. `wanted`: where each order may end."""
    try:
        sandbox = market.quiet()
        found = [] if sandbox["quiet"] else [f"the sandbox is busy: {sandbox}"]
        return found or asyncio.run(_moving_inside(system, wanted, scheduled))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ManagementAway, httpx.HTTPError) as away:
        return [f"something does not answer: {type(away).__name__}"]


async def _moving_inside(system: System, wanted: Mapping[str, Collection[str]], scheduled: bool) -> list[str]:
    connection = await asyncpg.connect(system.admin_url, timeout=5)
    try:
        rows = await connection.fetch(ORDERS, list(wanted))
        arrived = sum(row["status"] in wanted[row["external_id"]] for row in rows)
        if arrived < len(wanted):
            statuses = Counter(row["status"] for row in rows)
            return [f"{arrived} of {len(wanted)} orders are where they have to end: {dict(statuses)}"]
        if unsettled := {row["state"]: row["count"] for row in await connection.fetch(UNSETTLED)}:
            return [f"writes to the outside are not done: {unsettled}"]
        left = await _left(connection, system.management)
        moving = {name: n for name, n in left.items() if scheduled or not name.endswith(".scheduled")}
        return [f"messages are left: {moving}"] if moving else []
    finally:
        await connection.close()
