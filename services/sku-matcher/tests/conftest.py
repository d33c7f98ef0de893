"""Fixtures of the matcher's tests."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from crossdock.contracts.base import Money
from crossdock.contracts.gateway import CatalogWebhookReceived
from crossdock.contracts.order_ingest import OrderCancelled, OrderLine, OrderPlaced, OrderState, OrderUpdated
from crossdock.testing.bench import HandlerBench
from crossdock.testing.database import TestDatabase
from sku_matcher import handlers, tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = UUID(int=7)
NOTHING = Money(amount=Decimal(0), currency="EUR")


class Make:
    """Events in few words. A day has minutes: orders are placed at noon plus their number, products told of before
    unless `minute` says otherwise."""

    noon = NOON
    shop = SHOP

    def line(self, line_id: str, sku: str, wanted: int = 1, listing_id: str | None = None) -> OrderLine:
        """One order line."""
        position = int(line_id.removeprefix("L"))
        return OrderLine(
            line_id=line_id,
            position=position,
            listing_id=listing_id,
            sku=sku,
            title=f"Thing {position}",
            quantity=max(wanted, 1),
            wanted=wanted,
            requires_shipping=True,
            unit_price=NOTHING,
        )

    def order(
        self,
        number: int,
        *skus: str,
        version: int = 1,
        content: int | None = None,
        lines: tuple[OrderLine, ...] = (),
        channel: UUID = SHOP,
        cancelled: bool = False,
        kind_of_channel: str = "shopify",
    ) -> OrderState:
        """Order `number`: a line of one unit for each SKU, unless `lines` are given."""
        kind = OrderCancelled if cancelled else OrderPlaced if version == 1 else OrderUpdated
        made = lines or tuple(self.line(f"L{i}", sku, wanted=0 if cancelled else 1) for i, sku in enumerate(skus, 1))
        return kind(
            order_id=UUID(int=number),
            channel_id=channel,
            channel_kind=kind_of_channel,
            external_id=str(number),
            number=f"#{number}",
            placed_at=NOON + timedelta(minutes=number),
            order_version=version,
            content_version=content or version,
            total=NOTHING,
            lines=made,
            cancelled=cancelled,
        )

    def product(
        self,
        number: int,
        *,
        minute: int = -60,
        second: int = 0,
        born: int | None = None,
        channel: UUID = SHOP,
        **skus: str,
    ) -> CatalogWebhookReceived:
        """Product `number` with a variant for each keyword: `V11="SHIRT"`. Told of `second` seconds after `minute`;
        the variants were made at minute `born`, if the channel tells."""
        at = NOON + timedelta(minutes=minute)
        made = {} if born is None else {"created_at": (NOON + timedelta(minutes=born)).isoformat()}
        variants = [{"id": int(key.removeprefix("V")), "sku": sku, "title": key, **made} for key, sku in skus.items()]
        body = {"id": number, "title": f"Product {number}", "updated_at": at.isoformat(), "variants": variants}
        return self.webhook(body, told_at=at + timedelta(seconds=second), channel=channel)

    def webhook(
        self,
        body: Any,
        topic: str = "products/update",
        told_at: datetime = NOON,
        channel: UUID = SHOP,
        kind: str = "shopify",
    ) -> CatalogWebhookReceived:
        """A delivery about the catalogue; `body` goes out as JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return CatalogWebhookReceived(
            delivery_id=UUID(int=1),
            channel_id=channel,
            channel_kind=kind,
            topic=topic,
            external_delivery_id="d",
            triggered_at=told_at,
            received_at=told_at + timedelta(seconds=5),
            body=b64encode(raw),
        )


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def database(databases: Callable[..., TestDatabase]) -> TestDatabase:
    return databases("sku-matcher")


@pytest.fixture
async def bench(database: TestDatabase) -> AsyncIterator[HandlerBench]:
    made = HandlerBench(database.open("sku-matcher"), handlers.consumer, tables.metadata)
    yield made
    await made.close()
