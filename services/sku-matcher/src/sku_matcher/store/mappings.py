"""SQL of what people tied listings to."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row, columns
from sku_matcher.store.presence import Key, add_listings, arrays_of

LOCK_LISTINGS = text("""
    SELECT l.channel_id, l.listing_id FROM listing l
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[])) AS w(channel_id, listing_id)
         USING (channel_id, listing_id)
    ORDER BY l.channel_id, l.listing_id FOR UPDATE OF l
""")
MAPPINGS = text("""
    SELECT m.* FROM mapping m
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[])) AS w(channel_id, listing_id)
         USING (channel_id, listing_id)
""")
SAVE = text("""
    INSERT INTO mapping (channel_id, listing_id, mapping_version, sku, quantity, changed_by, changed_at)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[]), CAST(:mapping_version AS int[]),
                         CAST(:sku AS text[]), CAST(:quantity AS int[]), CAST(:changed_by AS text[]),
                         CAST(:changed_at AS timestamptz[]))
    ON CONFLICT (channel_id, listing_id) DO UPDATE SET mapping_version = excluded.mapping_version, sku = excluded.sku,
        quantity = excluded.quantity, changed_by = excluded.changed_by, changed_at = excluded.changed_at
""")
PAGE = text("""
    SELECT m.channel_id, m.listing_id, m.sku, m.quantity, m.changed_by, m.changed_at, l.title, l.sku AS listing_sku
    FROM mapping m LEFT JOIN listing l USING (channel_id, listing_id)
    WHERE m.channel_id = CAST(:channel_id AS uuid) AND m.listing_id > :after AND m.sku <> ''
    ORDER BY m.listing_id LIMIT :limit
""")
KNOWN_SKUS = text("SELECT sku FROM sku WHERE sku = ANY(CAST(:skus AS text[]))")


class Mapping(NamedTuple):
    """A listing is `quantity` units of `sku`; blank when a person took the mapping away."""

    channel_id: UUID
    listing_id: str
    mapping_version: int
    sku: str
    quantity: int
    changed_by: str
    changed_at: datetime


async def lock(tx: Tx, keys: Collection[Key]) -> dict[Key, Mapping]:
    """The mappings of these listings, whose rows are locked: whoever judges an order that waits for one meets here."""
    await add_listings(tx, keys)
    arrays = arrays_of(keys, "listing_id")
    await tx.rows(LOCK_LISTINGS, **arrays)
    return {(row.channel_id, row.listing_id): Mapping(**row) for row in await tx.rows(MAPPINGS, **arrays)}


async def save(tx: Tx, mappings: Sequence[Mapping]) -> None:
    """Write mappings whose listings are locked."""
    if mappings:
        await tx.run(SAVE, **columns(mappings, *Mapping._fields))


async def page(tx: Tx, channel_id: UUID, *, after: str, limit: int) -> Sequence[Row]:
    """A channel's mappings from the listing after `after`, each with what its listing says of itself."""
    return await tx.rows(PAGE, channel_id=channel_id, after=after, limit=limit)


async def known_skus(tx: Tx, skus: Collection[str]) -> set[str]:
    """Which of these SKUs are known."""
    return {row.sku for row in await tx.rows(KNOWN_SKUS, skus=sorted(set(skus)))}
