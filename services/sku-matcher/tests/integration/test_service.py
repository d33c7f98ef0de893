"""The whole service with a real broker: from an order to its match, and a person who lets it go on."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from sku_matcher import handlers


def path(number: int) -> str:
    return f"/orders/{UUID(int=number)}/match"


async def test_an_order_waits_for_its_sku_and_goes_on_when_the_product_comes(
    start: Callable[..., Any], vhost: str, make: Any
) -> None:
    async with start(broker_url=vhost) as matcher:
        await matcher.publish(make.order(1, "SHIRT"))
        await matcher.until(path(1), matched=False)
        await matcher.publish(make.product(1, V11="SHIRT"))
        await matcher.until(path(1), matched=True, match_version=1)


async def test_a_sku_added_by_hand_releases_every_order_that_waits_page_by_page(
    start: Callable[..., Any], vhost: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "PAGE", 2)
    async with start(broker_url=vhost) as matcher:
        await matcher.publish(*(make.order(number, "CAP") for number in range(1, 8)))
        for number in range(1, 8):
            await matcher.until(path(number), matched=False)
        assert (await matcher.client.post("/skus", json={"sku": "CAP"})).status_code == 201
        for number in range(1, 8):
            await matcher.until(path(number), matched=True)
