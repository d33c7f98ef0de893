"""Our own connectors pass the suites that third parties are given."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.channels import protocols
from crossdock.channels.generic import connector as generic
from crossdock.channels.model import RawWebhook
from crossdock.channels.protocols import (
    ChannelAccess,
    FulfillmentProvider,
    RequestLine,
    ShipmentLine,
    ShipmentNotice,
    ShipmentSink,
    ShipRequest,
)
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.channels.shopify import ShopifyConnector
from crossdock.testing.conformance import (
    ProviderSubject,
    ProviderSuite,
    ShipmentSubject,
    ShipmentSuite,
    TagSubject,
    TagSuite,
    WebhookSubject,
    WebhookSuite,
    check_unsupported,
)
from sandbox.testing import Sandbox

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALL = [
    protocols.WebhookSource,
    protocols.OrderSource,
    protocols.OrderFeed,
    protocols.ShipmentSink,
    protocols.TagSink,
    protocols.FulfillmentProvider,
    protocols.ListingSource,
    protocols.LocationSource,
]


class TestShopifyWebhooks(WebhookSuite):
    @pytest.fixture
    def webhooks(self, fixture_bytes: Callable[[str], bytes]) -> WebhookSubject:
        def sign(topic: str, body: bytes, secret: bytes, at: datetime) -> RawWebhook:
            signature = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()
            headers = {"x-shopify-hmac-sha256": signature, "x-shopify-topic": topic}
            return RawWebhook(headers | {"x-shopify-webhook-id": "w-1"}, body)

        examples = {"orders/create": fixture_bytes("order_mixed.json")}
        return WebhookSubject(ShopifyConnector(), sign, b"a secret", b"another", NOW, examples)


class TestGenericWebhooks(WebhookSuite):
    @pytest.fixture
    def webhooks(self) -> WebhookSubject:
        def sign(topic: str, body: bytes, secret: bytes, at: datetime) -> RawWebhook:
            key = base64.b64decode(secret.removeprefix(b"whsec_"))
            timestamp = str(int(at.timestamp()))
            mac = hmac.new(key, b"m1." + timestamp.encode() + b"." + body, hashlib.sha256).digest()
            signature = "v1," + base64.b64encode(mac).decode()
            return RawWebhook(
                {"webhook-id": "m1", "webhook-timestamp": timestamp, "webhook-signature": signature}, body
            )

        notice = {
            "type": "shipment.dispatched",
            "occurred_at": "2026-11-20T11:00:00Z",
            "reference": "0190:1",
            "shipment_id": "S1",
            "packages": [{"package_ref": "P1", "lines": [{"line_id": "L1", "sku": "A", "quantity": 1}]}],
        }
        one, other = (b"whsec_" + base64.b64encode(key) for key in (b"a secret", b"another"))
        examples = {"shipment.dispatched": json.dumps(notice).encode()}
        return WebhookSubject(generic, sign, one, other, NOW, examples, timedelta(minutes=5))


class TestShopifyShipments(ShipmentSuite):
    @pytest.fixture
    def shipments(self, sandbox: Sandbox, store: ChannelAccess) -> ShipmentSubject:
        sandbox.product("SKU-A")
        order = sandbox.order({"sku": "SKU-A", "quantity": 3})
        sandbox.settle()
        faults, place = f"shopify/{sandbox.shop}/faults", f"shopify/{sandbox.shop}/orders/{order['id']}"
        lines = (ShipmentLine(str(order["line_items"][0]["id"]), 1),)
        return ShipmentSubject(
            ShopifyConnector(),
            store,
            ShipmentNotice(str(order["id"]), "P1", "UPS", "1ZTEST", "", lines),
            parcels=lambda: len(sandbox.look(place)["fulfillments"]),
            lose_reply=lambda: sandbox.control(faults, {"operation": "fulfillmentCreate", "kind": "lose_reply"}),
        )


class TestShopifyTags(TagSuite):
    @pytest.fixture
    def tagged(self, sandbox: Sandbox, store: ChannelAccess) -> TagSubject:
        sandbox.product("SKU-A")
        order = sandbox.order({"sku": "SKU-A"}, tags=["of the merchant"])
        faults, place = f"shopify/{sandbox.shop}/faults", f"shopify/{sandbox.shop}/orders/{order['id']}"
        return TagSubject(
            ShopifyConnector(),
            store,
            str(order["id"]),
            tags=lambda: sandbox.look(place)["tags"].split(", "),
            lose_reply=lambda: sandbox.control(faults, {"operation": "tagsAdd", "kind": "lose_reply"}),
        )


class TestGenericProvider(ProviderSuite):
    @pytest.fixture
    def provider(self, sandbox: Sandbox, warehouse: ChannelAccess) -> ProviderSubject:
        return ProviderSubject(
            generic,
            warehouse,
            ShipRequest("0190:1", "#1001", {}, (RequestLine("L1", "SKU-A", 2), RequestLine("L2", "SKU-B", 1))),
            requests=lambda: len(sandbox.look("3pl/requests")["requests"]),
            lose_reply=lambda: sandbox.control("3pl/accounts/hub/faults", {"endpoint": "submit", "kind": "lose_reply"}),
        )


@pytest.mark.parametrize("kind", ["shopify", "generic"])
def test_a_connector_does_a_thing_whole_or_not_at_all(kind: str) -> None:
    check_unsupported(connector(kind), ALL)


def test_what_a_channel_cannot_do_shows_before_it_is_asked() -> None:
    assert isinstance(connector("shopify"), ShipmentSink)
    assert not isinstance(connector("shopify"), FulfillmentProvider)
    assert isinstance(connector("generic"), FulfillmentProvider)
    assert not isinstance(connector("generic"), ShipmentSink)


def test_an_unknown_kind_is_answered_with_the_installed_ones() -> None:
    with pytest.raises(UnknownChannelKind, match=r"installed: generic, .*shopify"):
        connector("no such kind")
