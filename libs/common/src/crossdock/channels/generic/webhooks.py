"""Signed webhooks of 3PLs and other systems, as the Standard Webhooks specification signs them."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from crossdock.channels.model import RawWebhook, Refused, Verified
from crossdock.channels.reading import Bad, moment, read_json, text

TOLERANCE_SECONDS = 300
"""A signature older or newer than this is refused (Standard Webhooks: five minutes)."""

NOTICES = {
    "shipment.dispatched": "dispatched",
    "shipment.voided": "voided",
    "shipment.delivered": "delivered",
    "request.accepted": "accepted",
    "request.rejected": "rejected",
    "request.cancelled": "cancelled",
}


def category_of(topic: str) -> str | None:
    """`fulfillment` for the notices that a destination sends, and for a body that does not say what it is (no JSON,
    or without a type): its reader parks it with the reason. Otherwise None."""
    return "fulfillment" if topic in NOTICES or not topic else None


def signature_of(secret: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; a `whsec_` secret is base64 of its key."""
    signed = webhook_id.encode("utf-8", "replace") + b"." + timestamp.encode("utf-8", "replace") + b"." + body
    return "v1," + base64.b64encode(hmac.digest(_key_of(secret), signed, "sha256")).decode()


def _key_of(secret: bytes) -> bytes:
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return secret


def verify_webhook(webhook: RawWebhook, secrets: Sequence[bytes], now: datetime) -> Verified | Refused:
    """Check id, time and signature; the header may hold several signatures and the channel several secrets."""
    if not secrets:
        return Refused("the channel has no webhook secret: set one")
    webhook_id = webhook.headers.get("webhook-id", "").strip()
    timestamp = webhook.headers.get("webhook-timestamp", "").strip()
    given = [one.encode("utf-8", "replace") for one in webhook.headers.get("webhook-signature", "").split()]
    if not webhook_id or not timestamp or not given:
        return Refused("the delivery lacks one of the headers webhook-id, webhook-timestamp, webhook-signature")
    if len(webhook_id) > 200:
        return Refused("the header webhook-id is longer than 200 characters")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return Refused("the header webhook-timestamp is no time in seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return Refused(f"the signature is more than {TOLERANCE_SECONDS // 60} minutes old or ahead: check the clocks")
    wanted = [signature_of(secret, webhook_id, timestamp, webhook.body).encode() for secret in secrets]
    matches = [hmac.compare_digest(ours, theirs) for ours in wanted for theirs in given[:20]]
    if not any(matches):
        return Refused("the signature does not match the body with any secret of the channel")
    topic, at = _topic_and_time(webhook.body)
    return Verified(topic=topic, delivery_id=webhook_id, event_id=None, triggered_at=at)


def _topic_and_time(body: bytes) -> tuple[str, datetime | None]:
    """The `type` and `occurred_at` of the body; blank when it cannot be read, which `parse` then says."""
    try:
        payload: Any = read_json(body)
        if not isinstance(payload, dict):
            return "", None
        topic = text(payload.get("type") or payload.get("event"), 100).strip().lower()
        return topic, moment(payload.get("occurred_at"), "occurred_at")
    except Bad:
        return "", None
