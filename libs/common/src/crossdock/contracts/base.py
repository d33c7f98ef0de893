"""What every event and every value inside one has in common: frozen, and tolerant of fields it does not know yet."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Exchange = Literal["events", "internal"]
Service = Literal["gateway", "order-ingest", "sku-matcher", "inventory", "fulfillment"]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Value(BaseModel):
    """A part of an event. Unknown fields are ignored, so that a publisher may add some within a major version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Value):
    """An amount and its ISO 4217 currency; never a float."""

    amount: Decimal
    currency: str


class Event(Value):
    """Something that happened. Its `type` is also its routing key; `consumers` are the services that handle it."""

    type: ClassVar[str]
    publisher: ClassVar[Service]
    exchange: ClassVar[Exchange] = "events"
    consumers: ClassVar[tuple[Service, ...]] = ()

    occurred_at: datetime = Field(default_factory=utc_now)

    @property
    def subject(self) -> str:
        """What the event is about (an order id, a SKU, a channel id): the CloudEvents subject."""
        raise NotImplementedError  # pragma: no cover - every concrete event says

    @property
    def correlation(self) -> str:
        """What ties the events of one story together: the order id where there is one."""
        return self.subject


class OrderScoped(Event):
    """An event of one order."""

    order_id: Any

    @property
    def subject(self) -> str:
        """The order id."""
        return str(self.order_id)


class RedactionReport(Event):
    """What one service found when it looked for copies: how many things of each kind it searched, and out of how many
    it removed personal data, over all these pages together. Internal."""

    exchange = "internal"

    request_id: UUID
    page_ids: tuple[UUID, ...]
    searched: Mapping[str, int]
    removed: Mapping[str, int]

    @property
    def subject(self) -> str:
        """The request's id."""
        return str(self.request_id)
