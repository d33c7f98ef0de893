"""How channels are connected: tokens and their renewal, checks, approvals that are under way.

Leases run by Postgres's clock. Whoever holds one writes only while its claim is still the row's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row
from gateway.domain.connections import Connection
from gateway.sealing import Sealed

COLUMNS = ", ".join(one.name for one in fields(Connection))
GRANT = text("""
    INSERT INTO connection (channel_id, access_by, client_id, generation, authorized_at, renewal_due_at, check_due_at)
    VALUES (:channel_id, :access_by, :client_id, 1, :now, :renewal_due_at,
            CASE WHEN CAST(:checked AS bool) THEN now() END)
    ON CONFLICT (channel_id) DO UPDATE
        SET access_by = excluded.access_by, client_id = excluded.client_id, authorized_at = excluded.authorized_at,
            generation = connection.generation + 1, renewals = connection.renewals + 1, renewal_failures = 0,
            renewal_problem = '', renewal_due_at = excluded.renewal_due_at, renewal_claim = NULL,
            renewal_claimed_until = NULL, ended = '', uninstall_told_at = NULL, check_due_at = excluded.check_due_at
""")
CONNECTION = text(f"SELECT {COLUMNS} FROM connection WHERE channel_id = :channel_id")  # noqa: S608
CONNECTIONS = text(f"SELECT {COLUMNS} FROM connection WHERE channel_id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608

CLAIM_RENEWAL = text("""
    UPDATE connection SET renewal_claim = :claim, renewal_claimed_until = now() + make_interval(secs => :seconds)
    FROM channel
    WHERE connection.channel_id = :channel_id AND channel.id = connection.channel_id AND channel.state = 'connected'
      AND connection.access_by <> 'token' AND connection.ended = '' AND connection.renewals = :renewals
      AND (renewal_claimed_until IS NULL OR renewal_claimed_until <= now())
""")
HOLD_RENEWAL = text("""
    SELECT 1 FROM connection WHERE channel_id = :channel_id AND renewal_claim = :claim FOR UPDATE
""")
RENEWED = text("""
    UPDATE connection SET renewals = renewals + 1, renewed_at = :now, renewal_due_at = :due_at, scopes = :scopes,
        renewal_failures = 0, renewal_problem = '', renewal_claim = NULL, renewal_claimed_until = NULL
    WHERE channel_id = :channel_id
""")
PUT_OFF_RENEWAL = text("""
    UPDATE connection SET renewal_failures = renewal_failures + 1, renewal_problem = :problem,
        renewal_due_at = now() + make_interval(secs => :seconds), renewal_claim = NULL, renewal_claimed_until = NULL
    WHERE channel_id = :channel_id AND renewal_claim = :claim
""")
END_ACCESS = text("""
    UPDATE connection SET ended = :sentence, renewal_due_at = NULL, renewal_claim = NULL, renewal_claimed_until = NULL,
        check_due_at = now()
    WHERE channel_id = :channel_id AND renewal_claim = :claim
""")
DUE_RENEWALS = text("""
    SELECT c.channel_id FROM connection c JOIN channel ON channel.id = c.channel_id
    WHERE c.renewal_due_at <= now() AND c.ended = '' AND channel.state = 'connected'
      AND (c.renewal_claimed_until IS NULL OR c.renewal_claimed_until <= now())
    ORDER BY c.renewal_due_at LIMIT :limit
""")

CHECK_NOW = text("""
    UPDATE connection SET check_due_at = now()
    WHERE channel_id = ANY(CAST(:ids AS uuid[])) AND check_due_at > now()
""")
TOLD_UNINSTALLED = text("""
    UPDATE connection
    SET uninstall_told_at = greatest(uninstall_told_at, t.at), check_due_at = least(check_due_at, now())
    FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[])) AS t(id, at), channel
    WHERE connection.channel_id = t.id AND channel.id = t.id AND channel.state = 'connected'
""")
CLAIM_CHECKS = text("""
    UPDATE connection SET check_claim = :claim, check_claimed_until = now() + make_interval(secs => :seconds)
    WHERE channel_id IN (
        SELECT c.channel_id FROM connection c JOIN channel ON channel.id = c.channel_id
        WHERE channel.state = 'connected' AND (c.check_claimed_until IS NULL OR c.check_claimed_until <= now())
          AND (c.channel_id = CAST(:channel_id AS uuid)
               OR CAST(:channel_id AS uuid) IS NULL AND c.check_due_at <= now())
        ORDER BY c.check_due_at LIMIT :limit FOR UPDATE OF c SKIP LOCKED)
    RETURNING channel_id
""")
CHECKED = text("""
    UPDATE connection SET checked_at = :now, report = :report, repairs = :repairs,
        scopes = coalesce(CAST(:scopes AS text[]), scopes), check_claim = NULL, check_claimed_until = NULL,
        check_due_at = now() + make_interval(secs => :seconds),
        uninstall_told_at = CASE WHEN CAST(:installed AS bool) THEN NULL ELSE uninstall_told_at END
    WHERE channel_id = :channel_id AND check_claim = :claim
