"""The policies of channels, on the channels' own rows, and what changed in them, when and by whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row

LOAD = """
    SELECT channel_id, name, kind, policy_version AS version, policy AS document FROM channel
    WHERE channel_id = :channel_id
"""
READ, LOCK = text(LOAD), text(f"{LOAD} FOR UPDATE")
STORE = text("""
    UPDATE channel SET policy = CAST(:document AS jsonb), policy_version = policy_version + 1
    WHERE channel_id = :channel_id
    RETURNING channel_id, name, kind, policy_version AS version, policy AS document
""")
NOTE = text("""
    INSERT INTO policy_change (channel_id, version, changed_at, changed_by, changes)
    VALUES (:channel_id, :version, now(), :changed_by, CAST(:changes AS jsonb))
""")
HISTORY = text("""
    SELECT version, changed_at, changed_by, changes FROM policy_change
    WHERE channel_id = :channel_id ORDER BY version DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Stored:
    """A channel's policy as it is stored; version 0 is the standard one, which nobody has changed."""

    channel_id: UUID
    name: str
    kind: str
    version: int
    document: Mapping[str, Any]


async def load(tx: Tx, channel_id: UUID, *, lock: bool = False) -> Stored | None:
    """A channel's policy, or None for a channel that was never heard of; `lock` against imports and other changes."""
    rows = await tx.rows(LOCK if lock else READ, channel_id=channel_id)
    return Stored(**rows[0]) if rows else None


async def store(
    tx: Tx, channel_id: UUID, document: Mapping[str, Any], changes: Mapping[str, Any], changed_by: str
) -> Stored:
    """Write the next version of a policy that is locked, and what changed."""
    rows = await tx.rows(STORE, channel_id=channel_id, document=document)
    stored = Stored(**rows[0])
    await tx.run(NOTE, channel_id=channel_id, version=stored.version, changed_by=changed_by, changes=changes)
    return stored


async def history(tx: Tx, channel_id: UUID, limit: int) -> Sequence[Row]:
    """The newest changes of a policy, newest first."""
    return await tx.rows(HISTORY, channel_id=channel_id, limit=limit)
