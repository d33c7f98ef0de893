"""SQL of what is known of the SKUs and listings that orders name, and the locks on which judges and learners meet."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from sku_matcher.domain.listings import EPOCH
from sku_matcher.domain.matching import ANYWHERE, Catalogue, Given, OrderState

Key = tuple[UUID, str]
"""A channel, and a SKU or the channel's own id of a listing or product."""

HUB = UUID(int=0)
"""In `sku_presence`: a SKU that was added by hand for every channel."""

CARRIERS = """
    CASE WHEN w.channel_id = CAST(:anywhere AS uuid) THEN (SELECT count(*) FROM sku s WHERE s.sku = w.sku)
         WHEN COALESCE(here.listings, 0) > 0 THEN here.listings
         WHEN COALESCE(here.by_hand, false) OR COALESCE(hub.by_hand, false) THEN 1
         ELSE 0 END
"""
"""How many listings of a channel carry a SKU; where none does, one that was added by hand stands in for a listing.
Anywhere, a SKU that the hub knows is carried once."""
PRESENCE = """
    LEFT JOIN sku_presence here ON here.channel_id = w.channel_id AND here.sku = w.sku
    LEFT JOIN sku_presence hub ON hub.channel_id = CAST(:hub AS uuid) AND hub.sku = w.sku
"""
READ_CARRIERS = text(f"""
    SELECT w.channel_id, w.sku, {CARRIERS} AS carriers
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:sku AS text[])) AS w(channel_id, sku) {PRESENCE}
""")  # noqa: S608
ADD_PRESENCE = text("""
    INSERT INTO sku_presence (channel_id, sku)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:sku AS text[])) AS p(channel_id, sku)
    ORDER BY channel_id, sku
    ON CONFLICT DO NOTHING
""")
LOCK_PRESENCE = """
    SELECT p.channel_id, p.sku FROM sku_presence p
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:sku AS text[])) AS w(channel_id, sku) USING (channel_id, sku)
    ORDER BY p.channel_id, p.sku
"""
HOLD_PRESENCE = text(f"{LOCK_PRESENCE} FOR SHARE OF p")
CLAIM_PRESENCE = text(f"{LOCK_PRESENCE} FOR UPDATE OF p")
SET_BY_HAND = text("""
    UPDATE sku_presence SET by_hand = true
    WHERE sku = :sku AND channel_id = ANY(CAST(:channel_ids AS uuid[])) AND NOT by_hand
""")
ADD_LISTINGS = text("""
    INSERT INTO listing (channel_id, listing_id, product_id, listing_version, sku, title, sku_since, removed)
    SELECT channel_id, listing_id, '', 0, '', '', CAST(:epoch AS timestamptz), true
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[])) AS l(channel_id, listing_id)
    ORDER BY channel_id, listing_id
    ON CONFLICT DO NOTHING
""")
HOLD_LISTINGS = text("""
    SELECT l.channel_id, l.listing_id, l.sku, l.sku_since FROM listing l
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[])) AS w(channel_id, listing_id)
         USING (channel_id, listing_id)
    ORDER BY l.channel_id, l.listing_id FOR SHARE OF l
""")


async def catalogue_for(tx: Tx, orders: Iterable[OrderState]) -> Catalogue:
    """What is known of everything that these orders name.

    Only a SKU that exactly one listing carries is read without a lock: nobody will wait for it.
    """
    orders = list(orders)
    lines = [(order.channel_id, line) for order in orders for line in order.lines if line.wanted > 0]
    given = await _given(
        tx, {(channel, line.listing_id) for channel, line in lines if line.listing_id and not line.sku}
    )
    skus = {(order.shelf, line.sku) for order in orders for line in order.lines if line.wanted > 0 and line.sku}
    skus |= {(channel, found.sku) for (channel, _), found in given.items()}
    carriers = await _carriers(tx, skus)
    unsure = {key for key, count in carriers.items() if count != 1}
    if unsure:
        await hold_presence(tx, unsure)
        carriers |= await _carriers(tx, unsure)
    return Catalogue(carriers, given)


async def _given(tx: Tx, keys: Collection[Key]) -> dict[Key, Given]:
    if not keys:
        return {}
    await add_listings(tx, keys)
    rows = await tx.rows(HOLD_LISTINGS, **arrays_of(keys, "listing_id"))
    return {(row.channel_id, row.listing_id): Given(row.sku, row.sku_since) for row in rows if row.sku}


async def _carriers(tx: Tx, keys: Collection[Key]) -> dict[Key, int]:
    if not keys:
        return {}
    rows = await tx.rows(READ_CARRIERS, **arrays_of(keys, "sku"), hub=HUB, anywhere=ANYWHERE)
    return {(row.channel_id, row.sku): row.carriers for row in rows}


async def hold_presence(tx: Tx, keys: Collection[Key]) -> None:
    """Keep learners away from these SKUs, and from the same SKUs added by hand, until this transaction ends."""
    arrays = arrays_of({*keys, *((HUB, sku) for _, sku in keys)}, "sku")
    await tx.run(ADD_PRESENCE, **arrays)
    await tx.rows(HOLD_PRESENCE, **arrays)


async def claim_presence(tx: Tx, keys: Collection[Key]) -> None:
    """Keep judges and learners away from these SKUs: how many listings carry them is about to change. A SKU of the
    hub (`HUB`) is claimed where it may be met for the first time."""
    if keys:
        arrays = arrays_of(keys, "sku")
        await tx.run(ADD_PRESENCE, **arrays)
        await tx.rows(CLAIM_PRESENCE, **arrays)


async def set_by_hand(tx: Tx, sku: str, channel_ids: Sequence[UUID]) -> bool:
    """Let a SKU (its presence is claimed) stand in for a listing in these channels; False when it did before."""
    return await tx.run(SET_BY_HAND, sku=sku, channel_ids=list(channel_ids)) > 0


async def add_listings(tx: Tx, keys: Collection[Key]) -> None:
    """Give listings that nobody has told of a row to lock."""
    await tx.run(ADD_LISTINGS, **arrays_of(keys, "listing_id"), epoch=EPOCH)


def arrays_of(keys: Collection[Key], name: str) -> dict[str, list[Any]]:
    """Keys, sorted, as the arrays `channel_id` and `name`."""
    ordered = sorted(keys)
    return {"channel_id": [channel for channel, _ in ordered], name: [key for _, key in ordered]}