""")
HOLD_CHECK = text("""
    SELECT generation FROM connection WHERE channel_id = :channel_id AND check_claim = :claim FOR UPDATE
""")
STOP = text("""
    UPDATE connection SET renewal_due_at = NULL, check_due_at = NULL, check_claim = NULL, check_claimed_until = NULL,
        renewal_claim = NULL, renewal_claimed_until = NULL, uninstall_told_at = NULL
    WHERE channel_id = :channel_id
""")
RESET = text("""
    UPDATE connection SET report = '{}', checked_at = NULL, check_due_at = now(), check_claim = NULL,
        check_claimed_until = NULL, renewals = renewals + 1, renewal_failures = 0, renewal_problem = '', ended = '',
        renewal_claim = NULL, renewal_claimed_until = NULL, uninstall_told_at = NULL,
        renewal_due_at = CASE WHEN access_by <> 'token' THEN now() END
    WHERE channel_id = :channel_id
""")

ADD_APPROVAL = text("""
    INSERT INTO approval (state_hash, id, kind, shop, name, base_url, settings, client_id, sealed, key_id, created_at,
                          expires_at)
    VALUES (:state_hash, :id, :kind, :shop, :name, :base_url, :settings, :client_id, :sealed, :key_id, :now,
            :expires_at)
""")
APPROVAL_COLUMNS = "id, kind, shop, name, base_url, settings, client_id, sealed, key_id"
APPROVAL = text(f"""
    SELECT {APPROVAL_COLUMNS} FROM approval WHERE state_hash = :state_hash AND kind = :kind AND expires_at > now()
""")  # noqa: S608
TAKE_APPROVAL = text("DELETE FROM approval WHERE state_hash = :state_hash RETURNING id")
DROP_APPROVALS = text("DELETE FROM approval WHERE expires_at <= now()")
SEALED_WITH_OTHERS = text("""
    SELECT id, sealed, key_id FROM approval WHERE key_id <> :key_id ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
