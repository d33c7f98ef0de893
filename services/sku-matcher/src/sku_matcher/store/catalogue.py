"""SQL of products, listings, SKUs and channels."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row, columns
from sku_matcher.domain.channels import Channel
from sku_matcher.domain.listings import EPOCH, History, Listing, Product
from sku_matcher.store.presence import HUB, Key, add_listings, arrays_of

ADD_PRODUCTS = text("""
    INSERT INTO product (channel_id, product_id, updated_at, told_at)
    SELECT channel_id, product_id, CAST(:epoch AS timestamptz), CAST(:epoch AS timestamptz)
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:product_id AS text[])) AS p(channel_id, product_id)
    ORDER BY channel_id, product_id
    ON CONFLICT DO NOTHING
""")
LOCK_PRODUCTS = text("""
    SELECT p.* FROM product p
    JOIN unnest(CAST(:channel_id AS uuid[]), CAST(:product_id AS text[])) AS w(channel_id, product_id)
         USING (channel_id, product_id)
    ORDER BY p.channel_id, p.product_id FOR UPDATE OF p
""")
SAVE_PRODUCTS = text("""
    UPDATE product p SET updated_at = n.updated_at, told_at = n.told_at
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:product_id AS text[]), CAST(:updated_at AS timestamptz[]),
                CAST(:told_at AS timestamptz[])) AS n(channel_id, product_id, updated_at, told_at)
    WHERE p.channel_id = n.channel_id AND p.product_id = n.product_id
""")
LOCK_LISTINGS = text("""
    SELECT l.* FROM listing l
    WHERE (l.channel_id, l.listing_id) IN (
              SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[]))
              UNION
              SELECT o.channel_id, o.listing_id FROM listing o
              JOIN unnest(CAST(:product_channel AS uuid[]), CAST(:product_id AS text[])) AS w(channel_id, product_id)
                   USING (channel_id, product_id))
    ORDER BY l.channel_id, l.listing_id FOR UPDATE
""")
SAVE_LISTINGS = text("""
    UPDATE listing l SET product_id = n.product_id, listing_version = n.listing_version, sku = n.sku, title = n.title,
           sku_since = n.sku_since, removed = n.removed
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[]), CAST(:product_id AS text[]),
                CAST(:listing_version AS int[]), CAST(:sku AS text[]), CAST(:title AS text[]),
                CAST(:sku_since AS timestamptz[]), CAST(:removed AS bool[]))
         AS n(channel_id, listing_id, product_id, listing_version, sku, title, sku_since, removed)
    WHERE l.channel_id = n.channel_id AND l.listing_id = n.listing_id
""")
COUNT_LISTINGS = text("""
    UPDATE sku_presence p
    SET listings = (SELECT count(*) FROM listing l WHERE l.channel_id = p.channel_id AND l.sku = p.sku AND l.sku <> '')
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:sku AS text[])) AS w(channel_id, sku)
    WHERE p.channel_id = w.channel_id AND p.sku = w.sku
""")
END_SPANS = text("""
    WITH ended AS (
        SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[]), CAST(:until AS timestamptz[]))
                      AS e(channel_id, listing_id, until)),
    unlived AS (
        DELETE FROM sku_history h USING ended e
        WHERE h.channel_id = e.channel_id AND h.listing_id = e.listing_id AND h.until IS NULL AND h.since >= e.until)
    UPDATE sku_history h SET until = e.until FROM ended e
    WHERE h.channel_id = e.channel_id AND h.listing_id = e.listing_id AND h.until IS NULL AND h.since < e.until
""")
BEGIN_SPANS = text("""
    INSERT INTO sku_history (channel_id, listing_id, sku, since, until)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:listing_id AS text[]), CAST(:sku AS text[]),
                         CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
""")
ADD_SKUS = text("""
    INSERT INTO sku (sku, sku_version, title)
    SELECT s.sku, 1, s.title FROM unnest(CAST(:sku AS text[]), CAST(:title AS text[])) AS s(sku, title) ORDER BY s.sku
    ON CONFLICT DO NOTHING RETURNING sku
