"""What the tests of connectors share: the reference folder, and small orders that were made up here."""

import copy
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from crossdock.channels import http
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import ShopifyConnector
from sandbox.app import create_app
from sandbox.testing import Sandbox, serve

sys.path.insert(0, str(Path(__file__).parents[1]))  # pytest's importlib mode leaves it to us to find `parcel_examples`

WHSEC = "whsec_Y29ubmVjdG9yLXRlc3Qtc2VjcmV0"
HOLDS = {"ship_after": None}
FIXTURES = Path(__file__).parent / "fixtures"
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("CROSSDOCK_REFERENCE", ROOT.parent / "shared")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no reference folder at {folder}: set CROSSDOCK_REFERENCE")
    return folder


@pytest.fixture(scope="session")
def fixture_bytes() -> Callable[[str], bytes]:
    """Read one of our own fixture files: `fixture_bytes("order_mixed.json")`."""
    return lambda name: (FIXTURES / name).read_bytes()


@pytest.fixture
def mixed_order(fixture_bytes: Callable[[str], bytes]) -> dict[str, Any]:
    """A REST order with a discount, a custom line, a digital line, a refund and a fulfillment; change it freely."""
    return copy.deepcopy(json.loads(fixture_bytes("order_mixed.json")))


@pytest.fixture
def plain_order() -> dict[str, Any]:
    """The least that is an order: one line of two units, paid; change it freely."""
    return {
        "id": 5001,
        "name": "#1001",
        "created_at": "2026-11-20T10:00:00-05:00",
        "updated_at": "2026-11-20T10:00:05-05:00",
        "currency": "USD",
        "financial_status": "paid",
        "total_price": "20.00",
        "total_tax": "0.00",
        "total_discounts": "0.00",
        "shipping_lines": [],
        "total_shipping_price_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}},
        "line_items": [
            {
                "id": 7001,
                "variant_id": 9001,
                "product_id": 8001,
                "title": "Test Shirt",
                "variant_title": "M",
                "sku": "SHIRT-M",
                "quantity": 2,
                "current_quantity": 2,
                "fulfillable_quantity": 2,
                "requires_shipping": True,
                "price": "10.00",
            }
        ],
    }


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The address of one sandbox for the run."""
    yield from serve(create_app(seed=3))


@pytest.fixture
def sandbox(sandbox_url: str) -> Iterator[Sandbox]:
    """A sandbox with one empty store and one 3PL account, `hub`."""
    with httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False) as client:
        running = Sandbox(sandbox_url, client)
        running.control("reset")
        running.store(locations=[{"name": "Main"}, {"name": "East"}])
        running.control("3pl/accounts", {"name": "hub", "token": "3pl-token", "secret": WHSEC, "behaviour": HOLDS})
        yield running
        running.control("reset")


@pytest.fixture
async def store(sandbox: Sandbox) -> AsyncIterator[ChannelAccess]:
    """Access to the sandbox's store; the client is closed afterwards."""
    yield ChannelAccess(f"{sandbox.url}/shopify/{sandbox.shop}", "token", {"timeout_seconds": 5})
    await http.close_client()


@pytest.fixture
async def warehouse(sandbox: Sandbox) -> AsyncIterator[ChannelAccess]:
    """Access to the sandbox's 3PL, which ships only when told; the client is closed afterwards."""
    yield ChannelAccess(f"{sandbox.url}/3pl", "3pl-token", {"timeout_seconds": 5})
    await http.close_client()


@pytest.fixture
def shopify() -> ShopifyConnector:
    """A connector that has learnt nothing yet."""
    return ShopifyConnector()