RESEAL = text("""
    UPDATE approval SET sealed = n.sealed, key_id = :key_id
    FROM unnest(CAST(:id AS uuid[]), CAST(:sealed AS bytea[])) AS n(id, sealed) WHERE approval.id = n.id
""")
SEALED_BY = text("""
    SELECT key_id, CAST(sum(number) AS int) AS number FROM (
        SELECT key_id, count(*) AS number FROM credential GROUP BY 1
        UNION ALL SELECT key_id, count(*) FROM approval WHERE expires_at > now() GROUP BY 1) AS sealed
    GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Pending:
    """An approval that is under way."""

    id: UUID
    kind: str
    shop: str | None
    name: str
    base_url: str
    settings: Mapping[str, Any]
    client_id: str
    secret: Sealed


async def grant(
    tx: Tx, channel_id: UUID, access_by: str, client_id: str, renewal_due_at: datetime | None, *, checked: bool
) -> None:
    """Note that access to a channel was granted, now or anew; `checked` channels are looked at from now on."""
    await tx.run(
        GRANT,
        channel_id=channel_id,
        access_by=access_by,
        client_id=client_id,
        now=tx.now,
        renewal_due_at=renewal_due_at,
        checked=checked,
    )


async def connection(tx: Tx, channel_id: UUID) -> Connection | None:
    """How a channel is connected."""
    found = await tx.rows(CONNECTION, channel_id=channel_id)
    return _connection(found[0]) if found else None


async def connections(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Connection]:
    """How channels are connected, by their ids."""
    return {row.channel_id: _connection(row) for row in await tx.rows(CONNECTIONS, ids=list(ids))}


def _connection(row: Any) -> Connection:
    return Connection(**(dict(row) | {"scopes": tuple(row.scopes)}))


async def claim_renewal(tx: Tx, channel_id: UUID, claim: UUID, renewals: int, seconds: float) -> bool:
    """Take the renewal of a channel's token, unless somebody is at it, or has renewed it since `renewals` was read."""
    return await tx.run(CLAIM_RENEWAL, channel_id=channel_id, claim=claim, renewals=renewals, seconds=seconds) == 1


async def hold_renewal(tx: Tx, channel_id: UUID, claim: UUID) -> bool:
    """Lock a renewal that was taken; False when it is no longer ours."""
    return bool(await tx.rows(HOLD_RENEWAL, channel_id=channel_id, claim=claim))


async def renewed(tx: Tx, channel_id: UUID, scopes: Sequence[str], due_at: datetime | None) -> None:
    """Note that a renewal that is held succeeded."""
    await tx.run(RENEWED, channel_id=channel_id, scopes=list(scopes), due_at=due_at, now=tx.now)


async def put_off_renewal(tx: Tx, channel_id: UUID, claim: UUID, problem: str, seconds: float) -> None:
    """Try a renewal again after so many seconds, and say why."""
    await tx.run(PUT_OFF_RENEWAL, channel_id=channel_id, claim=claim, problem=problem[:1000], seconds=seconds)


async def end_access(tx: Tx, channel_id: UUID, claim: UUID, sentence: str) -> None:
    """Note that a person has to grant access again."""
    await tx.run(END_ACCESS, channel_id=channel_id, claim=claim, sentence=sentence[:1000])


async def due_renewals(tx: Tx, limit: int) -> list[UUID]:
    """Channels whose token is to be renewed now."""
    return [row.channel_id for row in await tx.rows(DUE_RENEWALS, limit=limit)]


async def check_now(tx: Tx, ids: Collection[UUID]) -> None:
    """Look at channels at once that are looked at in any case."""
    await tx.run(CHECK_NOW, ids=sorted(ids))


async def told_uninstalled(tx: Tx, told: Mapping[UUID, datetime]) -> None:
    """Note which channels said that they were uninstalled, and when; they are looked at at once."""
    ids = sorted(told)
    await tx.run(TOLD_UNINSTALLED, ids=ids, at=[told[one] for one in ids])


async def claim_checks(tx: Tx, claim: UUID, seconds: float, limit: int, channel_id: UUID | None = None) -> list[UUID]:
    """Take the checks of channels that are due, or of one channel, due or not, unless somebody is at it."""
    rows = await tx.rows(CLAIM_CHECKS, claim=claim, seconds=seconds, limit=limit, channel_id=channel_id)
    return [row.channel_id for row in rows]


async def hold_check(tx: Tx, channel_id: UUID, claim: UUID) -> int | None:
    """Lock a check that was taken; the generation of the connection, or None when the check is no longer ours."""
    rows = await tx.rows(HOLD_CHECK, channel_id=channel_id, claim=claim)
    return rows[0].generation if rows else None


async def checked(
    tx: Tx,
    channel_id: UUID,
    claim: UUID,
    report: Mapping[str, Any],
    repairs: Sequence[Mapping[str, Any]],
    scopes: Sequence[str] | None,
    seconds: float,
    *,
    installed: bool,
) -> None:
    """Keep what a check found; the next one is due after so many seconds. `installed` answers a told uninstall."""
    await tx.run(
        CHECKED,
        channel_id=channel_id,
        claim=claim,
        report=dict(report),
        repairs=list(repairs),
        scopes=None if scopes is None else list(scopes),
        seconds=seconds,
        installed=installed,
        now=tx.now,
    )


async def stop(tx: Tx, channel_id: UUID) -> None:
    """Neither renew nor check a channel any more."""
    await tx.run(STOP, channel_id=channel_id)


async def reset(tx: Tx, channel_id: UUID) -> None:
    """Forget what was found of a channel; check it, and renew its token if it can be, at once."""
    await tx.run(RESET, channel_id=channel_id)


async def add_approval(tx: Tx, state_hash: bytes, pending: Pending, expires_at: datetime) -> None:
    """Note an approval that is under way, under the hash of its state."""
    await tx.run(
        ADD_APPROVAL,
        state_hash=state_hash,
        id=pending.id,
        kind=pending.kind,
        shop=pending.shop,
        name=pending.name,
        base_url=pending.base_url,
        settings=pending.settings,
        client_id=pending.client_id,
        sealed=pending.secret.data,
        key_id=pending.secret.key_id,
        now=tx.now,
        expires_at=expires_at,
    )


async def approval(tx: Tx, state_hash: bytes, kind: str) -> Pending | None:
    """The approval with this state, unless it was used or has ended."""
    rows = await tx.rows(APPROVAL, state_hash=state_hash, kind=kind)
    if not rows:
        return None
    row = dict(rows[0])
    secret = Sealed(row.pop("key_id"), row.pop("sealed"))
    return Pending(**row, secret=secret)


async def take_approval(tx: Tx, state_hash: bytes) -> bool:
    """Use an approval; False when somebody else has."""
    return bool(await tx.rows(TAKE_APPROVAL, state_hash=state_hash))


async def drop_approvals(tx: Tx) -> int:
    """Delete approvals that nobody gave in time."""
    return await tx.run(DROP_APPROVALS)


async def sealed_with_others(tx: Tx, key_id: str, limit: int) -> Sequence[Row]:
    """Lock approvals whose secret another key than this one sealed: id, sealed, key_id."""
    return await tx.rows(SEALED_WITH_OTHERS, key_id=key_id, limit=limit)


async def reseal(tx: Tx, key_id: str, sealed: Mapping[UUID, bytes]) -> None:
    """Replace the secrets of approvals, by their ids, by the same ones sealed with this key."""
    await tx.run(RESEAL, key_id=key_id, id=list(sealed), sealed=list(sealed.values()))


async def sealed_by(tx: Tx) -> dict[str, int]:
    """How many secrets each key has sealed."""
    return {row.key_id: row.number for row in await tx.rows(SEALED_BY)}
