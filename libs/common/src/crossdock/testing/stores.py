"""Stores and warehouses of the sandbox, connected as people connect them to a hub that runs, and read from outside.

Nothing here looks into a database: outcomes are what the gateway's API, the command line, the store and the warehouse
say.
"""

import os
import secrets
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from crossdock.testing.shared import take_live
from crossdock.testing.system import System
from crossdock.testing.waiting import eventually

PLENTY_OF_POINTS = {"maximum": 1e9, "restore": 1e9, "available": 1e9}
"""Shopify's budget would make tests wait; how it is kept has tests of its own."""

CLOCK_SPEED = 10
"""Seconds of the sandbox in one of a test: an access token of an hour lasts six minutes."""

SOON = 1.0
"""Sandbox seconds after which a warehouse ships: a tenth of a second of a test."""


class Hub:
    """A hub that runs, and the sandbox beside it."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.url = system.stack.gateway_url
        self._folder = folder
        self._key = system.stack.secret("api key")
        headers = {"authorization": f"Bearer {self._key}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)
        self._sandbox = httpx.Client(base_url=f"{system.stack.sandbox_url}/_control", timeout=60, trust_env=False)
        self.control("POST", "/clock", {"speed": CLOCK_SPEED})

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self._sandbox.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Steer the sandbox, or look into it."""
        reply = self._sandbox.request(method, path, json=body)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call the gateway's API as an admin."""
        reply = self.client.request(method, path, json=body, params=query)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def get(self, path: str, **query: Any) -> Any:
        """Read something from the gateway's API."""
        return self.call("GET", path, **query)

    def crossdock(self, *arguments: str, code: int = 0, **secrets_: str) -> str:
        """Run the command line as a person does, and see it exit with `code`; returns what it said."""
        reach = {"CROSSDOCK_URL": self.url, "CROSSDOCK_API_KEY": self._key, "COLUMNS": "2000"}
        done = subprocess.run(
            [sys.executable, "-m", "crossdock.cli.main", *arguments],
            cwd=self._folder, env=os.environ | reach | secrets_,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments} exited with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def warehouse(self, *, ships: bool = True) -> "Warehouse":
        """A warehouse of its own, connected; unless it `ships`, it takes requests and leaves them lying."""
        return Warehouse(self, ships)

    def store(self, name: str, **how: Any) -> "Store":
        """A store of its own in the sandbox, not connected yet."""
        return Store(self, name, **how)

    def count(self, sku: str, units: int) -> None:
        """Count stock."""
        self.call("PUT", f"/v1/stock/{sku}", {"on_hand": units})

    def stock(self, sku: str) -> tuple[int, int]:
        """Units on hand and reserved."""
        [level] = self.get("/v1/stock", sku=sku)
        return level["on_hand"], level["reserved"]

    def ledger(self, sku: str) -> list[tuple[str, int]]:
        """What moved, oldest first: kind and units."""
        rows = self.get(f"/v1/stock/{sku}/ledger")
        return [(row["kind"], row["quantity"]) for row in sorted(rows, key=lambda row: str(row["at"]))]

    def typed_channel(self, name: str, warehouse: "Warehouse") -> str:
        """A live channel of orders that people give; its id."""
        settings = {"destination": warehouse.channel_id}
        made = self.call("POST", "/v1/channels", {"kind": "manual", "name": name, "settings": settings})
        self.take_live(made["id"])
        return str(made["id"])

    def take_live(self, channel_id: str) -> None:
        """Take a channel live with all its orders, as soon as order-ingest has heard of it."""
        take_live(self.client, channel_id)

    def order(self, channel_id: str, number: str) -> dict[str, Any] | None:
        """An order by the number that its channel calls it, with its timeline; None when it is not there."""
        found = self.get("/v1/orders", channel=channel_id, number=number, limit=2)["orders"]
        return None if not found else dict(self.get(f"/v1/orders/{found[0]['order_id']}"))

    def ends(self, channel_id: str, number: str, *statuses: str, seconds: float = 45.0) -> dict[str, Any]:
        """An order once it has one of these statuses."""
        wanted = " or ".join(statuses)
        return self.until(channel_id, number, lambda seen: seen["status"] in statuses, wanted, seconds)

    def until(
        self,
        channel_id: str,
        number: str,
        holds: Callable[[dict[str, Any]], Any],
        what: str,
        seconds: float = 45.0,
    ) -> dict[str, Any]:
        """An order once something holds of it; `what` says what."""
        end = time.monotonic() + seconds
        while (seen := self.order(channel_id, number)) is None or not holds(seen):
            if time.monotonic() > end:
                told = "nowhere" if seen is None else f"{seen['status']}: {sentences(seen)} {story(seen)}"
                raise AssertionError(f"{number} never came to this within {seconds:g} s: {what}; it is {told}")
            time.sleep(0.2)
        return seen


