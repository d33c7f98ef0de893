"""Steers the sandbox: stores, products, orders, and how the warehouse behaves."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from crossdock.cli.client import CannotCall

TOPICS = ("orders/create", "orders/updated", "orders/paid", "orders/cancelled", "products/create", "products/update",
          "refunds/create", "app/uninstalled")  # fmt: skip


@dataclass(frozen=True, slots=True)
class SandboxOrder:
    """An order in a simulated store; `name` is what people call it."""

    shop: str
    name: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Shop:
    """A simulated store and the secrets that the hub must know."""

    domain: str
    token: str
    secret: str


class Sandbox:
    """The simulators behind a URL."""

    def __init__(self, url: str, gateway_url: str) -> None:
        self.url = url
        self._gateway = gateway_url
        self._http = httpx.Client(base_url=f"{url}/_control", timeout=20, trust_env=False)
        self.run = secrets.token_hex(3)

    def open_shop(self, name: str, currency: str) -> Shop:
        """A store that sends its webhooks to the gateway."""
        shop = Shop(f"{name}-{self.run}.myshopify.com", secrets.token_hex(16), secrets.token_hex(16))
        subscription = {"uri": f"{self._gateway}/webhooks/shopify", "topics": list(TOPICS)}
        body = {"domain": shop.domain, "token": shop.token, "secret": shop.secret, "name": name, "currency": currency}
        self._send("POST", "/shopify/stores", body | {"locations": [{"name": "Main"}], "subscriptions": [subscription]})
        return shop

    def open_warehouse(self, name: str) -> tuple[str, str]:
        """A 3PL account; returns its access token and the secret of its notices. `call_back` says where they go."""
        token = secrets.token_hex(16)
        secret = "whsec_" + _base64(secrets.token_bytes(32))
        self._account = f"{name}-{self.run}"
        behaviour = {"ship_after": 0.5, "packages": 1, "carrier": "UPS"}
        body = {"name": self._account, "token": token, "secret": secret, "behaviour": behaviour}
        self._send("POST", "/3pl/accounts", body | {"callback_url": f"{self._gateway}/webhooks/generic/none"})
        return token, secret

    def call_back(self, path: str) -> None:
        """Where the warehouse sends its notices."""
        self._send("PATCH", f"/3pl/accounts/{self._account}", {"callback_url": f"{self._gateway}{path}"})

    def add_product(self, shop: Shop, product: Mapping[str, Any]) -> None:
        """A product; its webhook is sent."""
        self._send("POST", f"/shopify/{shop.domain}/products", dict(product))

    def place(self, shop: Shop, body: Mapping[str, Any]) -> SandboxOrder:
        """An order of which nobody was told yet."""
        made = self._send("POST", f"/shopify/{shop.domain}/orders", dict(body) | {"webhooks": []})
        return SandboxOrder(shop.domain, made["name"], str(made["id"]))

    def behave(self, order: SandboxOrder, behaviour: Mapping[str, Any]) -> None:
        """How the warehouse treats one order."""
        body = {"match": order.name, "behaviour": dict(behaviour)}
        self._send("POST", f"/3pl/accounts/{self._account}/behaviour", body)

    def tell(self, order: SandboxOrder, topic: str, payload: Any = None) -> None:
        """Send a webhook about an order, as it is now unless a payload is given."""
        body = {"topic": topic} | ({"order": _bare(order)} if payload is None else {"body": payload})
        self._send("POST", f"/shopify/{order.shop}/webhooks", body)

    def payload(self, order: SandboxOrder) -> Any:
        """The order as the store's webhooks tell it, with the fulfillments that the store knows."""
        found = self._send("GET", f"/shopify/{order.shop}/orders/{_bare(order)}")
        return {key: value for key, value in found.items() if key != "fulfillment_orders"}

    def change(self, order: SandboxOrder, **changes: Any) -> None:
        """Change an order without telling anybody."""
        self._send("POST", f"/shopify/{order.shop}/orders/{_bare(order)}/change", changes | {"webhooks": []})

    def misbehave(self, shop: str, **how: Any) -> None:
        """How the store's webhooks go wrong."""
        self._send("PUT", f"/misbehaviour/{quote(f'shopify:{shop}', safe='')}", how)

    def requests(self) -> list[dict[str, Any]]:
        """What the warehouse was asked, with its shipments."""
        found = self._send("GET", f"/3pl/requests?account={self._account}")
        return list(found["requests"] if isinstance(found, dict) else found)

    def cancel_when_requested(self, order: SandboxOrder, seconds: float = 20.0) -> None:
        """Cancel an order in its store as soon as the warehouse has it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(request["order_number"] == order.name for request in self.requests()):
                break
            time.sleep(0.1)
        self._send("POST", f"/shopify/{order.shop}/orders/{_bare(order)}/cancel", {"reason": "customer"})

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        try:
            reply = self._http.request(method, path, json=body)
        except httpx.HTTPError as problem:
            raise CannotCall(f"The sandbox at {self.url} does not answer ({type(problem).__name__}).") from None
        if not reply.is_success:
            raise CannotCall(f"The sandbox answered {reply.status_code} to {method} {path}: {reply.text[:300]}")
        return reply.json() if reply.content else None


def _bare(order: SandboxOrder) -> str:
    return quote(order.name.lstrip("#"), safe="")


def _base64(data: bytes) -> str:
    from base64 import b64encode

    return b64encode(data).decode()
