"""How tests connect a simulated Shopify's store, and look at what came of it."""

import asyncio
from typing import Any

import httpx

from sandbox.testing import Sandbox

SHOP = "test-shop.myshopify.com"
SECRET = "webhook-secret-of-the-shop"


def app_of(shopify: Sandbox, shop: str = SHOP) -> dict[str, Any]:
    base_url = f"{shopify.url}/shopify/{shop}"
    return {"kind": "shopify", "shop": shop, "base_url": base_url, "client_id": "app-1", "client_secret": SECRET}


def configure(shopify: Sandbox, **settings: Any) -> None:
    shopify.control(f"shopify/{SHOP}", {"settings": settings}, "PATCH")


def fault(shopify: Sandbox, operation: str, kind: str, **more: Any) -> None:
    shopify.control(f"shopify/{SHOP}/faults", {"operation": operation, "kind": kind} | more)


def renewals(shopify: Sandbox) -> list[str]:
    return [one["outcome"] for one in shopify.look(f"shopify/{SHOP}/oauth")["calls"] if one["grant"] == "refresh_token"]


def works(shopify: Sandbox, token: str) -> bool:
    return shopify.post("{ shop { id } }", token=token).status_code == 200


async def begin(gateway: Any, shopify: Sandbox, **changes: Any) -> dict[str, Any]:
    reply = await gateway.client.post("/v1/channels/authorize", json=app_of(shopify) | changes)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def approve(shopify: Sandbox, link: dict[str, Any]) -> str:
    """The merchant approves; where the browser is sent then."""
    reply = shopify.http.get(link["url"])
    assert reply.status_code == 302, reply.text
    return str(reply.headers["location"])


async def approved(gateway: Any, shopify: Sandbox, **changes: Any) -> dict[str, Any]:
    """Connect the test shop by its merchant's approval; the channel."""
    page = await gateway.client.get(approve(shopify, await begin(gateway, shopify, **changes)))
    assert page.status_code == 200, page.text
    return dict((await gateway.client.get("/v1/channels")).json()[-1])


async def access(gateway: Any, channel: dict[str, Any], **query: str) -> httpx.Response:
    path = f"/internal/channels/{channel['id']}/access"
    return await gateway.client.get(path, headers=gateway.service_token(), params=query)  # type: ignore[no-any-return]


async def connection(gateway: Any, channel: dict[str, Any]) -> dict[str, Any]:
    return dict((await gateway.client.get(f"/v1/channels/{channel['id']}/connection")).json())


async def checked(gateway: Any, channel: dict[str, Any], what: str = "test") -> dict[str, Any]:
    """Test or repair a channel, as soon as no other check is at it; the report."""
    while True:
        reply = await gateway.client.post(f"/v1/channels/{channel['id']}/{what}")
        if reply.status_code != 409:
            assert reply.status_code == 200, reply.text
            return dict(reply.json())
        await asyncio.sleep(0.05)


def said(report: dict[str, Any], what: str) -> tuple[bool, str]:
    [step] = [one for one in report["steps"] if one["what"] == what]
    return step["ok"], step["says"]
