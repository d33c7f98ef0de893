"""A store and a warehouse of the sandbox, connected to a running hub; orders prepared there, sent as signed webhooks.

Orders exist in the store before the hub hears of them, so that its write-backs meet the real thing. The webhooks go
from here straight to the gateway, which lets a test say exactly what was sent, what was answered, and how often.
"""

import asyncio
import random
import secrets
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import orjson

from crossdock.channels.shopify.webhooks import signature_of
from crossdock.testing.shared import take_live

T = TypeVar("T")
TOPICS = ("orders/create", "orders/updated", "orders/cancelled", "refunds/create", "products/create")
CLOCK_SPEED = 60
"""A minute of the sandbox passes in a second: a notice that met an outage comes again within seconds."""

SHIP_AFTER = 12.0
"""Sandbox seconds that the warehouse takes: 0.2 s of a test."""

BULK = 200
"""Orders prepared by one call."""

PATIENCE_SECONDS = 90.0
RESEND_SECONDS = 0.25


class Background:
    """An event loop in a thread of its own, so that a test can break things in plain order while traffic flows."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start something and go on."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
        """Do something and wait for its result."""
        return self.begin(work).result(seconds)

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True, slots=True, eq=False)
class Sold:
    """An order in a store: what was bought (units by SKU), the webhook that tells of it, and whether the warehouse
    ships it or leaves it lying."""

    shop: str
    external_id: str
    number: str
    units: dict[str, int]
    body: bytes
    headers: dict[str, str]
    ships: bool = True


@dataclass
class Traffic:
    """What was sent and what was answered. An order counts as accepted once a webhook of it was answered 2xx; `refused`
    are requests without such an answer, `answers` what came instead, `halted` those that stopped half-way."""

    sold: list[Sold] = field(default_factory=list)
    accepted: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    requests: int = 0
    halted: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    def stop(self) -> None:
        """Tell of no further order; those that were not told of yet were not sold."""
        self.stopped = True

    @property
    def accepted_orders(self) -> list[Sold]:
        """Those that the hub has promised to know."""
        return [one for one in self.sold if one.external_id in self.accepted]


class Market:
    """One store, one warehouse, and the customers."""

    def __init__(self, gateway_url: str, sandbox_url: str, api_key: str, ships: str = "*") -> None:
        """`ships` is a shell pattern: orders whose numbers match it are shipped."""
        self.background = Background()
        self.gateway_url = gateway_url
        self.run = secrets.token_hex(3)
        self.shop = f"shop-{self.run}.myshopify.com"
        self.account = f"warehouse-{self.run}"
        self._ships = ships
        self._secret = secrets.token_hex(16)
        self.secrets = [self._secret]
        """What nobody but the hub, the store and the warehouse may ever see."""
        self._sandbox = httpx.Client(base_url=f"{sandbox_url}/_control", timeout=60, trust_env=False)
        self._sandbox_url = sandbox_url
        headers = {"authorization": f"Bearer {api_key}"}
        self._hub = httpx.Client(base_url=gateway_url, headers=headers, timeout=20, trust_env=False)

    def open(self, stock: dict[str, int]) -> None:
        """Connect the store and the warehouse, count the stock, and list a product for each SKU."""
        self.control("POST", "/clock", {"speed": CLOCK_SPEED})
        token, secret = secrets.token_hex(16), "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        self.secrets += [token, secret, secret.removeprefix("whsec_")]
        account = {"name": self.account, "token": token, "secret": secret, "behaviour": {"ship_after": None}}
        self.control("POST", "/3pl/accounts", account)
        shipping = {"match": self._ships, "behaviour": {"ship_after": SHIP_AFTER}}
        self.control("POST", f"/3pl/accounts/{self.account}/behaviour", shipping)
        warehouse = self._connect(
            "generic", "Warehouse", f"{self._sandbox_url}/3pl", {"role": "destination"},
            {"api_key": token, "webhook_secret": secret}, mode="live",
        )  # fmt: skip
        callback = f"{self.gateway_url}{warehouse['webhook_path']}"
        self.control("PATCH", f"/3pl/accounts/{self.account}", {"callback_url": callback})
        subscription = {"uri": f"{self.gateway_url}/webhooks/shopify", "topics": list(TOPICS), "by_api": False}
        store = {"domain": self.shop, "token": token, "secret": self._secret, "subscriptions": [subscription]}
        self.control("POST", "/shopify/stores", store)
        # Shopify's budget would be the bottleneck of every run; how it is kept is tested with the connector.
        bucket = {"maximum": 1e9, "restore": 1e9, "available": 1e9}
        self.control("PATCH", f"/shopify/{self.shop}", {"bucket": bucket})
        made = self._connect(
            "shopify", "Store", f"{self._sandbox_url}/shopify/{self.shop}", {"destination": warehouse["id"]},
            {"access_token": token, "webhook_secret": self._secret}, shop=self.shop,
        )  # fmt: skip
        take_live(self._hub, made["id"])
        for sku, units in stock.items():
            self.list_product(sku, units)

    def close(self) -> None:
        """Close the connections."""
        self._sandbox.close()
        self._hub.close()
        self.background.close()

    def list_product(self, sku: str, units: int) -> None:
        """A product of one SKU, and how many units of it there are."""
        self.count(sku, units)
        variant = {"title": sku, "sku": sku, "price": "10.00"}
        self.control("POST", f"/shopify/{self.shop}/products", {"title": sku, "variants": [variant]})

    def sell(self, units: dict[str, int]) -> Sold:
        """An order of which the store itself tells the hub, with whatever goes wrong there."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]
        return self._placed(units, self.control("POST", f"/shopify/{self.shop}/orders", {"lines": lines}))

    def count(self, sku: str, units: int) -> None:
        """A count of stock, told to the hub."""
        self.call("PUT", f"/v1/stock/{sku}", {"on_hand": units})

    def prepare(self, number: int, units: Callable[[int], dict[str, int]]) -> list[Sold]:
        """So many new orders in the store, of which the hub was not told; `units` says what the n-th one is for."""
        chosen = [units(n) for n in range(number)]
        lines = [[{"sku": sku, "quantity": quantity} for sku, quantity in one.items()] for one in chosen]
        sold = []
        for start in range(0, number, BULK):
            orders = [{"lines": one, "webhooks": []} for one in lines[start : start + BULK]]
            made = self.control("POST", f"/shopify/{self.shop}/orders/bulk", {"orders": orders})["orders"]
            sold += [self._placed(one, order) for one, order in zip(chosen[start : start + BULK], made, strict=True)]
        return sold

    def tell(self, traffic: Traffic, one: Sold) -> int:
        """Send one order's webhook now; returns the status of the answer."""
        reply = self._hub.post("/webhooks/shopify", content=one.body, headers=one.headers)
        traffic.sold.append(one)
        traffic.requests += 1
        if reply.is_success:
            traffic.accepted[one.external_id] = time.monotonic()
        return reply.status_code

    def post(self, topic: str, payload: Any) -> str:
        """Send any signed webhook of the store, which the gateway has to take; returns its delivery id."""
        body, headers = self.webhook(topic, payload)
        self._hub.post("/webhooks/shopify", content=body, headers=headers).raise_for_status()
        return headers["x-shopify-webhook-id"]

    def send(self, orders: Sequence[Sold], **how: Any) -> Traffic:
        """Tell the hub of orders and wait until all are told; `selling` says how."""
        with self.selling(orders, **how) as traffic:
            pass
        return traffic

    @contextmanager
    def selling(self, orders: Sequence[Sold], *, to: str | None = None, **how: Any) -> Iterator[Traffic]:
        """Send webhooks while the body of the `with` runs; ends when every order was told.

        `per_second` is the rate; `times` how often each webhook is sent, in an order shuffled by `seed`; without
        `again`, a webhook that was not answered 2xx is not sent a second time. `to` is the gateway's URL. `halt` is for
        how many seconds every webhook stops in the middle of its body; `anew` gives every one a connection of its own,
        as a load balancer does that chooses for each request.
        """
        traffic = Traffic(list(orders))
        sending = self.background.begin(_send_all(to or self.gateway_url, traffic, **how))
        try:
            yield traffic
        finally:
            sending.result(3600)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Steer the sandbox."""
        reply = self._sandbox.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def status(self, method: str, path: str) -> int:
        """Call the hub's API once; returns the status of the answer."""
        return self._hub.request(method, path).status_code

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the hub's API as an operator; tries again while a service behind the gateway starts."""
        end = time.monotonic() + 20
        while True:
            reply = None
            with suppress(httpx.TransportError):
                reply = self._hub.request(method, path, json=body)
            if reply is not None and reply.is_success:
                return reply.json() if reply.content else None
            if time.monotonic() > end or (reply is not None and reply.status_code < 500):
                raise AssertionError(f"{method} {path}: {reply and reply.status_code} {reply and reply.text}")
            time.sleep(0.2)

    def requests(self) -> list[dict[str, Any]]:
        """Everything that the warehouse was asked, with what it shipped."""
        return list(self.control("GET", f"/3pl/requests?account={self.account}")["requests"])

    def orders(self) -> list[dict[str, Any]]:
        """Every order as the store knows it, with its fulfillments."""
        return list(self.control("GET", f"/shopify/{self.shop}/orders")["orders"])

    def quiet(self) -> dict[str, Any]:
        """Whether the sandbox has nothing more to tell or to do."""
        found: dict[str, Any] = self.control("GET", "/quiet")
        return found

    def webhook(self, topic: str, payload: Any) -> tuple[bytes, dict[str, str]]:
        """The bytes and headers of a signed webhook of the store."""
        body = orjson.dumps(payload)
        return body, {
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": self.shop,
            "x-shopify-hmac-sha256": signature_of(body, self._secret.encode()),
            "x-shopify-webhook-id": str(uuid4()),
            "x-shopify-event-id": str(uuid4()),
            "x-shopify-triggered-at": payload.get("updated_at") or payload.get("created_at") or "",
        }

    def _placed(self, units: dict[str, int], made: Any) -> Sold:
        body, headers = self.webhook("orders/create", made)
        ships = fnmatchcase(made["name"], self._ships)
        return Sold(self.shop, str(made["id"]), made["name"], units, body, headers, ships)

    def _connect(self, kind: str, name: str, url: str, settings: Any, given: Any, **more: Any) -> Any:
        body = {"kind": kind, "name": name, "base_url": url, "settings": settings, "secrets": given}
        return self.call("POST", "/v1/channels", body | more)


