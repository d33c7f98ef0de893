"""A subscriber of the public events: a queue of its own, bound to all of them, as an internal team would have one."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson

from crossdock.testing.system import System

QUEUE = "overheard"


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as the subscriber got it."""

    message_id: str
    type: str
    order_id: str
    content: dict[str, Any]


class Subscriber:
    """Keeps every message of the public exchange from now on until `leave`."""

    def __init__(self, system: System) -> None:
        self._base = f"{system.management_url}/api"
        vhost = urlsplit(system.stack.servers.broker.amqp_url).path.lstrip("/") or "/"
        self._vhost = quote(vhost, safe="")
        self._call("PUT", f"queues/{self._vhost}/{QUEUE}", {"durable": True})
        self._call("POST", f"bindings/{self._vhost}/e/events/q/{QUEUE}", {"routing_key": "#"})

    def text(self) -> str:
        """All that was heard: properties, headers and bodies."""
        asked = {"count": 100_000, "ackmode": "ack_requeue_true", "encoding": "auto"}
        return self._call("POST", f"queues/{self._vhost}/{QUEUE}/get", asked).text

    def heard(self) -> list[Heard]:
        """Every message heard, as often as it came."""
        return [
            Heard(
                one["properties"]["message_id"],
                one["properties"]["type"],
                one["properties"].get("correlation_id", ""),
                orjson.loads(one["payload"]),
            )
            for one in orjson.loads(self.text())
        ]

    def leave(self) -> None:
        """Give the queue up."""
        self._call("DELETE", f"queues/{self._vhost}/{QUEUE}")

    def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, f"{self._base}/{path}", json=body, timeout=30, trust_env=False).raise_for_status()
