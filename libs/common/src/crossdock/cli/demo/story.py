"""The demonstration itself: connect, sell, watch, check."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from crossdock.cli import views
from crossdock.cli.client import CannotCall, Client
from crossdock.cli.demo.history import OLD_ORDERS, History
from crossdock.cli.demo.kinds import KINDS, PRODUCTS, STOCK, Kind, plainly
from crossdock.cli.demo.patience import patiently
from crossdock.cli.demo.sandbox import Sandbox, SandboxOrder, Shop

WAIT_SECONDS = 75.0
GO_LIVE_SECONDS = 20.0
TELL_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Sold:
    """An order of the demonstration and where it has to end."""

    kind: Kind
    order: SandboxOrder


@dataclass(frozen=True)
class Finding:
    """A check and what it found; `wrong` is empty when it holds."""

    what: str
    wrong: tuple[str, ...] = ()


class Story:
    """Plays the demonstration against a running hub and sandbox."""

    def __init__(self, client: Client, sandbox: Sandbox, console: Console) -> None:
        self._client = client
        self._sandbox = sandbox
        self._console = console
        self._history = History(client, sandbox, console)
        self._shops: dict[str, Shop] = {}
        self._channels: dict[str, str] = {}

    def play(self) -> bool:
        """Everything from connecting to checking; True when all checks hold."""
        self._say("Connecting two stores (US dollar, yen) and a warehouse …")
        self._connect()
        self._say("Counting stock and listing products …")
        self._stock()
        self._say(f"Selling: {sum(kind.count for kind in KINDS)} orders arrive as signed webhooks …")
        sold = self._sell()
        found = self._watch(sold)
        self._table(sold, found)
        self._timeline(sold, found)
        return self._report(self._check(sold, found) + self._look_back())

    def _look_back(self) -> list[Finding]:
        """Bring in what the store had before, and read the last days once more."""
        channel = self._channels[self._shops["main"].domain]
        self._say(f"\nBringing in {OLD_ORDERS} orders that the store had before it was connected …")
        brought = Finding("every old order was brought in once and shipped", tuple(self._history.bring_in(channel)))
        self._say("Reading the last days again, as every night: one order was changed and no webhook told of it …")
        again = Finding("the change that no webhook told was found", tuple(self._history.read_again(channel)))
        return [brought, again]

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False)

    def _connect(self) -> None:
        token, secret = self._sandbox.open_warehouse("warehouse")
        warehouse = self._client.call(
            "POST",
            "/v1/channels",
            {
                "kind": "generic",
                "name": "Sandbox 3PL",
                "mode": "live",
                "base_url": f"{self._sandbox.url}/3pl",
                "settings": {"role": "destination"},
                "secrets": {"api_key": token, "webhook_secret": secret},
            },
        )
        self._sandbox.call_back(warehouse["webhook_path"])
        for name, currency in (("main", "USD"), ("yen", "JPY")):
            shop = self._shops[name] = self._sandbox.open_shop(name, currency)
            if name == "main":
                self._history.place(shop)
            channel = self._client.call(
                "POST",
                "/v1/channels",
                {
                    "kind": "shopify",
                    "name": f"{name} store",
                    "shop": shop.domain,
                    "base_url": f"{self._sandbox.url}/shopify/{shop.domain}",
                    "settings": {"destination": warehouse["id"]},
                    "secrets": {"access_token": shop.token, "webhook_secret": shop.secret},
                },
            )
            self._channels[shop.domain] = channel["id"]
            self._take_live(channel["id"])

    def _take_live(self, channel_id: str) -> None:
        """As soon as order-ingest has heard of the channel. Raises CannotCall."""

        def refused() -> list[CannotCall]:
            try:
                self._client.call("POST", f"/v1/channels/{channel_id}/go-live", {"orders": "all"})
            except CannotCall as problem:
                return [problem]
            return []

        for problem in patiently(refused, GO_LIVE_SECONDS):
            raise problem

    def _stock(self) -> None:
        for sku, units in STOCK.items():
            self._client.call("PUT", f"/v1/stock/{sku}", {"on_hand": units})
        for shop in self._shops.values():
            for product in PRODUCTS:
                self._sandbox.add_product(shop, product)

    def _sell(self) -> list[Sold]:
        """Place every order; those that need patience are told of in threads of their own."""
        sold = []
        with ThreadPoolExecutor(4) as pool:
            for kind in KINDS:
                for _ in range(kind.count):
                    order = self._sandbox.place(self._shops[kind.shop], {"lines": list(kind.lines), **kind.order})
                    if kind.behaviour is not None:
                        self._sandbox.behave(order, kind.behaviour)
                    sold.append(Sold(kind, order))
                    pool.submit(kind.how or plainly, self._sandbox, order, kind)
        return sold

    def _watch(self, sold: Sequence[Sold]) -> dict[SandboxOrder, dict[str, Any]]:
        """Show progress until every order is where it has to end, or time is up."""
        found: dict[SandboxOrder, dict[str, Any]] = {}
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:

            def on_the_way() -> list[Sold]:
                found.update(self._orders(sold))
                live.update(_progress(sold, found))
                return [one for one in sold if not _arrived(one, found)]

            patiently(on_the_way, WAIT_SECONDS)
        return found

    def _orders(self, sold: Sequence[Sold]) -> dict[SandboxOrder, dict[str, Any]]:
        found = {}
        for domain, channel in self._channels.items():
            page = self._client.get("/v1/orders", channel=channel, limit=200)["orders"]
            by_number = {order["number"]: order for order in page}
            mine = [one.order for one in sold if one.order.shop == domain]
            found.update({order: by_number[order.name] for order in mine if order.name in by_number})
        return found

    def _table(self, sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> None:
        table = views.table_of("order", "kind", "status", "why", "tracking")
        self._details = {}
        for one in sold:
            if one.order not in found:
                table.add_row(one.order.name, one.kind.name, "[red]never arrived[/]", "", "")
                continue
            order = self._client.get(f"/v1/orders/{found[one.order]['order_id']}")
            self._details[one.order] = order
            tracking = ", ".join(parcel["tracking_number"] for parcel in views.parcels(order))
            status = views.styled(order["status"])
            table.add_row(one.order.name, one.kind.name, status, views.sentences(order), tracking)
        self._console.print(table)

    def _timeline(self, sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> None:
        shown = next((one for one in sold if one.kind.parcels == 2 and one.order in found), None)
        if shown is not None:
            self._console.print(f"\nWhat happened to order {shown.order.name} ({shown.kind.name}):")
            views.timeline(self._console, self._details[shown.order]["timeline"])

    def _check(self, sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> list[Finding]:
        requests = self._sandbox.requests()
        return [
            Finding(f"all {len(sold)} orders ended where they should", tuple(_astray(sold, found))),
            Finding("every hold says why, in a sentence", tuple(_unexplained(sold, found))),
            Finding(
                "the warehouse was asked once for each order, and never for one on hold", tuple(_asked(sold, requests))
            ),
            Finding(
                "the stores know every parcel once, with its tracking number",
                tuple(patiently(lambda: self._untold(sold), TELL_SECONDS)),
            ),
            Finding("nothing was parked", tuple(self._parked())),
        ]

    def _untold(self, sold: Sequence[Sold]) -> list[str]:
        """What stores know wrongly of parcels; an order is shipped a moment before they are told."""
        wrong = []
        for one in sold:
            fulfillments = self._sandbox.payload(one.order).get("fulfillments", [])
            numbers = [number for f in fulfillments for number in f.get("tracking_numbers", [])]
            if len(fulfillments) != one.kind.parcels or len(set(numbers)) != one.kind.parcels:
                wrong.append(f"{one.order.name} has {len(fulfillments)} fulfillments instead of {one.kind.parcels}")
        return wrong

    def _parked(self) -> list[str]:
        services = self._client.get("/v1/status")["services"]
        return [f"{service['name']} parked {service['parked']}" for service in services if service.get("parked")]

    def _report(self, findings: Sequence[Finding]) -> bool:
        self._console.print("\nChecked:")
        for finding in findings:
            mark = "[red]✗[/]" if finding.wrong else "[green]✓[/]"
            self._console.print(f"  {mark} {finding.what}")
            for sentence in finding.wrong:
                self._console.print(f"      {escape(sentence)}", style="red")
        return not any(finding.wrong for finding in findings)


def _arrived(one: Sold, found: dict[SandboxOrder, dict[str, Any]]) -> bool:
    order = found.get(one.order)
    if order is None or order["status"] != one.kind.ends:
        return False
    return not one.kind.reason or any(one.kind.reason in hold["sentence"] for hold in order["holds"])


def _progress(sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> Table:
    counts = Counter(found[one.order]["status"] if one.order in found else "on the way" for one in sold)
    table = views.table_of("status", "orders", title=f"{sum(_arrived(one, found) for one in sold)} of {len(sold)} done")
    for status, count in counts.most_common():
        table.add_row(views.styled(status), f"{'█' * count} {count}")
    return table


def _astray(sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> list[str]:
    ended = {one: found.get(one.order, {}).get("status", "missing") for one in sold}
    return [
        f"{one.order.name} ({one.kind.name}) is {status}, not {one.kind.ends}"
        for one, status in ended.items()
        if status != one.kind.ends
    ]


def _unexplained(sold: Sequence[Sold], found: dict[SandboxOrder, dict[str, Any]]) -> list[str]:
    return [f"{one.order.name} does not say {one.kind.reason!r}" for one in sold if not _reason_told(one, found)]


def _reason_told(one: Sold, found: dict[SandboxOrder, dict[str, Any]]) -> bool:
    holds = found.get(one.order, {}).get("holds", [])
    return not one.kind.reason or any(one.kind.reason in hold["sentence"] for hold in holds)


def _asked(sold: Sequence[Sold], requests: Sequence[dict[str, Any]]) -> list[str]:
    asked = Counter((request["order_number"], request["recipient"].get("email", "")) for request in requests)
    numbers = Counter(number for (number, _), count in asked.items() for _ in range(count))
    expected = Counter(one.order.name for one in sold if one.kind.parcels or one.kind.ends == "cancelled")
    return [f"{name}: asked {numbers[name]} times, not {expected[name]}" for name in sorted(numbers | expected)
            if numbers[name] != expected[name]]  # fmt: skip