class Warehouse:
    """One account of the sandbox's 3PL, and its channel."""

    def __init__(self, hub: Hub, ships: bool) -> None:
        self._hub = hub
        self.name = f"warehouse-{secrets.token_hex(3)}"
        token, secret = secrets.token_hex(16), "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        account = {
            "name": self.name,
            "token": token,
            "secret": secret,
            "behaviour": {"ship_after": SOON if ships else None},
        }
        hub.control("POST", "/3pl/accounts", account)
        made = hub.call("POST", "/v1/channels", {
            "kind": "generic", "name": self.name, "base_url": f"{hub.system.stack.sandbox_url}/3pl",
            "settings": {"role": "destination"}, "secrets": {"api_key": token, "webhook_secret": secret},
        })  # fmt: skip
        self.channel_id = str(made["id"])
        hub.call("PATCH", f"/v1/channels/{self.channel_id}", {"mode": "live"})
        hub.control("PATCH", f"/3pl/accounts/{self.name}", {"callback_url": f"{hub.url}{made['webhook_path']}"})

    def behave(self, number: str, **behaviour: Any) -> None:
        """How it treats the requests for an order; `*`: all that have no behaviour of their own."""
        body = {"match": number, "behaviour": behaviour}
        self._hub.control("POST", f"/3pl/accounts/{self.name}/behaviour", body)

    def asked(self, number: str) -> list[dict[str, Any]]:
        """Every request for an order, oldest first, with what was shipped of it."""
        found = self._hub.control("GET", f"/3pl/requests?account={self.name}")["requests"]
        return [one for one in found if one["order_number"] == number]

    def ship(self, request: Mapping[str, Any], **what: Any) -> None:
        """Ship what is left of a request, or the `packages` that are named."""
        self._hub.control("POST", f"/3pl/requests/{request['id']}/ship", what)

    def units(self, number: str) -> list[dict[str, int]]:
        """What each request for an order asked for: units by SKU."""
        found = []
        for request in self.asked(number):
            units: Counter[str] = Counter()
            for one in request["lines"]:
                units[one["sku"]] += one["quantity"]
            found.append(dict(units))
        return found

    def takes(self, number: str) -> None:
        """Wait until it was asked for an order."""
        eventually(lambda: self.asked(number))


