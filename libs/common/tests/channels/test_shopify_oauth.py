"""Shopify's OAuth against the sandbox, and what a callback must prove before it is believed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from crossdock.channels import http
from crossdock.channels.connecting import App, Approval
from crossdock.channels.errors import AuthExpired, Permanent, RateLimited, Unknown
from crossdock.channels.model import Refused
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import ShopifyConnector, oauth, scopes, subscriptions
from crossdock.channels.shopify.webhooks import category_of
from sandbox.testing import Sandbox

APP = App("app-1", "secret")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHOP = "test-shop.myshopify.com"
BACK = "https://hub.example.com/oauth/shopify/callback"


@pytest.fixture
async def store(sandbox: Sandbox) -> AsyncIterator[ChannelAccess]:
    sandbox.shop = SHOP
    sandbox.store(client_id="app-1")
    yield ChannelAccess(f"{sandbox.url}/shopify/{SHOP}", "", {})
    await http.close_client()


def callback(secret: str = "secret", **changes: str) -> list[tuple[str, str]]:
    given = {"code": "c-1", "shop": SHOP, "state": "s-1", "timestamp": str(int(NOW.timestamp())), "host": "YWRtaW4="}
    given |= changes
    return [*given.items(), ("hmac", oauth.signature_of(given, secret))]


async def approved(sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector) -> Approval:
    page = sandbox.http.get(shopify.authorize_url(store, APP, BACK, "s-1"))
    back = parse_qsl(urlsplit(page.headers["location"]).query)
    found = shopify.verify_approval(back, "secret", datetime.now(UTC))
    assert isinstance(found, Approval), found
    return found


def test_a_signed_callback_is_believed_in_either_spelling_of_its_host() -> None:
    assert oauth.verify_approval(callback(), "secret", NOW) == Approval(SHOP, "c-1")
    given = dict(callback()[:-1])
    plain = "&".join(f"{key}={value}" for key, value in sorted(given.items()))
    spelled = [*given.items(), ("hmac", oauth._signature(plain, "secret").decode())]
    assert plain != urlencode(sorted(given.items()))
    assert oauth.verify_approval(spelled, "secret", NOW) == Approval(SHOP, "c-1")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (callback("other"), "signature"),
        (callback()[:-1], "signature"),
        ([*callback()[:-1], ("hmac", "\udcff")], "signature"),
        ([("code", "c-2"), *callback()[1:]], "signature"),
        ([*callback(), ("extra", "1")], "signature"),
        ([*callback(), ("code", "c-1")], "twice"),
        (callback(timestamp=str(int(NOW.timestamp()) - 91)), "90 seconds"),
        (callback(timestamp=str(int(NOW.timestamp()) + 91)), "90 seconds"),
        (callback(timestamp="9" * 400), "no time"),
        (callback(timestamp="²"), "no time"),
        (callback(shop="evil.example.com"), "no shop"),
        (callback(shop=f"{SHOP}\n"), "no shop"),
        (callback(shop=f"evil.example.com/{SHOP}"), "no shop"),
        (callback(code=""), "no code"),
        ([], "signature"),
    ],
)
def test_any_other_callback_is_refused(query: list[tuple[str, str]], why: str) -> None:
    found = oauth.verify_approval(query, "secret", NOW)
    assert isinstance(found, Refused)
    assert why in found.reason


def test_a_value_cannot_pose_as_two_parameters() -> None:
    given = dict(callback(code="c-1")[:-1])
    joined = given | {"code": f"c-1&host={given['host']}"}
    del joined["host"]
    signed = oauth.signature_of(given, "secret")
    assert isinstance(oauth.verify_approval([*joined.items(), ("hmac", signed)], "secret", NOW), Refused)


async def test_an_approval_becomes_tokens_that_work_and_renew_themselves(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    grant = await shopify.exchange_code(store, APP, (await approved(sandbox, store, shopify)).code)
    assert (grant.seconds, grant.refresh_seconds) == (3600, 7_776_000)
    needs = shopify.scope_needs({})
    assert [need.any_of for need in shopify.missing(needs, grant.scopes)] == [("read_all_orders",)]

    assert grant.refresh_token is not None
    newer = await shopify.refresh(store, APP, grant.refresh_token)
    seen = await shopify.inspect(ChannelAccess(store.base_url, newer.access_token, {}))
    assert (seen.account, seen.api_version, seen.served_version) == (SHOP, "2026-10", "2026-10")
    assert newer.access_token not in repr(newer)


async def test_after_a_lost_reply_the_same_refresh_token_still_works(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    grant = await shopify.exchange_code(store, APP, (await approved(sandbox, store, shopify)).code)
    token = str(grant.refresh_token)
    for kind in ("lose_reply", "error_500"):
        sandbox.control(f"shopify/{SHOP}/faults", {"operation": "refresh_token", "kind": kind})
        with pytest.raises(Unknown):
            await shopify.refresh(store, APP, token)
    newer = await shopify.refresh(store, APP, token)
    await shopify.refresh(store, APP, str(newer.refresh_token))
    with pytest.raises(AuthExpired, match="approve the app again"):
        await shopify.refresh(store, APP, token)


async def test_what_shopify_refuses_is_told_with_what_to_do(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    with pytest.raises(Permanent, match="client id or client secret is wrong"):
        await shopify.client_credentials(store, App("app-1", "wrong"))
    assert (await shopify.client_credentials(store, APP)).seconds == 86_399
    sandbox.control(f"shopify/{SHOP}", {"settings": {"same_organisation": False}}, "PATCH")
    with pytest.raises(Permanent, match="merchant's approval"):
        await shopify.client_credentials(store, APP)
    sandbox.control(f"shopify/{SHOP}/faults", {"operation": "client_credentials", "kind": "http_429"})
    with pytest.raises(RateLimited):
        await shopify.client_credentials(store, APP)
    with pytest.raises(Permanent, match="refused the code"):
        await shopify.exchange_code(store, APP, "never-given")
    sandbox.control(f"shopify/{SHOP}/uninstall")
    with pytest.raises(Permanent, match="not installed"):
        await shopify.refresh(store, APP, "any")


def test_scopes_are_asked_for_without_those_that_others_imply_or_that_need_a_request() -> None:
    asked = scopes.asked(scopes.needs({}))
    assert "write_orders" in asked
    assert {"read_orders", "read_all_orders"}.isdisjoint(asked)
    open_needs = scopes.missing(scopes.needs({}), asked)
    assert [need.any_of for need in open_needs] == [("read_all_orders",)]
    assert [need.any_of[0] for need in scopes.missing(scopes.needs({"role": "destination"}), ["write_products"])] == [
        "write_orders",
        "read_merchant_managed_fulfillment_orders",
    ]


def test_every_topic_that_we_subscribe_to_is_needed_by_somebody() -> None:
    assert [topic for topic in subscriptions.TOPICS if category_of(topic) is None] == []
    assert subscriptions.topics_for(["write_products"]) == (
        "products/create",
        "products/update",
        "products/delete",
        "app/uninstalled",
        "app/scopes_update",
    )


async def test_a_subscription_that_was_altered_is_made_anew(
    sandbox: Sandbox, store: ChannelAccess, shopify: ShopifyConnector
) -> None:
    access = ChannelAccess(store.base_url, "token", {})
    uri = "https://hub.example.com/webhooks/shopify"
    topics = shopify.webhook_topics((await shopify.inspect(access)).scopes)
    assert await shopify.ensure_webhooks(access, uri, topics) == topics
    altered = "mutation ($id: ID!, $sub: WebhookSubscriptionInput!) { webhookSubscriptionUpdate(id: $id, webhookSubscription: $sub) { userErrors { message } } }"  # noqa: E501
    found: dict[str, Any] = {one.topic: one for one in await shopify.list_webhooks(access)}
    sandbox.graphql(altered, {"id": found["orders/create"].id, "sub": {"includeFields": ["id"]}})
    sandbox.control(f"shopify/{SHOP}/subscriptions", {"uri": "https://other.example.com", "topics": ["orders/create"]})

    assert await shopify.ensure_webhooks(access, uri, topics) == ("orders/create",)
    assert await shopify.ensure_webhooks(access, uri, topics) == ()
    assert {one.uri for one in await shopify.list_webhooks(access)} == {uri, "https://other.example.com"}
