"""Old orders of a Shopify store: found by number, or read in bulk from a file that is streamed a page at a time.

A cursor says where reading stands and is all that is kept between two pages: `bulk:<id>` while Shopify works on the
operation, `file:<id>:<offset>` in its result, `number:<index>` among the numbers asked for. A bulk query changes
nothing in the store, so one whose start was lost is started again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from crossdock.channels import download
from crossdock.channels.errors import Permanent, RateLimited, Retryable, Unknown
from crossdock.channels.model import CanonicalOrder
from crossdock.channels.protocols import ABOUT_ONE_ORDER, BacklogPage, BacklogQuery, BacklogScope, ChannelAccess
from crossdock.channels.reading import Bad, identifier
from crossdock.channels.shopify.budget import Purpose
from crossdock.channels.shopify.client import WHO, ShopifyClient
from crossdock.channels.shopify.documents import in_one_piece
from crossdock.channels.shopify.graphql import order_from_node

SEEN_FOR = timedelta(days=60)
"""Without the scope `read_all_orders` an app sees orders of so many days (Shopify, access scopes)."""

PAGE = 250
LOOKS = 20
"""Orders of one page that are read by themselves, at most: with a large rate budget 250 would outlast a turn."""

NUMBERS = 10
POLL_SECONDS = 2.0
LONGEST_LINE = 4 * 1024 * 1024
UNFULFILLED = " OR ".join(f"fulfillment_status:{word}" for word in ("unfulfilled", "partial", "scheduled", "on_hold"))
GONE = ("CANCELED", "CANCELING", "EXPIRED")

Fetch = Callable[[str], Coroutine[Any, Any, CanonicalOrder | None]]


@dataclass
class Rows:
    """One order as its rows in the file tell it; `end` is where the next one begins."""

    node: dict[str, Any]
    end: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    shipping: list[dict[str, Any]] = field(default_factory=list)
    promises: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Take a row below it; a removed shipping line has no id."""
        kind = str(row.get("id"))
        of_kind = self.promises if "/FulfillmentOrder/" in kind else self.lines if "LineItem" in kind else self.shipping
        of_kind.append(row)


def search_of(query: BacklogQuery) -> str:
    """A query in Shopify's search syntax; times are quoted, since an unquoted colon ends the term."""
    terms = []
    if query.since is not None:
        terms.append(f"created_at:>='{_stamp(query.since)}'")
    if query.until is not None:
        terms.append(f"created_at:<'{_stamp(query.until)}'")
    if query.changed_since is not None:
        terms.append(f"updated_at:>='{_stamp(query.changed_since)}'")
    if query.unfulfilled:
        terms.append(f"status:open AND ({UNFULFILLED})")
    return " AND ".join(terms)


async def scope(client: ShopifyClient, access: ChannelAccess, query: BacklogQuery, now: datetime) -> BacklogScope:
    """How much there is to read and what will be missing. Raises ChannelError; Permanent when Shopify does not know a
    filter, since it would then tell every order."""
    data = await client.execute(access, "BacklogScope", {"query": search_of(query)}, Purpose.IMPORT)
    scopes = {one["handle"] for one in data["currentAppInstallation"]["accessScopes"]}
    expected = len(query.numbers) if query.numbers else int(data["ordersCount"]["count"])
    limit = now - SEEN_FOR
    oldest = max((one for one in (query.since, query.changed_since) if one is not None), default=None)
    if "read_all_orders" in scopes or (oldest is not None and oldest >= limit):
        return BacklogScope(expected, ())
    note = (
        f"Shopify shows this app orders of the last 60 days only: those placed before {limit:%d %B %Y} are missing. "
        "To import them too, give the app the scope read_all_orders."
    )
    return BacklogScope(expected, (note,))


