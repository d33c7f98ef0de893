"""An order's id, made from what its channel says, so that the same order gets the same id however often it arrives."""

from datetime import datetime
from hashlib import blake2b
from uuid import UUID

MILLISECONDS = (1 << 48) - 1


def order_id_of(channel_id: UUID, external_id: str, placed_at: datetime) -> UUID:
    """A UUID version 8 (RFC 9562, section 5.8): 48 bits of `placed_at` in milliseconds, the rest a hash of the channel
    and its id of the order. Ids sort by when the orders were placed; times before 1970 count as 1970."""
    milliseconds = min(max(int(placed_at.timestamp() * 1000), 0), MILLISECONDS)
    digest = blake2b(channel_id.bytes + external_id.encode("utf-8", "replace"), digest_size=10).digest()
    value = milliseconds << 80 | int.from_bytes(digest, "big")
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=value | 0x8 << 76 | 0x2 << 62)


def first_id_at(moment: datetime) -> UUID:
    """The smallest id of an order that was placed at this moment or later."""
    return UUID(int=min(max(int(moment.timestamp() * 1000), 0), MILLISECONDS) << 80)
