"""A delivery: one verified webhook request, as it is stored."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

IGNORED = "ignored"
"""The category of a delivery whose topic nobody needs: stored, not published."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`external_delivery_id` is the sender's key: it comes once per channel, however often it is sent.

    `id` is a UUIDv7, so that bodies can be purged by age without another column.
    """

    id: UUID
    channel_id: UUID
    external_delivery_id: str
    topic: str
    event_id: str | None
    triggered_at: datetime | None
    received_at: datetime
    category: str
    body: bytes = field(repr=False)


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: its millisecond since 1970 in the first 48 bits (RFC 9562, section 5.7)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
