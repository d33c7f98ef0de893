"""What the demonstration's store had before the hub: orders that an import brings in, and a change that nobody told."""

from typing import Any

from rich.console import Console

from crossdock.cli.client import Client
from crossdock.cli.commands.runs import follow, runs_table
from crossdock.cli.demo.kinds import MUG, SHIRT
from crossdock.cli.demo.patience import patiently
from crossdock.cli.demo.sandbox import Sandbox, SandboxOrder, Shop

OLD_ORDERS = 6
SHIPPED_SECONDS = 45.0


class History:
    """Old orders of one store."""

    def __init__(self, client: Client, sandbox: Sandbox, console: Console) -> None:
        self._client = client
        self._sandbox = sandbox
        self._console = console
        self._orders: list[SandboxOrder] = []

    def place(self, shop: Shop) -> None:
        """Sold before the store is connected, so that no webhook and no poll ever tells of them."""
        for number in range(OLD_ORDERS):
            sku = SHIRT if number % 2 else MUG
            line = {"custom": True, "sku": sku, "title": "Sold earlier", "quantity": 1, "price": "9.00"}
            self._orders.append(self._sandbox.place(shop, {"lines": [line | {"requires_shipping": True}]}))

    def bring_in(self, channel_id: str) -> list[str]:
        """Import everything unfulfilled; what went wrong."""
        body = {"channel_id": channel_id, "request": {"unfulfilled": True}, "accept_limits": True}
        started = self._client.call("POST", "/v1/backlog", body)
        run = follow(self._client, "order-ingest", started["run_id"], self._console)
        runs_table(self._console, [run])
        wrong = [] if run["state"] == "finished" else [f"the import is {run['state']}: {run['problem']}"]
        if run["imported"] != OLD_ORDERS:
            wrong.append(f"{run['imported']} orders were new instead of {OLD_ORDERS}")
        return [*wrong, *patiently(lambda: self._not_shipped(channel_id), SHIPPED_SECONDS)]

    def read_again(self, channel_id: str) -> list[str]:
        """Change an old order without telling anybody, and start the daily re-fetch; what went wrong."""
        changed = self._orders[0]
        self._sandbox.change(changed, shipping_address={"city": "Elsewhere", "address1": "1 Example Street"})
        listed = self._client.get("/v1/services/order-ingest/integrations")["integrations"]
        [daily] = [one for one in listed if one["channel_id"] == channel_id and one["kind"] == "daily_refetch"]
        path = f"/v1/services/order-ingest/integrations/{daily['integration_id']}/start"
        run = follow(self._client, "order-ingest", self._client.call("POST", path)["run_id"], self._console)
        runs_table(self._console, [run])
        if run["state"] != "finished":
            return [f"the daily re-fetch is {run['state']}: {run['problem']}"]
        [order_id] = [one["order_id"] for one in self._listed(channel_id) if one["number"] == changed.name]
        return list(patiently(lambda: self._not_moved(changed.name, order_id), SHIPPED_SECONDS))

    def _not_moved(self, name: str, order_id: str) -> list[str]:
        """A store's times have whole seconds: a change in the second of another is read once more, after the run."""
        address = self._client.get(f"/v1/orders/{order_id}/recipient")["recipient"]["address"]
        return [] if address.get("city") == "Elsewhere" else [f"the new address of {name} was not found"]

    def _not_shipped(self, channel_id: str) -> list[str]:
        states = {order["number"]: order["status"] for order in self._listed(channel_id)}
        left = [order.name for order in self._orders if states.get(order.name) != "shipped"]
        return [f"{name} is {states.get(name, 'missing')}, not shipped" for name in left]

    def _listed(self, channel_id: str) -> list[dict[str, Any]]:
        return list(self._client.get("/v1/orders", channel=channel_id, limit=200)["orders"])
