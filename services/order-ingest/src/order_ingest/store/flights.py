"""Orders that an import brought in and that are not matched and reserved yet: while many are, it brings in no more."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx

ADD = text("""
    INSERT INTO in_flight (run_id, order_id) SELECT :run_id, id FROM unnest(CAST(:order_ids AS uuid[])) AS id
    ON CONFLICT DO NOTHING
""")
# Landed: nobody was told of it, or the newest content was answered by the matcher and, where it matched, by inventory.
LANDED = text("""
    DELETE FROM in_flight f USING orders o
    WHERE o.order_id = f.order_id AND f.run_id = :run_id AND (
        o.progress->'published' IS NULL
        OR CAST(o.progress->'match'->>'content_version' AS int)
               >= CAST(o.progress->'published'->>'content_version' AS int)
           AND (o.progress->'match'->>'matched' = 'false'
                OR CAST(o.progress->'reservation'->>'content_version' AS int)
                       >= CAST(o.progress->'published'->>'content_version' AS int)))
""")
FORGET = text("DELETE FROM in_flight WHERE run_id NOT IN (SELECT run_id FROM run WHERE state = 'running')")
COUNT = text("SELECT count(*) AS flying FROM in_flight WHERE run_id = :run_id")


async def add(tx: Tx, run_id: UUID, order_ids: Collection[UUID]) -> None:
    """These orders were brought in, or changed, by a run."""
    if order_ids:
        await tx.run(ADD, run_id=run_id, order_ids=sorted(order_ids))


async def count(tx: Tx, run_id: UUID) -> int:
    """How many of a run's orders are on their way; those that have landed are forgotten, and those of ended runs."""
    await tx.run(LANDED, run_id=run_id)
    await tx.run(FORGET)
    [row] = await tx.rows(COUNT, run_id=run_id)
    return int(row.flying)
