"""One order and the states of its channel from which the tests of its rules are told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from order_ingest.domain import fold
from order_ingest.domain.order import (
    Arrival,
    Line,
    Order,
    Refund,
    Snapshot,
)
from order_ingest.domain.steps import Step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIRT = Line("a", 0, "v", "SHIRT", "Shirt", 3, 3, True, Decimal("10.00"), Decimal(0), Decimal(0))
MUG = replace(SHIRT, line_id="b", position=2, sku="MUG", quantity=1, kept=1)
SOURCE = Snapshot(NOON, "#1", NOON, True, False, False, True, Decimal("30.00"), "EUR", (SHIRT,))


def told(
    minutes: int = 0, *, kept: int = 3, refunds: tuple[Refund, ...] = (), recipient: Any = None, **changes: Any
) -> Arrival:
    lines = changes.pop("lines", (replace(SHIRT, kept=kept),))
    source = replace(SOURCE, updated_at=NOON + timedelta(minutes=minutes), lines=lines, **changes)
    return Arrival(source, {}, refunds, recipient or {})


@dataclass(frozen=True)
class Known:
    """An order and the snapshot that is kept beside it."""

    order: Order = field(default_factory=Order)
    source: Snapshot | None = None


def take(known: Known, arrival: Arrival) -> Step:
    return fold.take_snapshot(known.order, known.source, {}, arrival)


def learn(known: Known, arrival: Arrival) -> Known:
    step = take(known, arrival)
    return Known(step.order, step.source or known.source)


def versions(step: Step) -> tuple[int, int]:
    return step.order.published.order_version, step.order.published.content_version


PLACED = learn(Known(), told())
ORDER = PLACED.order
