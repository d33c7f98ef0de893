"""For tests: a sandbox under uvicorn on a free loopback port, a client of it, and a receiver of its webhooks."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI


@dataclass
class Received:
    """One webhook as it arrived."""

    headers: httpx.Headers
    body: bytes


@dataclass
class Receiver:
    """Where webhooks go. `reply` decides the status code from how many came before."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    reply: Callable[[int], int] = lambda _count: 200

    def topics(self) -> list[str]:
        """The topics in the order of arrival."""
        return [one.headers.get("X-Shopify-Topic", "") for one in self.received]


@dataclass
class Sandbox:
    """A running sandbox and a client for it."""

    url: str
    http: httpx.Client
    shop: str = "one.example.com"

    def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Call /_control and expect success."""
        reply = self.http.request(method, f"/_control/{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def look(self, path: str) -> Any:
        """Read from /_control."""
        return self.control(path, method="GET")

    def store(self, **more: Any) -> Any:
        """Make the store that tests use."""
        return self.control("shopify/stores", {"domain": self.shop, "token": "token", "secret": "secret"} | more)

    def product(self, *skus: str | None, **more: Any) -> Any:
        """Make a product with one variant per SKU."""
        variants = [{"sku": sku, "title": f"Size {index}"} for index, sku in enumerate(skus)]
        return self.control(f"shopify/{self.shop}/products", {"title": "Shirt", "variants": variants} | more)

    def order(self, *lines: dict[str, Any], **more: Any) -> Any:
        """Place an order."""
        return self.control(f"shopify/{self.shop}/orders", {"lines": list(lines)} | more)

    def post(self, query: str, variables: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """One GraphQL request."""
        version, token = more.pop("version", "2026-10"), more.pop("token", "token")
        return self.http.post(
            f"/shopify/{self.shop}/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables or {}} | more,
            headers={"X-Shopify-Access-Token": token},
        )

    def graphql(self, query: str, variables: dict[str, Any] | None = None, **more: Any) -> Any:
        """The data of a GraphQL request that succeeds."""
        reply = self.post(query, variables, **more)
        assert reply.status_code == 200, reply.text
        assert "errors" not in reply.json(), reply.text
        return reply.json()["data"]

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        eventually(lambda: self.look("quiet")["quiet"])


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.01)


def serve(app: FastAPI) -> Iterator[str]:
    """Run an app under uvicorn in a thread; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()
