"""SQL of what is known of the SKUs and listings that orders name, and the locks on which judges and learners meet."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row, columns
from sku_matcher.domain.listings import EPOCH
from sku_matcher.domain.matching import ANYWHERE, Catalogue, Component, Given, OrderState

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
READ_NAMED = text(f"""
    SELECT w.*, {CARRIERS} AS carriers, m.sku AS mapped_sku, m.quantity AS mapped_quantity,
           (SELECT count(*) FROM sku_history h WHERE h.channel_id = w.channel_id AND h.sku = w.sku
                AND h.since <= w.placed_at AND (h.until IS NULL OR h.until > w.placed_at)) AS carried_at
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:sku AS text[]), CAST(:listing_id AS text[]),
                CAST(:placed_at AS timestamptz[])) AS w(channel_id, sku, listing_id, placed_at) {PRESENCE}
    LEFT JOIN mapping m ON m.channel_id = w.channel_id AND m.listing_id = w.listing_id AND m.sku <> ''
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


class Named(NamedTuple):
    """What a line names, where it is looked up, and when it was sold; `sku` and `listing_id` may be blank."""

    channel_id: UUID
    sku: str
    listing_id: str
    placed_at: datetime


async def catalogue_for(tx: Tx, orders: Iterable[OrderState]) -> Catalogue:
    """What is known of everything that these orders name.

    Only what is sure to match is read without a lock: nobody will wait for it.
    """
    named = {
        Named(order.shelf, line.sku, line.listing_id or "", order.placed_at)
        for order in orders
        for line in order.lines
        if line.wanted > 0
    }
    known = await _read(tx, named)
    unsure = {one for one, found in known.items() if not _sure(found)}
    if not unsure:
        return _catalogue(known, {})
    given = await _given(tx, {(one.channel_id, one.listing_id) for one in unsure if one.listing_id})
    unsure |= {
        one._replace(sku=given[one.channel_id, one.listing_id].sku)
        for one in unsure
        if not one.sku and (one.channel_id, one.listing_id) in given
    }
    await hold_presence(tx, {(one.channel_id, one.sku) for one in unsure if one.sku})
    return _catalogue(known | await _read(tx, unsure), given)


def _sure(found: Row) -> bool:
    return found.mapped_sku is not None or (found.carriers == 1 and found.carried_at <= 1)


def _catalogue(known: Mapping[Named, Row], given: Mapping[Key, Given]) -> Catalogue:
    return Catalogue(
        carriers={(one.channel_id, one.sku): found.carriers for one, found in known.items() if one.sku},
        carried_at={(one.channel_id, one.sku, one.placed_at): f.carried_at for one, f in known.items() if one.sku},
        given=given,
        mapped={
            (one.channel_id, one.listing_id): Component(found.mapped_sku, found.mapped_quantity)
            for one, found in known.items()
            if found.mapped_sku is not None
        },
    )


async def _read(tx: Tx, named: Collection[Named]) -> dict[Named, Row]:
    if not named:
        return {}
    rows = await tx.rows(READ_NAMED, **columns(sorted(named), *Named._fields), hub=HUB, anywhere=ANYWHERE)
    return {Named(row.channel_id, row.sku, row.listing_id, row.placed_at): row for row in rows}


async def _given(tx: Tx, keys: Collection[Key]) -> dict[Key, Given]:
    if not keys:
        return {}
    await add_listings(tx, keys)
    rows = await tx.rows(HOLD_LISTINGS, **arrays_of(keys, "listing_id"))
    return {(row.channel_id, row.listing_id): Given(row.sku, row.sku_since) for row in rows if row.sku}


async def hold_presence(tx: Tx, keys: Collection[Key]) -> None:
    """Keep learners away from these SKUs, and from the same SKUs added by hand, until this transaction ends."""
    if not keys:
        return
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