class Store:
    """One store of the sandbox, with the API calls and clicks of its merchant."""

    def __init__(self, hub: Hub, name: str, *, locations: Sequence[str] = ("Main",), **more: Any) -> None:
        self._hub = hub
        run = secrets.token_hex(3)
        self.name, self.domain = f"{name} {run}", f"{name.lower().replace(' ', '-')}-{run}.myshopify.com"
        self.channel_id = ""
        self.token, self.secret = secrets.token_hex(16), secrets.token_hex(16)
        self.base_url = f"{hub.system.stack.sandbox_url}/shopify/{self.domain}"
        self.client_id = f"app-{run}"
        body = {"domain": self.domain, "token": self.token, "secret": self.secret, "client_id": self.client_id}
        hub.control("POST", "/shopify/stores", body | {"locations": [{"name": one} for one in locations]} | more)
        hub.control("PATCH", f"/shopify/{self.domain}", {"bucket": PLENTY_OF_POINTS})

    def connect(self, warehouse: Warehouse, *, live: bool = True, **settings: Any) -> "Store":
        """Connect it with a pasted token and let the hub subscribe to its webhooks; it observes unless it goes live."""
        made = self._hub.call("POST", "/v1/channels", {
            "kind": "shopify", "name": self.name, "shop": self.domain, "base_url": self.base_url,
            "settings": {"destination": warehouse.channel_id} | settings,
            "secrets": {"access_token": self.token, "webhook_secret": self.secret},
        })  # fmt: skip
        self.channel_id = str(made["id"])
        self.subscribe()
        eventually(self._is_known, 30)
        if live:
            self._hub.take_live(self.channel_id)
        return self

    def _is_known(self) -> bool:
        known = self._hub.get("/v1/services/order-ingest/integrations")["integrations"]
        return any(one["channel_id"] == self.channel_id for one in known)

    def subscribe(self) -> None:
        """Let the hub subscribe to what it lacks, once no other check is at it."""

        def is_repaired() -> bool:
            reply = self._hub.client.post(f"/v1/channels/{self.channel_id}/repair")
            assert reply.status_code in (200, 409), reply.text
            return reply.status_code == 200 and reply.json()["ok"]

        eventually(is_repaired, 30)

    def product(self, sku: str, units: int | None = None, **more: Any) -> dict[str, Any]:
        """A product of one variant, which the hub knows by its webhook; `units` are counted in the hub."""
        if units is not None:
            self._hub.count(sku, units)
        about = {"channel": self.channel_id, "sku": sku}
        known = len(self._hub.get("/v1/listings", **about)) if sku else 0
        variant = {"title": sku, "sku": sku, "price": "10.00"} | more
        made = self.control("POST", "/products", {"title": sku or "Nameless", "variants": [variant]})
        if sku:
            eventually(lambda: len(self._hub.get("/v1/listings", **about)) > known)
        return dict(made)

    def sell(self, *lines: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """An order of which the store tells by its webhooks; the payload."""
        return dict(self.control("POST", "/orders", {"lines": list(lines)} | more))

    def act(self, order: Mapping[str, Any], what: str, **body: Any) -> Any:
        """The merchant does something with an order: pay, cancel, edit, refund, change, assign …"""
        return self.control("POST", f"/orders/{order['id']}/{what}", body)

    def look(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """An order as the store knows it, with its fulfillments."""
        return dict(self.control("GET", f"/orders/{order['id']}"))

    def told(self, order: Mapping[str, Any]) -> list[str]:
        """The tracking numbers that the store knows of an order, once it knows one."""
        return eventually(lambda: tracking(self.look(order)))

    def location(self, name: str) -> str:
        """The id of a location."""
        return next(str(one["id"]) for one in self.control("GET", "")["locations"] if one["name"] == name)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Steer this store."""
        return self._hub.control(method, f"/shopify/{self.domain}{path}", body)

    def ends(self, order: Mapping[str, Any], *statuses: str, seconds: float = 45.0) -> dict[str, Any]:
        """The hub's view of an order once it has one of these statuses."""
        return self._hub.ends(self.channel_id, str(order["name"]), *statuses, seconds=seconds)

    def id_of(self, order: Mapping[str, Any]) -> str:
        """The hub's id of an order that it knows."""
        seen = self.view(order)
        assert seen is not None, f"{order['name']} is not there"
        return str(seen["order_id"])

    def view(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        """The hub's view of an order as it is."""
        return self._hub.order(self.channel_id, str(order["name"]))

    def until(self, order: Mapping[str, Any], holds: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The hub's view of an order once something holds of it; `what` says what."""
        return self._hub.until(self.channel_id, str(order["name"]), holds, what)


def line(sku: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """A line of an order in a store."""
    return {"sku": sku, "quantity": quantity} | more


def sentences(view: Mapping[str, Any]) -> list[str]:
    """Why an order waits, as the operator reads it."""
    return [str(hold["sentence"]) for hold in view["holds"]]


def story(view: Mapping[str, Any]) -> list[str]:
    """The sentences of an order's timeline, oldest first."""
    return [str(entry["sentence"]) for entry in view["timeline"]]


def tracking(order: Mapping[str, Any]) -> list[str]:
    """The tracking numbers that a store knows of an order."""
    return [number for one in order["fulfillments"] for number in one["tracking_numbers"]]
