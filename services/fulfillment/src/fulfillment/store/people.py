"""SQL on personal data outside the recipients: what destinations and channels wrote in their own words."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row

REMOVED = "(removed with the recipient)"
CLEAN_WRITES = text("""
    UPDATE write_back SET reason = CASE WHEN reason = '' THEN '' ELSE :removed END,
        evidence = (
            SELECT coalesce(jsonb_agg(
                e.one || jsonb_build_object('note', CAST(:removed AS text)) ORDER BY e.place), '[]')
            FROM jsonb_array_elements(evidence) WITH ORDINALITY AS e(one, place))
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND (reason <> '' OR evidence <> '[]')
""")
CLEAN_REQUESTS = text("""
    UPDATE request SET reason = :removed WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND reason <> ''
""")
DOUBTS = text("""
    SELECT order_id, shipment_id, notice FROM doubt WHERE order_id = ANY(CAST(:order_ids AS uuid[])) FOR UPDATE
""")
CLEAN_DOUBTS = text("""
    UPDATE doubt SET notice = d.notice
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:shipment_ids AS text[]), CAST(:notices AS bytea[]))
         AS d(order_id, shipment_id, notice)
    WHERE doubt.order_id = d.order_id AND doubt.shipment_id = d.shipment_id
""")
LEFT = text("""
    SELECT order_id, recipient_version FROM recipient
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND recipient IS NOT NULL
""")


async def clean_words(tx: Tx, order_ids: Collection[UUID]) -> tuple[int, int]:
    """Remove what outsiders wrote of some orders; how many writes and how many requests held any."""
    about = {"order_ids": sorted(order_ids), "removed": REMOVED}
    return await tx.run(CLEAN_WRITES, **about), await tx.run(CLEAN_REQUESTS, **about)


async def doubts(tx: Tx, order_ids: Collection[UUID]) -> list[Row]:
    """The notices of some orders that are kept until a look has shown what to do with them, locked."""
    return list(await tx.rows(DOUBTS, order_ids=sorted(order_ids)))


async def save_doubts(tx: Tx, cleaned: Collection[tuple[UUID, str, bytes]]) -> None:
    """Write notices without people."""
    await tx.run(
        CLEAN_DOUBTS,
        order_ids=[order_id for order_id, _, _ in cleaned],
        shipment_ids=[shipment_id for _, shipment_id, _ in cleaned],
        notices=[notice for _, _, notice in cleaned],
    )


async def recipients_left(tx: Tx, order_ids: Collection[UUID]) -> dict[UUID, int]:
    """Which of these orders have personal data here, and its version."""
    return {row.order_id: row.recipient_version for row in await tx.rows(LEFT, order_ids=sorted(order_ids))}
