"""Real webhooks of Shopify, from the folder that CROSSDOCK_REFERENCE names."""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crossdock.testing.bench import HandlerBench

ROOT = Path(__file__).parents[4]
SAMPLES = Path(os.environ.get("CROSSDOCK_REFERENCE", ROOT.parent / "shared")) / "samples" / "shopify" / "webhooks"
PRODUCTS = ("products__create.json", "products__update.json")


def sample(name: str) -> bytes:
    if not (SAMPLES / name).is_file():
        pytest.skip(f"sample {name} is not there: CROSSDOCK_REFERENCE names no folder that holds it")
    return (SAMPLES / name).read_bytes()


@pytest.mark.parametrize("name", PRODUCTS)
async def test_a_sample_product_becomes_listings(bench: HandlerBench, make: Any, name: str) -> None:
    topic = name.removesuffix(".json").replace("__", "/")
    said = await bench.handle("learn_listings", [make.webhook(sample(name), topic)])
    listings = await bench.table("listing")
    assert listings
    assert {row["listing_id"] for row in listings} == {
        event.listing_id for event in said if hasattr(event, "listing_id")
    }
    assert await bench.table("parked_message") == []


async def test_no_sample_webhook_makes_the_handler_fail(bench: HandlerBench, make: Any) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("there are no sample webhooks: set CROSSDOCK_REFERENCE")
    names = sorted(path.name for path in SAMPLES.glob("*.json"))
    events = [
        make.webhook(sample(name), name.removesuffix(".json").replace("__", "/"), channel=UUID(int=100 + number))
        for number, name in enumerate(names)
    ]
    await bench.handle("learn_listings", events)
    assert await bench.table("scheduled") == []
    assert await bench.table("parked_message") == []
