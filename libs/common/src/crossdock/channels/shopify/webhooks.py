"""Shopify webhooks: their signature, their key for duplicates, and who needs which topic."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from crossdock.channels.model import RawWebhook, Refused, Verified
from crossdock.channels.reading import Bad, moment

_WITHOUT_AN_ORDER = frozenset(
    {"orders/link_requested", "orders/risk_assessment_changed", "orders/shopify_protect_eligibility_changed"}
)
_CHANNEL = frozenset(
    {
        "app/uninstalled",
        "app/scopes_update",
        "shop/update",
        "shop/redact",
        "customers/data_request",
        "customers/redact",
    }
)
ROUTE_TOPICS = frozenset(
    f"fulfillment_orders/{what}"
    for what in (
        "moved",
        "split",
        "merged",
        "cancelled",
        "placed_on_hold",
        "hold_released",
        "rescheduled",
        "scheduled_fulfillment_order_ready",
        "fulfillment_request_submitted",
        "cancellation_request_submitted",
    )
)
"""After these an order's fulfillment orders are read again. `order_routing_complete` is none of them: it comes for
every order, and one that waits for its routes is read again anyway."""
_BY_RESOURCE = {
    "orders": "orders",
    "products": "catalog",
    "inventory_levels": "stock",
    "inventory_items": "stock",
}


REQUEST_NOTICE = "fulfillment_order_notification"
"""What Shopify calls below the callback address of a fulfillment service when something is requested of it."""


def category_of(topic: str) -> str | None:
    """Who needs a topic: `orders`, `catalog`, `stock`, `channel`, or None.

    `fulfillments/*` are None: they are echoes of our own writes, or of what the order's own update tells. Of
    `fulfillment_orders/*` those count that change who ships what, or when. Ship notices of destinations are the only
    `fulfillment`.
    """
    if topic in _WITHOUT_AN_ORDER:
        return None
    if topic in _CHANNEL:
        return "channel"
    if topic in ROUTE_TOPICS or topic in ("refunds/create", "order_transactions/create", REQUEST_NOTICE):
        return "orders"
    return _BY_RESOURCE.get(topic.partition("/")[0])


def signature_of(body: bytes, secret: bytes) -> str:
    """base64(HMAC-SHA256(secret, raw body)): what Shopify puts into X-Shopify-Hmac-Sha256."""
    return base64.b64encode(hmac.digest(secret, body, "sha256")).decode()


def verify_webhook(webhook: RawWebhook, secrets: Sequence[bytes], now: datetime) -> Verified | Refused:
    """Check the signature with every secret that may be in use: after a rotation Shopify signs with the old one for
    up to an hour. Headers may start with `x-shopify-` or, as of the newer Events, with `shopify-`.

    What comes to a callback has neither topic nor id, and says the same each time: it counts once a second."""
    if not secrets:
        return Refused("the channel has no webhook secret: set one")
    given = _header(webhook.headers, "hmac-sha256").encode("utf-8", "replace")
    if not given:
        return Refused("the delivery has no X-Shopify-Hmac-Sha256 header")
    matches = [hmac.compare_digest(signature_of(webhook.body, secret).encode(), given) for secret in secrets]
    if not any(matches):
        return Refused("the signature does not match the body with any secret of the channel")
    topic = webhook.callback or _header(webhook.headers, "topic").lower()[:100]
    delivery_id = _header(webhook.headers, "webhook-id")[:200]
    when = now.isoformat(timespec="seconds") if webhook.callback else ""
    return Verified(
        topic=topic,
        delivery_id=delivery_id or hashlib.sha256(f"{topic}\n{when}".encode() + webhook.body).hexdigest(),
        event_id=_header(webhook.headers, "event-id")[:200] or None,
        triggered_at=_triggered_at(webhook.headers),
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    return (headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}") or "").strip()


def _triggered_at(headers: Mapping[str, str]) -> datetime | None:
    try:
        return moment(_header(headers, "triggered-at"), "triggered-at")
    except Bad:
        return None