""")
LOCK_SKU = text("SELECT sku, sku_version, title FROM sku WHERE sku = :sku FOR UPDATE")
SAVE_SKU = text("UPDATE sku SET sku_version = :sku_version, title = :title WHERE sku = :sku")
LEARN_CHANNELS = text("""
    INSERT INTO channel AS c (channel_id, channel_version, kind, name, connected)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:channel_version AS int[]), CAST(:kind AS text[]),
                         CAST(:name AS text[]), CAST(:connected AS bool[]))
         AS n(channel_id, channel_version, kind, name, connected)
    ORDER BY channel_id
    ON CONFLICT (channel_id) DO UPDATE SET channel_version = excluded.channel_version, connected = excluded.connected,
        kind = COALESCE(NULLIF(excluded.kind, ''), c.kind), name = COALESCE(NULLIF(excluded.name, ''), c.name)
    WHERE c.channel_version < excluded.channel_version
""")
# A run that is under way loses its place and its holder, and begins as if it had been started now.
RESTART = text("""
    WITH begun AS (
        UPDATE channel SET resets = r.resets, reset_at = now()
        FROM unnest(CAST(:channel_id AS uuid[]), CAST(:resets AS int[])) AS r(channel_id, resets)
        WHERE channel.channel_id = r.channel_id AND channel.resets < r.resets
        RETURNING channel.channel_id),
    taken AS (
        UPDATE run SET token = NULL, cursor = NULL, started_at = now(), due_at = now(), failures = 0,
            failing_since = NULL, problem = ''
        WHERE state = 'running' AND kind = 'listings' AND channel_id IN (SELECT channel_id FROM begun))
    SELECT channel_id FROM begun b
    WHERE NOT EXISTS (SELECT 1 FROM run r
                      WHERE r.channel_id = b.channel_id AND r.state = 'running' AND r.kind = 'listings')
""")
RESET_AT = text("SELECT reset_at FROM channel WHERE channel_id = :channel_id")
EVERY_CHANNEL = text("SELECT channel_id, kind, name, connected FROM channel ORDER BY channel_id")
CHANNELS = text("SELECT channel_id FROM channel WHERE channel_id = ANY(CAST(:channel_ids AS uuid[]))")
SKUS = text("""
    SELECT s.sku, s.title, s.sku_version, COALESCE(p.listings, 0) AS listings, COALESCE(p.by_hand, false) AS by_hand,
           COALESCE(p.by_hand_for, '{}') AS by_hand_for
    FROM sku s LEFT JOIN LATERAL (
        SELECT sum(listings) AS listings, bool_or(by_hand AND channel_id = CAST(:hub AS uuid)) AS by_hand,
               array_agg(channel_id ORDER BY channel_id) FILTER (WHERE by_hand AND channel_id <> CAST(:hub AS uuid))
                   AS by_hand_for
        FROM sku_presence WHERE sku = s.sku) p ON true
    WHERE s.sku > :after AND (CAST(:sku AS text) IS NULL OR s.sku = :sku) ORDER BY s.sku LIMIT :limit
""")
LISTINGS = text("""
    SELECT channel_id, listing_id, product_id, sku, title, listing_version FROM listing
    WHERE channel_id = CAST(:channel_id AS uuid) AND NOT removed AND listing_id > :after
          AND (CAST(:sku AS text) IS NULL OR sku = :sku)
    ORDER BY listing_id LIMIT :limit
