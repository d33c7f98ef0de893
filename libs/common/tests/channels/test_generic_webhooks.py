"""Notices of a 3PL are let in only when signed as Standard Webhooks asks, and say what left, came back or stopped."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crossdock.channels.generic import connector
from crossdock.channels.model import (
    Ignored,
    NoticePackage,
    NoticePackageLine,
    Parsed,
    RawWebhook,
    Refused,
    ShipNotice,
    Unreadable,
    Verified,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY, OLD_KEY = b"a made-up key of the test", b"the key before"
SECRET, OLD_SECRET = (b"whsec_" + base64.b64encode(key) for key in (KEY, OLD_KEY))
NOTICE = {
    "type": "shipment.dispatched",
    "occurred_at": "2026-11-20T11:59:58.500Z",
    "request_id": "REQ-1",
    "reference": "0190-order:1",
    "shipment_id": "SHP-1",
    "packages": [
        {
            "package_ref": "PKG-1",
            "carrier": "UPS",
            "service": "Ground",
            "tracking_number": "1ZTEST",
            "tracking_url": "https://track.example.com/1ZTEST",
            "lines": [{"line_id": "L1", "sku": "SKU-A", "quantity": 2}],
        }
    ],
}


def signed(body: bytes, key: bytes = KEY, at: datetime = NOW, also: str = "") -> RawWebhook:
    """A delivery as the specification signs it, computed here and not by the code under test."""
    timestamp = str(int(at.timestamp()))
    mac = hmac.new(key, b"msg_1." + timestamp.encode() + b"." + body, hashlib.sha256).digest()
    signature = f"{also} v1,{base64.b64encode(mac).decode()}".strip()
    return RawWebhook({"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": signature}, body)


def verify(webhook: RawWebhook, *secrets: bytes) -> Verified | Refused:
    return connector.verify(webhook, secrets or (SECRET, OLD_SECRET), NOW)


def read(payload: Any, topic: str = "") -> Parsed:
    (found,) = connector.parse(topic or payload.get("type", ""), json.dumps(payload).encode())
    return found


def test_a_signed_notice_is_verified_with_its_topic_id_and_time() -> None:
    at = datetime(2026, 11, 20, 11, 59, 58, 500_000, tzinfo=UTC)
    assert verify(signed(json.dumps(NOTICE).encode())) == Verified("shipment.dispatched", "msg_1", None, at)


@pytest.mark.parametrize("also", ["", "v1,AAAA", "v1a,whatever v1,BBBB"])
@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_any_of_several_signatures_and_secrets_is_enough(key: bytes, also: str) -> None:
    assert isinstance(verify(signed(b"{}", key, also=also)), Verified)


def test_a_secret_may_be_given_as_its_raw_key() -> None:
    assert isinstance(verify(signed(b"{}"), KEY), Verified)


@pytest.mark.parametrize("age", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_signature_five_minutes_off_is_refused(age: timedelta) -> None:
    found = verify(signed(b"{}", at=NOW - age))
    assert isinstance(found, Refused)
    assert "5 minutes" in found.reason
    assert isinstance(verify(signed(b"{}", at=NOW - age * 0.99)), Verified)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-id": "m" * 201},
        {"webhook-timestamp": "1795186863"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,\udcff"},
        {"webhook-signature": "v2,AAAA"},
    ],
)
def test_a_delivery_that_was_tampered_with_is_refused(change: dict[str, str]) -> None:
    good = signed(b"{}")
    assert isinstance(verify(good), Verified)
    assert isinstance(verify(RawWebhook(good.headers | change, good.body)), Refused)
    assert isinstance(verify(RawWebhook(good.headers, b"{} ")), Refused)


def test_without_secrets_nothing_is_let_in() -> None:
    assert isinstance(connector.verify(signed(b"{}"), (), NOW), Refused)


@pytest.mark.parametrize("name", ["standard_webhooks.vector.json", "order.created.signed_vector.json"])
def test_the_published_sample_vectors_verify(reference: Path, name: str) -> None:
    path = reference / "samples" / "marketplaces" / "generic" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    vector = json.loads(path.read_text())["body"]
    webhook = RawWebhook(vector["headers"], vector["raw_body"].encode())
    at = datetime.fromtimestamp(int(vector["headers"]["webhook-timestamp"]), UTC)
    assert isinstance(connector.verify(webhook, [vector["secret"].encode()], at), Verified)


def test_a_dispatch_says_which_units_left_in_which_parcel() -> None:
    found = read(NOTICE)
    lines = (NoticePackageLine("L1", "SKU-A", 2),)
    assert found == ShipNotice(
        kind="dispatched",
        reference="0190-order:1",
        request_id="REQ-1",
        occurred_at=datetime(2026, 11, 20, 11, 59, 58, 500_000, tzinfo=UTC),
        shipment_id="SHP-1",
        packages=(NoticePackage("PKG-1", "UPS", "1ZTEST", "https://track.example.com/1ZTEST", lines),),
    )


@pytest.mark.parametrize(
    ("change", "kind", "expected"),
    [
        ({"type": "shipment.voided", "packages": None, "reship": True}, "voided", {"reship": True}),
        ({"type": "shipment.voided", "packages": None}, "voided", {"reship": False}),
        ({"type": "shipment.delivered", "packages": None}, "delivered", {"shipment_id": "SHP-1"}),
        (
            {"type": "request.rejected", "reason": "No SKU", "packages": None},
            "rejected",
            {"reason": "No SKU"},
        ),
        ({"type": "request.accepted", "packages": None}, "accepted", {}),
        (
            {"type": "request.cancelled", "cancelled": [{"line_id": "L1", "sku": "SKU-A", "quantity": 2}]},
            "cancelled",
            {"cancelled": (NoticePackageLine("L1", "SKU-A", 2),)},
        ),
    ],
)
def test_each_kind_of_notice_is_read(change: dict[str, Any], kind: str, expected: dict[str, Any]) -> None:
    found = read(NOTICE | change)
    assert isinstance(found, ShipNotice), found
    assert found.kind == kind
    assert {name: getattr(found, name) for name in expected} == expected
    assert connector.category(str(change["type"])) == "fulfillment"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reference": ""}, "reference is missing: the notice does not say which request it answers"),
        ({"occurred_at": None}, "occurred_at is missing"),
        ({"shipment_id": None}, "shipment_id is missing: the notice does not say which shipment it is about"),
        ({"packages": []}, "packages hold no lines: the notice does not say what left"),
        ({"packages": [{"lines": [{"quantity": 1}]}]}, "packages[0].lines[0] names neither a line_id nor a sku"),
        ({"packages": [{"lines": [{"sku": "A", "quantity": -1}]}]}, "packages[0].lines[0].quantity is negative"),
        ({"packages": [{"lines": [{"sku": "A"}]}]}, "packages[0].lines[0].quantity is missing"),
        ({"packages": NOTICE["packages"] * 2}, "packages hold the same package_ref twice"),  # type: ignore[operator]
    ],
)
def test_a_notice_that_lacks_what_matters_is_unreadable(change: dict[str, Any], reason: str) -> None:
    assert read(NOTICE | change) == Unreadable(reason)


def test_other_topics_are_ignored() -> None:
    assert connector.category("order.created") is None
    assert isinstance(read({"type": "order.created"}), Ignored)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"this is no JSON", "the body is not JSON"), (b'{"reference":"7:1"}', "type is missing"), (b"[]", "no notice")],
)
def test_a_body_that_does_not_say_what_it_is_goes_to_its_reader_and_is_unreadable(body: bytes, reason: str) -> None:
    assert connector.category("") == "fulfillment"
    [parsed] = connector.parse("", body)
    assert isinstance(parsed, Unreadable)
    assert reason in parsed.reason
