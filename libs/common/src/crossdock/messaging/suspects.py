"""Messages that may have ended a process. Those delivered again run together under marks that outlive the process; if
it dies again, each of them runs alone; after three deaths while it was alone, a message is parked.

A crash leaves hundreds of innocent messages behind (two batches for each queue), and alone they take three transactions
each: company first makes recovery from an ordinary crash as fast as ordinary work."""

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text

from crossdock.messaging.inbox import BY_VALUE

if TYPE_CHECKING:
    from crossdock.messaging.transaction import Tx

DEATHS = 3
"""So many deaths while a message ran alone, and it is to blame."""

IN_COMPANY = 1
"""Deaths that it is forgiven before it runs alone."""

PROCESS = uuid4()
"""This process. A mark of its own is no death: it is still alive."""

MARK = text("""
    INSERT INTO suspect AS s (handler, message_id, process, deaths)
    SELECT :handler, m.id, :process, 0 FROM unnest(CAST(:ids AS uuid[])) AS m(id)
    ON CONFLICT (handler, message_id) DO UPDATE
        SET deaths = s.deaths + CASE WHEN s.process = excluded.process THEN 0 ELSE 1 END, process = excluded.process
    RETURNING message_id, deaths
""")
CLEAR = text("DELETE FROM suspect WHERE handler = :handler AND message_id = ANY(CAST(:ids AS uuid[]))")
CLEAR_MINE = text("DELETE FROM suspect WHERE process = :process")
DONE = text("""
    SELECT message_id FROM inbox WHERE handler = :handler AND message_id = ANY(CAST(:ids AS uuid[]))
""")
MARKED = text("""
    SELECT message_id FROM suspect
    WHERE handler = :handler AND message_id = ANY(CAST(:ids AS uuid[])) AND process <> :process
""")


async def mark(tx: "Tx", handler: str, ids: Collection[UUID]) -> dict[UUID, int]:
    """Mark messages that are going to run; returns how many processes died with each of them marked."""
    rows = await tx.rows(MARK, handler=handler, ids=sorted(ids, key=BY_VALUE), process=PROCESS)
    return {row.message_id: row.deaths for row in rows}


async def clear(tx: "Tx", handler: str, ids: Collection[UUID]) -> None:
    """The process lived: these messages are not to blame."""
    await tx.run(CLEAR, handler=handler, ids=sorted(ids, key=BY_VALUE))


async def marked(tx: "Tx", handler: str, ids: Collection[UUID]) -> set[UUID]:
    """Which of these messages were marked by a process that is no more."""
    return {row.message_id for row in await tx.rows(MARKED, handler=handler, ids=list(ids), process=PROCESS)}


async def clear_mine(tx: "Tx") -> None:
    """A graceful stop is no death: forget the marks of this process."""
    await tx.run(CLEAR_MINE, process=PROCESS)


async def done(tx: "Tx", handler: str, ids: Collection[UUID]) -> set[UUID]:
    """Which of these messages have their effect already."""
    return {row.message_id for row in await tx.rows(DONE, handler=handler, ids=list(ids))}