""")


async def lock_products(tx: Tx, keys: Collection[Key]) -> dict[Key, Product]:
    """Lock products; those never heard of get a row."""
    arrays = arrays_of(keys, "product_id")
    await tx.run(ADD_PRODUCTS, **arrays, epoch=EPOCH)
    rows = await tx.rows(LOCK_PRODUCTS, **arrays)
    return {(row.channel_id, row.product_id): Product(**row) for row in rows}


async def lock_listings(tx: Tx, named: Collection[Key], products: Collection[Key]) -> dict[Key, Listing]:
    """Lock the listings that are named, which get a row, and all those of some products."""
    await add_listings(tx, named)
    ids, of = arrays_of(named, "listing_id"), arrays_of(products, "product_id")
    rows = await tx.rows(LOCK_LISTINGS, **ids, product_channel=of["channel_id"], product_id=of["product_id"])
    return {(row.channel_id, row.listing_id): Listing(**row) for row in rows}


async def save_catalogue(
    tx: Tx, products: Sequence[Product], listings: Sequence[Listing], touched: Collection[Key]
) -> None:
    """Write products and listings, and count anew who carries the SKUs that were touched (they are claimed)."""
    if products:
        await tx.run(SAVE_PRODUCTS, **columns(products))
    if listings:
        await tx.run(SAVE_LISTINGS, **columns(listings))
    if touched:
        await tx.run(COUNT_LISTINGS, **arrays_of(touched, "sku"))


async def save_history(tx: Tx, history: History) -> None:
    """Write since when and until when listings (they are locked) carried SKUs."""
    if history.ends:
        keys = sorted(history.ends)
        await tx.run(END_SPANS, **arrays_of(keys, "listing_id"), until=[history.ends[key] for key in keys])
    if begun := history.begun:
        await tx.run(BEGIN_SPANS, **columns(begun))


async def add_skus(tx: Tx, titles: Mapping[str, str]) -> set[str]:
    """Add SKUs with their titles; returns those that were not known."""
    if not titles:
        return set()
    rows = await tx.rows(ADD_SKUS, sku=list(titles), title=list(titles.values()))
    return {row.sku for row in rows}


async def lock_sku(tx: Tx, sku: str) -> Row:
    """Lock a SKU that is there: sku, sku_version, title."""
    return (await tx.rows(LOCK_SKU, sku=sku))[0]


async def save_sku(tx: Tx, sku: str, sku_version: int, title: str) -> None:
    """Write a SKU's new title under a new version."""
    await tx.run(SAVE_SKU, sku=sku, sku_version=sku_version, title=title)


async def learn_channels(tx: Tx, channels: Collection[Channel]) -> None:
    """Write what is newer than what is known."""
    await tx.run(LEARN_CHANNELS, **columns(sorted(channels, key=lambda channel: channel.channel_id)))


async def restart(tx: Tx, resets: Mapping[UUID, int]) -> set[UUID]:
    """Forget how far the catalogues of channels were read that were reset more often than is known here; returns those
    of them that nobody is reading."""
    rows = await tx.rows(RESTART, channel_id=list(resets), resets=list(resets.values()))
    return {row.channel_id for row in rows}


async def reset_at(tx: Tx, channel_id: UUID) -> datetime | None:
    """When a channel was reset last; None when it never was."""
    rows = await tx.rows(RESET_AT, channel_id=channel_id)
    return rows[0].reset_at if rows else None


async def every_channel(tx: Tx) -> Sequence[Row]:
    """The channels that have been heard of."""
    return await tx.rows(EVERY_CHANNEL)


async def known_channels(tx: Tx, channel_ids: Collection[UUID]) -> set[UUID]:
    """Which of these channels have been heard of."""
    return {row.channel_id for row in await tx.rows(CHANNELS, channel_ids=sorted(channel_ids))}


async def sku_page(tx: Tx, *, sku: str | None, after: str, limit: int) -> Sequence[Row]:
    """SKUs from the one after `after`, each with how many listings carry it and for whom it was added by hand."""
    return await tx.rows(SKUS, sku=sku, after=after, limit=limit, hub=HUB)


async def listing_page(tx: Tx, channel_id: UUID, *, sku: str | None, after: str, limit: int) -> Sequence[Row]:
    """A channel's listings from the one after `after`."""
    return await tx.rows(LISTINGS, channel_id=channel_id, sku=sku, after=after, limit=limit)
