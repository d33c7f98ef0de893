"""Only what Shopify signed is let in, and each topic goes to those who need it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.channels.model import RawWebhook, Refused, Verified
from crossdock.channels.shopify import connector

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NEW, OLD = b"new secret", b"old secret"
BODY = '{"id": 9007199254740993, "total_price": "10.00", "name": "Ünïcode"}'.encode()


def signed(secret: bytes, headers: dict[str, str] | None = None, prefix: str = "x-shopify-") -> RawWebhook:
    """A delivery as Shopify signs it, with its signature computed here and not by the code under test."""
    signature = base64.b64encode(hmac.new(secret, BODY, hashlib.sha256).digest()).decode()
    given = {"hmac-sha256": signature, "topic": "orders/create", "webhook-id": "w-1", "event-id": "e-1"}
    given |= headers or {}
    return RawWebhook({prefix + name: value for name, value in given.items()}, BODY)


def verify(webhook: RawWebhook, *secrets: bytes) -> Verified | Refused:
    return connector.verify(webhook, secrets or (NEW, OLD), NOW)


@pytest.mark.parametrize("secret", [NEW, OLD])
@pytest.mark.parametrize("prefix", ["x-shopify-", "shopify-"])
def test_either_secret_in_use_is_accepted_under_both_header_names(secret: bytes, prefix: str) -> None:
    assert verify(signed(secret, prefix=prefix)) == Verified("orders/create", "w-1", "e-1", None)


def test_a_changed_byte_is_refused() -> None:
    good = signed(NEW)
    assert isinstance(verify(RawWebhook(good.headers, good.body + b" ")), Refused)


@pytest.mark.parametrize("signature", ["", "AAAA", "ünïcode", "not base64 \udcff", "A" * 10_000])
def test_a_wrong_or_missing_signature_is_refused_without_quoting_it(signature: str) -> None:
    found = verify(signed(NEW, {"hmac-sha256": signature}))
    assert isinstance(found, Refused)
    assert not signature or signature not in found.reason


def test_a_secret_that_is_no_longer_in_use_is_refused() -> None:
    assert isinstance(verify(signed(OLD), NEW), Refused)


def test_a_channel_without_secrets_lets_nothing_in() -> None:
    assert isinstance(connector.verify(signed(b""), (), NOW), Refused)


def test_a_call_of_a_callback_has_its_address_for_a_topic_and_counts_once_a_second() -> None:
    """It carries neither topic nor id, and the same body each time: as one delivery it would be heard once for ever."""
    given = signed(NEW, {"webhook-id": "", "topic": ""})
    call = RawWebhook(given.headers, given.body, "fulfillment_order_notification")
    at = [NOW, NOW + timedelta(milliseconds=400), NOW + timedelta(seconds=1)]
    found = [connector.verify(call, (NEW,), when) for when in at]
    assert all(isinstance(one, Verified) and one.topic == call.callback for one in found)
    assert found[0] == found[1] != found[2]
    assert isinstance(connector.verify(call, (OLD,), NOW), Refused)


def test_without_a_delivery_id_the_same_topic_and_body_are_the_same_delivery() -> None:
    first, again = (verify(signed(NEW, {"webhook-id": ""})) for _ in range(2))
    other = verify(signed(NEW, {"webhook-id": "", "topic": "orders/updated"}))
    assert isinstance(first, Verified)
    assert isinstance(other, Verified)
    assert first == again
    assert len(first.delivery_id) == 64
    assert first.delivery_id != other.delivery_id


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_of_the_event_is_read_when_it_can_be(told: str, meant: datetime | None) -> None:
    found = verify(signed(NEW, {"triggered-at": told}))
    assert isinstance(found, Verified)
    assert found.triggered_at == meant


@pytest.mark.parametrize(
    ("topic", "category"),
    [
        ("orders/create", "orders"),
        ("orders/updated", "orders"),
        ("orders/paid", "orders"),
        ("orders/cancelled", "orders"),
        ("orders/fulfilled", "orders"),
        ("orders/partially_fulfilled", "orders"),
        ("orders/edited", "orders"),
        ("orders/delete", "orders"),
        ("refunds/create", "orders"),
        ("order_transactions/create", "orders"),
        ("orders/link_requested", None),
        ("orders/risk_assessment_changed", None),
        ("orders/shopify_protect_eligibility_changed", None),
        ("products/create", "catalog"),
        ("products/update", "catalog"),
        ("products/delete", "catalog"),
        ("inventory_levels/update", "stock"),
        ("inventory_items/delete", "stock"),
        ("app/uninstalled", "channel"),
        ("app/scopes_update", "channel"),
        ("shop/update", "channel"),
        ("shop/redact", "channel"),
        ("customers/data_request", "channel"),
        ("customers/redact", "channel"),
        ("customers/create", None),
        ("fulfillments/create", None),
        ("fulfillment_orders/order_routing_complete", None),
        ("fulfillment_orders/moved", "orders"),
        ("fulfillment_orders/placed_on_hold", "orders"),
        ("fulfillment_orders/fulfillment_request_submitted", "orders"),
        ("orders_to_redact", None),
        ("", None),
    ],
)
def test_topics_go_to_those_who_need_them(topic: str, category: str | None) -> None:
    assert connector.category(topic) == category
