"""Signs a store's webhooks with the app secret and hands them to the courier, one per subscription of the topic."""

import base64
import hashlib
import hmac
import uuid
from datetime import datetime
from typing import Any

import orjson

from sandbox.delivery import Delivery
from sandbox.shopify.filtering import passes
from sandbox.shopify.payloads import picked
from sandbox.shopify.state import Store, Subscription
from sandbox.world import World


def source_of(store: Store) -> str:
    """The courier's name for a store."""
    return f"shopify:{store.domain}"


def signature(secret: str, body: bytes) -> str:
    """`X-Shopify-Hmac-Sha256`: base64 of HMAC-SHA256 over the raw bytes."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def topic_enum(topic: str) -> str:
    """`ORDERS_CREATE` for `orders/create`."""
    return topic.replace("/", "_").upper()


class Event:
    """One thing that a merchant or buyer did; all webhooks it causes share its `X-Shopify-Event-Id`."""

    def __init__(self, world: World, store: Store, at: datetime) -> None:
        self.id = str(uuid.UUID(int=world.rng.getrandbits(128), version=4))
        self.world, self.store, self.at = world, store, at

    def heard(self, topic: str) -> bool:
        """Whether anyone subscribes to `topic`."""
        return any(one.topic == topic_enum(topic) for one in self.store.subscriptions.values())

    def emit(self, topic: str, body: dict[str, Any], subject: str) -> list[Delivery]:
        """Send `body` to every subscription of `topic` (`orders/create`)."""
        return [
            self._send(subscription, topic, body, subject)
            for subscription in list(self.store.subscriptions.values())
            if subscription.topic == topic_enum(topic) and passes(subscription.filter, body)
        ]

    def _send(self, subscription: Subscription, topic: str, body: dict[str, Any], subject: str) -> Delivery:
        store, world = self.store, self.world
        cut = picked(body, subscription.include_fields) if subscription.include_fields else body
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": store.domain,
            "X-Shopify-API-Version": store.settings.webhook_version,
            "X-Shopify-Webhook-Id": str(uuid.UUID(int=world.rng.getrandbits(128), version=4)),
            "X-Shopify-Event-Id": self.id,
            "X-Shopify-Triggered-At": self.at.isoformat().replace("+00:00", "Z"),
        }
        if subscription.name:
            headers["X-Shopify-Name"] = subscription.name

        def sign(raw: bytes, _at: datetime) -> dict[str, str]:
            how = world.courier.of(source_of(store)).sign_with
            secret = {"old": store.old_secret or store.secret, "wrong": f"not-{store.secret}"}.get(how, store.secret)
            return {"X-Shopify-Hmac-Sha256": signature(secret, raw)}

        def forget() -> None:
            if subscription.by_api:
                store.subscriptions.pop(subscription.id, None)

        return world.courier.send(
            Delivery(
                id=headers["X-Shopify-Webhook-Id"],
                source=source_of(store),
                topic=topic,
                subject=subject,
                url=subscription.uri,
                body=orjson.dumps(cut),
                headers=headers,
                sign=sign,
                on_failed=forget,
            )
        )