async def page(
    client: ShopifyClient, access: ChannelAccess, query: BacklogQuery, cursor: str | None, fetch: Fetch
) -> BacklogPage:
    """The next page; `fetch` reads one order whole. Raises ChannelError."""
    if query.numbers:
        return await _numbered(client, access, query.numbers, int((cursor or "number:0").split(":")[1]), fetch)
    if cursor is None:
        return await _begin(client, access, query)
    kind, operation, *offset = cursor.split(":")
    state = await _state(client, access, operation)
    if state is None or state["status"] in GONE:
        return BacklogPage((), (), "", restarted=True)
    if state["status"] == "FAILED":
        raise _failed(str(state["errorCode"] or ""))
    if state["status"] != "COMPLETED":
        done = int(state["rootObjectCount"])
        return BacklogPage((), (), cursor, after=POLL_SECONDS, waits_for=f"Shopify gathers the orders ({done} so far)")
    if not state["url"]:
        return BacklogPage((), (), None)
    return await _from_file(access, state, int(offset[0]) if kind == "file" else 0, fetch)


async def _begin(client: ShopifyClient, access: ChannelAccess, query: BacklogQuery) -> BacklogPage:
    search = search_of(query)
    await client.execute(access, "BacklogScope", {"query": search}, Purpose.IMPORT)  # refuses a search it ignores
    argument = f"orders(query: {orjson.dumps(search).decode()})" if search else "orders"
    document = in_one_piece("BacklogOrders").replace("orders {", argument + " {", 1)
    try:
        data = await client.execute(access, "BacklogStart", {"query": document}, Purpose.IMPORT)
    except Unknown as problem:
        raise Retryable(f"{problem.sentence}; a bulk query changes nothing, so it is started again") from None
    result = data["bulkOperationRunQuery"] or {}
    for error in result.get("userErrors") or ():
        if error.get("code") in ("LIMIT_REACHED", "OPERATION_IN_PROGRESS"):
            raise RateLimited("Shopify works on as many bulk operations of this app as it allows", 30.0)
        raise Permanent(f"Shopify refused the bulk query: {str(error.get('message', ''))[:200]}", "bulk_refused")
    number = identifier((result.get("bulkOperation") or {}).get("id"), "id")
    if number is None:
        raise Retryable("Shopify did not say which bulk operation it started")
    return BacklogPage((), (), f"bulk:{number}", after=POLL_SECONDS / 4, waits_for="Shopify gathers the orders")


async def _state(client: ShopifyClient, access: ChannelAccess, operation: str) -> Mapping[str, Any] | None:
    data = await client.execute(
        access, "BacklogState", {"id": f"gid://shopify/BulkOperation/{operation}"}, Purpose.IMPORT
    )
    state: Mapping[str, Any] | None = data["bulkOperation"]
    return state


def _failed(code: str) -> Exception:
    if code == "ACCESS_DENIED":
        return Permanent("The app lacks a scope that reading orders in bulk needs: compare its scopes", code)
    return Permanent(f"Shopify could not finish the bulk query ({code or 'no reason given'}): start it again", code)


async def _from_file(access: ChannelAccess, state: Mapping[str, Any], offset: int, fetch: Fetch) -> BacklogPage:
    """So many orders from a place in the file; the connection is closed behind the last one."""
    number = identifier(state["id"], "id")
    orders: list[CanonicalOrder] = []
    unreadable: list[tuple[str, str]] = []
    place, looks = offset, 0
    async with aclosing(_rows(access, str(state["url"]), offset)) as rows:
        async for row in rows:
            looks += _needs_a_look(row.node)
            try:
                found = await _order(row, fetch)
                if found is not None:
                    orders.append(found)
            except RateLimited:
                if place == offset:
                    raise
                return BacklogPage(tuple(orders), tuple(unreadable), f"file:{number}:{place}")
            except (Bad, Permanent) as bad:
                if isinstance(bad, Permanent) and bad.code not in ABOUT_ONE_ORDER:
                    raise
                unreadable.append((_name(row.node), f"Shopify's order cannot be read: {bad}"))
            place = row.end
            if looks >= LOOKS or len(orders) + len(unreadable) >= PAGE:
                return BacklogPage(tuple(orders), tuple(unreadable), f"file:{number}:{place}")
    return BacklogPage(tuple(orders), tuple(unreadable), None)


