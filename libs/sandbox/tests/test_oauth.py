"""How an app gets, renews and loses its tokens."""

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from sandbox.shopify.app import INACTIVE
from sandbox.testing import Receiver, Sandbox

SHOP_QUERY = "{ shop { id } }"
BACK = "https://hub.example.com/back"
CREATE = """mutation {
  webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {uri: "https://hub.example.com"}) {
    webhookSubscription { id } userErrors { message } } }"""


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    sandbox.store(client_id="app-1")
    return sandbox


def approve(shop: Sandbox, **asked: str) -> httpx.Response:
    query = {"client_id": "app-1", "scope": "read_orders,write_products", "redirect_uri": BACK, "state": "s-1"} | asked
    return shop.http.get(f"/shopify/{shop.shop}/admin/oauth/authorize", params=query)


def token(shop: Sandbox, **given: Any) -> httpx.Response:
    body = {"client_id": "app-1", "client_secret": "secret"} | given
    return shop.http.post(f"/shopify/{shop.shop}/admin/oauth/access_token", json=body)


def granted(shop: Sandbox) -> dict[str, Any]:
    code = dict(parse_qsl(urlsplit(approve(shop).headers["location"]).query))["code"]
    return dict(token(shop, code=code, expiring=1).json())


def test_an_approval_leads_back_with_a_signed_code_that_works_once(shop: Sandbox) -> None:
    back = urlsplit(approve(shop).headers["location"])
    query = dict(parse_qsl(back.query))
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    signed = urlencode(sorted((key, value) for key, value in query.items() if key != "hmac")).encode()
    assert query["hmac"] == hmac.new(b"secret", signed, hashlib.sha256).hexdigest()
    assert (query["shop"], query["state"]) == (shop.shop, "s-1")

    first = token(shop, code=query["code"], expiring=1)
    assert first.json()["expires_in"] == 3600
    assert first.json()["scope"] == "read_orders,write_products"
    assert shop.post(SHOP_QUERY, token=first.json()["access_token"]).status_code == 200
    assert token(shop, code=query["code"], expiring=1).status_code == 400


def test_without_expiring_a_code_gives_a_token_that_lasts(shop: Sandbox) -> None:
    code = dict(parse_qsl(urlsplit(approve(shop).headers["location"]).query))["code"]
    answer = token(shop, code=code).json()
    assert "refresh_token" not in answer
    shop.control("clock", {"advance": 10_000_000})
    assert shop.post(SHOP_QUERY, token=answer["access_token"]).status_code == 200


def test_an_old_refresh_token_lives_until_its_replacement_is_used(shop: Sandbox) -> None:
    first = granted(shop)["refresh_token"]
    lost = token(shop, grant_type="refresh_token", refresh_token=first)
    assert lost.status_code == 200
    again = token(shop, grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert token(shop, grant_type="refresh_token", refresh_token=again).status_code == 200
    refused = token(shop, grant_type="refresh_token", refresh_token=first)
    assert (refused.status_code, refused.json()["error_description"]) == (401, INACTIVE)


def test_an_access_token_ends_and_one_that_is_renewed_may_end_the_old_one(shop: Sandbox) -> None:
    first = granted(shop)
    shop.control(f"shopify/{shop.shop}", {"settings": {"one_access_token": True}}, "PATCH")
    second = token(shop, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()["access_token"]
    assert shop.post(SHOP_QUERY, token=first["access_token"]).status_code == 401
    assert shop.post(SHOP_QUERY, token=second).status_code == 200
    shop.control("clock", {"advance": 3601})
    assert shop.post(SHOP_QUERY, token=second).status_code == 401


def test_client_credentials_work_within_one_organisation(shop: Sandbox) -> None:
    answer = token(shop, grant_type="client_credentials").json()
    assert answer["expires_in"] == 86_399
    assert shop.post(SHOP_QUERY, token=answer["access_token"]).status_code == 200
    shop.control(f"shopify/{shop.shop}", {"settings": {"same_organisation": False}}, "PATCH")
    refused = token(shop, grant_type="client_credentials")
    assert (refused.status_code, refused.json()["error"]) == (400, "shop_not_permitted")
    assert token(shop, grant_type="client_credentials", client_secret="wrong").status_code == 401


def test_an_uninstall_ends_tokens_and_subscriptions_until_it_is_installed_again(shop: Sandbox) -> None:
    first = granted(shop)
    shop.control(f"shopify/{shop.shop}/subscriptions", {"uri": BACK, "topics": ["orders/create"]})
    shop.control(f"shopify/{shop.shop}/uninstall")
    assert token(shop, grant_type="refresh_token", refresh_token=first["refresh_token"]).status_code == 400
    assert shop.look(f"shopify/{shop.shop}")["subscriptions"] == []
    again = granted(shop)
    assert shop.post(SHOP_QUERY, token=again["access_token"]).status_code == 200
    assert shop.post(SHOP_QUERY, token=first["access_token"]).status_code == 401


def test_what_the_scopes_do_not_cover_is_denied_by_name(shop: Sandbox, receiver: Receiver) -> None:
    shop.control(f"shopify/{shop.shop}/subscriptions", {"uri": receiver.url, "topics": ["app/scopes_update"]})
    shop.control(f"shopify/{shop.shop}", {"settings": {"scopes": ["write_products"]}}, "PATCH")
    assert shop.post("{ products(first: 1) { nodes { id } } }").json()["data"] == {"products": {"nodes": []}}
    (error,) = shop.post("{ orders(first: 1) { nodes { id } } }").json()["errors"]
    assert (error["extensions"]["code"], "read_orders" in error["message"]) == ("ACCESS_DENIED", True)
    made = shop.graphql(CREATE)["webhookSubscriptionCreate"]
    assert (made["webhookSubscription"], "permission" in made["userErrors"][0]["message"]) == (None, True)
    shop.settle()
    assert receiver.topics() == ["app/scopes_update"]


def test_the_token_endpoint_can_lose_its_reply(shop: Sandbox) -> None:
    first = granted(shop)["refresh_token"]
    shop.control(f"shopify/{shop.shop}/faults", {"operation": "refresh_token", "kind": "lose_reply"})
    with pytest.raises(httpx.RemoteProtocolError):
        token(shop, grant_type="refresh_token", refresh_token=first)
    assert token(shop, grant_type="refresh_token", refresh_token=first).status_code == 200
    assert [one["outcome"] for one in shop.look(f"shopify/{shop.shop}/oauth")["calls"]] == ["200", "200", "200"]