async def _send_all(
    url: str,
    traffic: Traffic,
    *,
    per_second: float = 60.0,
    times: int = 1,
    seed: int = 1,
    again: bool = True,
    halt: float = 0.0,
    anew: bool = False,
) -> None:
    """Send at a fixed rate, whatever the answers do."""
    queue = [one for one in traffic.sold for _ in range(times)]
    if times > 1:
        random.Random(seed).shuffle(queue)  # noqa: S311 - a repeatable order
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=0 if anew else 64)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=10, trust_env=False) as client:
        async with asyncio.TaskGroup() as sending:
            began = time.monotonic()
            for n, one in enumerate(queue):
                await asyncio.sleep(max(0.0, began + n / per_second - time.monotonic()))
                if traffic.stopped:
                    sent = {id(other) for other in queue[:n]}
                    traffic.sold = [other for other in traffic.sold if id(other) in sent]
                    break
                sending.create_task(_send(client, traffic, one, again, halt))


async def _in_halves(traffic: Traffic, body: bytes, halt: float) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    traffic.halted += 1
    await asyncio.sleep(halt)
    yield body[len(body) // 2 :]


async def _send(client: httpx.AsyncClient, traffic: Traffic, one: Sold, again: bool, halt: float) -> None:
    end = time.monotonic() + (PATIENCE_SECONDS if again else 0.0)
    while True:
        traffic.requests += 1
        try:
            headers = {**one.headers, "content-length": str(len(one.body))}
            content = _in_halves(traffic, one.body, halt) if halt else one.body
            reply = await client.post("/webhooks/shopify", content=content, headers=headers)
            if reply.is_success:
                traffic.accepted.setdefault(one.external_id, time.monotonic())
                return
            traffic.answers[str(reply.status_code)] += 1
        except httpx.TransportError as error:
            traffic.answers[type(error).__name__] += 1
        traffic.refused += 1
        if time.monotonic() > end:
            return
        await asyncio.sleep(RESEND_SECONDS)
