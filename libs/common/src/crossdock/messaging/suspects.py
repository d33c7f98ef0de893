"""Messages that may have ended a process: each runs alone under a mark that outlives the process, and is parked after
three deaths while it was alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text

if TYPE_CHECKING:
    from crossdock.messaging.transaction import Tx

DEATHS = 3
"""So many deaths while a message ran alone, and it is to blame."""

PROCESS = uuid4()
"""This process. A mark of its own is no death: it is still alive."""

MARK = text("""
    INSERT INTO suspect AS s (handler, message_id, process, deaths) VALUES (:handler, :message_id, :process, 0)
    ON CONFLICT (handler, message_id) DO UPDATE
        SET deaths = s.deaths + CASE WHEN s.process = excluded.process THEN 0 ELSE 1 END, process = excluded.process
    RETURNING deaths
""")
CLEAR = text("DELETE FROM suspect WHERE handler = :handler AND message_id = :message_id")
CLEAR_MINE = text("DELETE FROM suspect WHERE process = :process")
DONE = text("""
    SELECT message_id FROM inbox WHERE handler = :handler AND message_id = ANY(CAST(:ids AS uuid[]))
""")


async def mark(tx: "Tx", handler: str, message_id: UUID) -> int:
    """Mark a message that is going to run alone; returns how many processes died with it alone before."""
    rows = await tx.rows(MARK, handler=handler, message_id=message_id, process=PROCESS)
    return int(rows[0].deaths)


async def clear(tx: "Tx", handler: str, message_id: UUID) -> None:
    """The process lived: the message is not to blame."""
    await tx.run(CLEAR, handler=handler, message_id=message_id)


async def clear_mine(tx: "Tx") -> None:
    """A graceful stop is no death: forget the marks of this process."""
    await tx.run(CLEAR_MINE, process=PROCESS)


async def done(tx: "Tx", handler: str, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these messages have their effect already."""
    return {row.message_id for row in await tx.rows(DONE, handler=handler, ids=list(ids))}