async def _rows(access: ChannelAccess, url: str, offset: int) -> AsyncGenerator[Rows, None]:
    """The orders of a file from a place on, each with the rows below it."""
    current: Rows | None = None
    async with aclosing(download.lines(access, url, offset, longest=LONGEST_LINE, who=WHO)) as lines:
        async for line, end in lines:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise Permanent("Shopify's bulk file holds a line that is no JSON: start the import again") from None
            if "__parentId" not in row:
                if current is not None:
                    yield current
                current = Rows(row, end)
            elif current is not None and row["__parentId"] == current.node.get("id"):
                current.add(row)
                current.end = end
            else:
                raise Permanent("Shopify's bulk file is not grouped by order: start the import again", "not_grouped")
    if current is not None:
        yield current


async def _order(row: Rows, fetch: Fetch) -> CanonicalOrder | None:
    """The order of a row, read by itself where the file does not tell enough. Raises Bad and ChannelError."""
    if _needs_a_look(row.node):
        return await fetch(identifier(row.node.get("id"), "id") or "")
    whole = {
        "shippingLines": {"nodes": row.shipping},
        "fulfillmentOrders": {"nodes": row.promises},
        "fulfillments": _shipped(row),
        "refunds": [],
    }
    return order_from_node(row.node | whole, row.lines)


def _shipped(row: Rows) -> list[dict[str, Any]]:
    """What has left, as one fulfillment: where nothing was refunded, that is what is neither open nor edited away."""
    if not row.node.get("fulfillments"):
        return []
    units = [(line["id"], int(line["currentQuantity"]) - int(line["unfulfilledQuantity"])) for line in row.lines]
    nodes = [{"quantity": count, "lineItem": {"id": line_id}} for line_id, count in units if count > 0]
    return [{"id": "1", "status": "SUCCESS", "createdAt": None, "fulfillmentLineItems": {"nodes": nodes}}]


def _needs_a_look(node: Mapping[str, Any]) -> bool:
    """Refunds say by their lines which units are gone; a fulfillment that is not done, what is on its way."""
    fulfillments = node.get("fulfillments") or ()
    if node.get("refunds") or any(one.get("status") != "SUCCESS" for one in fulfillments):
        return True
    return bool(fulfillments) and node.get("displayFulfillmentStatus") not in ("FULFILLED", "PARTIALLY_FULFILLED")


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("name") or node.get("id") or "an order")[:100]


async def _numbered(
    client: ShopifyClient, access: ChannelAccess, numbers: Sequence[str], index: int, fetch: Fetch
) -> BacklogPage:
    """Some orders by the numbers that people call them."""
    wanted = numbers[index : index + NUMBERS]
    search = " OR ".join(f"name:{orjson.dumps(_bare(number)).decode()}" for number in wanted)
    data = await client.execute(access, "OrdersNamed", {"first": 100, "query": search}, Purpose.IMPORT)
    ids: dict[str, list[str]] = {}
    for node in data["orders"]["nodes"]:
        ids.setdefault(_bare(node["name"]), []).append(identifier(node["id"], "id") or "")
    orders: list[CanonicalOrder] = []
    missing = [(number, "Shopify shows no order of this number") for number in wanted if _bare(number) not in ids]
    for number in wanted:
        for external_id in ids.get(_bare(number), ()):
            try:
                found = await fetch(external_id)
            except Permanent as bad:
                if bad.code not in ABOUT_ONE_ORDER:
                    raise
                missing.append((number, bad.sentence))
                continue
            if found is not None:
                orders.append(found)
            await asyncio.sleep(0)
    following = index + len(wanted)
    return BacklogPage(tuple(orders), tuple(missing), f"number:{following}" if following < len(numbers) else None)


def _bare(number: str) -> str:
    return number.strip().lstrip("#").lower()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
