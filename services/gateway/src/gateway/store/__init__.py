"""Every SQL statement of the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging import outbox
from crossdock.messaging.envelope import Outgoing
from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row, columns
from gateway.domain.channels import SERVICE, Channel
from gateway.domain.deliveries import Delivery
from gateway.sealing import Sealed

RECORD = text(f"""
    WITH fresh AS (
        INSERT INTO delivery (id, channel_id, external_delivery_id, topic, event_id, triggered_at, received_at,
                              category, size)
        SELECT d.* FROM unnest(
            CAST(:id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:external_delivery_id AS text[]),
            CAST(:topic AS text[]), CAST(:event_id AS text[]), CAST(:triggered_at AS timestamptz[]),
            CAST(:received_at AS timestamptz[]), CAST(:category AS text[]), CAST(:size AS int[]))
            AS d(id, channel_id, external_delivery_id, topic, event_id, triggered_at, received_at, category, size)
        ORDER BY d.channel_id, d.external_delivery_id
        ON CONFLICT (channel_id, external_delivery_id) DO NOTHING
        RETURNING id),
    kept AS (
        INSERT INTO delivery_body (delivery_id, body)
        SELECT b.id, b.body FROM unnest(CAST(:id AS uuid[]), CAST(:body AS bytea[])) AS b(id, body)
        WHERE b.id IN (SELECT id FROM fresh)),
    told AS ({outbox.INSERT_FRESH})
    SELECT id FROM fresh
""")  # noqa: S608
PURGE = text("""
    DELETE FROM delivery_body WHERE delivery_id IN (
        SELECT delivery_id FROM delivery_body
        WHERE delivery_id < :before AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = delivery_id)
        ORDER BY delivery_id LIMIT :limit)
""")

BODIES = text("""
    SELECT b.delivery_id, d.channel_id, d.topic, b.body, coalesce(c.kind, '') AS kind
    FROM delivery_body b JOIN delivery d ON d.id = b.delivery_id LEFT JOIN channel c ON c.id = d.channel_id
    WHERE b.delivery_id > :after ORDER BY b.delivery_id LIMIT :limit
""")
UNTOLD = text("""
    SELECT d.id, d.channel_id, d.external_delivery_id, d.topic, d.event_id, d.triggered_at, d.received_at, d.category,
           b.body, c.kind
    FROM outbox o JOIN delivery d USING (id) JOIN delivery_body b ON b.delivery_id = d.id
                  JOIN channel c ON c.id = d.channel_id
    WHERE o.id = ANY(CAST(:ids AS uuid[])) AND o.body = '' FOR UPDATE OF o
""")
DROP_BODIES = text("DELETE FROM delivery_body WHERE delivery_id = ANY(CAST(:ids AS uuid[]))")

CHANNEL_COLUMNS = "id, kind, name, mode, shop, base_url, settings, version, state, resets, created_at, changed_at"
WITH_SECRETS = f"""
    SELECT {CHANNEL_COLUMNS}, ARRAY(
        SELECT DISTINCT c.kind FROM credential c
        WHERE c.channel_id = channel.id AND (c.expires_at IS NULL OR c.expires_at > now()) ORDER BY 1) AS secrets
    FROM channel
"""  # noqa: S608
CONNECT = text(f"""
    INSERT INTO channel ({CHANNEL_COLUMNS})
    VALUES (:id, :kind, :name, :mode, :shop, :base_url, :settings, 1, 'connected', 0, :now, :now)
    ON CONFLICT (kind, shop) DO UPDATE
        SET name = excluded.name, mode = excluded.mode, base_url = excluded.base_url,
            settings = (channel.settings - '{SERVICE}') || excluded.settings,
            version = channel.version + 1, state = 'connected', changed_at = excluded.changed_at
        WHERE channel.state = 'disconnected'
    RETURNING id
""")  # noqa: S608
CONNECTED_SHOP = text("SELECT id FROM channel WHERE kind = :kind AND shop = :shop AND state = 'connected'")
CHANGE = text("""
    UPDATE channel SET name = :name, mode = :mode, base_url = :base_url, settings = :settings, state = :state,
                       resets = :resets, version = version + 1, changed_at = :now
    WHERE id = :id
""")
CHANNELS = text(f"""
    {WITH_SECRETS} WHERE CAST(:after AS uuid) IS NULL OR id > :after ORDER BY id LIMIT :limit
""")
CHANNEL = text(f"{WITH_SECRETS} WHERE id = :id")
LOCK_CHANNEL = text("SELECT id FROM channel WHERE id = :id FOR UPDATE")

STORE_CREDENTIALS = text("""
    INSERT INTO credential (id, channel_id, kind, sealed, key_id, created_at, expires_at)
    SELECT c.id, :channel_id, c.kind, c.sealed, c.key_id, :now, c.expires_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:kind AS text[]), CAST(:sealed AS bytea[]), CAST(:key_id AS text[]),
                CAST(:expires_at AS timestamptz[])) AS c(id, kind, sealed, key_id, expires_at)
""")
EXPIRE_CREDENTIALS = text("""
    UPDATE credential SET expires_at = least(expires_at, CAST(:at AS timestamptz))
    WHERE channel_id = :channel_id AND kind = ANY(CAST(:kinds AS text[]))
""")
DROP_CREDENTIALS = text("DELETE FROM credential WHERE channel_id = :channel_id AND kind = ANY(CAST(:kinds AS text[]))")
DROP_EXPIRED = text("DELETE FROM credential WHERE expires_at <= now()")
TOKENS = text("""
    SELECT kind, sealed, key_id, created_at, expires_at FROM credential
    WHERE channel_id = :channel_id AND kind = ANY(CAST(:kinds AS text[])) AND (expires_at IS NULL OR expires_at > now())
    ORDER BY array_position(CAST(:kinds AS text[]), kind), created_at DESC, id DESC LIMIT 1
""")
STAMP = text("""
    SELECT (SELECT count(*) FROM channel) AS channels, (SELECT coalesce(sum(version), 0) FROM channel) AS versions,
           (SELECT count(*) FROM credential
            WHERE kind = 'webhook_secret' AND (expires_at IS NULL OR expires_at > now())) AS secrets
""")
DIRECTORY = text("""
    SELECT channel.id, channel.kind, channel.shop, channel.state = 'connected' AS connected,
           array_agg(c.sealed ORDER BY c.created_at DESC, c.id DESC) FILTER (WHERE c.id IS NOT NULL) AS sealed,
           array_agg(c.key_id ORDER BY c.created_at DESC, c.id DESC) FILTER (WHERE c.id IS NOT NULL) AS key_ids
    FROM channel LEFT JOIN credential c ON c.channel_id = channel.id AND c.kind = 'webhook_secret'
                                       AND (c.expires_at IS NULL OR c.expires_at > now())
    WHERE channel.state = 'connected' OR c.id IS NOT NULL GROUP BY channel.id
""")
SEALED_WITH_OTHERS = text("""
    SELECT id, channel_id, kind, sealed, key_id FROM credential WHERE key_id <> :key_id ORDER BY id LIMIT :limit
    FOR UPDATE SKIP LOCKED
""")
RESEAL = text("""
    UPDATE credential SET sealed = n.sealed, key_id = :key_id
    FROM unnest(CAST(:id AS uuid[]), CAST(:sealed AS bytea[])) AS n(id, sealed) WHERE credential.id = n.id
""")

KEY_COLUMNS = "id, name, role, created_at, last_used_at, revoked_at"
ADD_KEY = text("""
    INSERT INTO api_key (id, name, key_hash, role, created_at) VALUES (:id, :name, :key_hash, :role, :now)
    ON CONFLICT (key_hash) DO NOTHING
""")
LOCK_KEYS = text("LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE")
ANY_KEY = text("SELECT EXISTS (SELECT FROM api_key) AS there")
KEY_BY_HASH = text(f"SELECT key_hash, {KEY_COLUMNS} FROM api_key WHERE key_hash = :key_hash AND revoked_at IS NULL")  # noqa: S608
USED = text("UPDATE api_key SET last_used_at = :now WHERE id = :id")
KEYS = text(f"SELECT {KEY_COLUMNS} FROM api_key ORDER BY id")  # noqa: S608
REVOKE = text("UPDATE api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL")


async def record(tx: Tx, deliveries: Sequence[Delivery], messages: Sequence[Outgoing]) -> int:
    """Store deliveries, their bodies and their messages in one statement; those that came before change nothing.

    A message has the id of its delivery. Returns how many deliveries were new.
    """
    rows = await tx.rows(
        RECORD,
        **columns(deliveries),
        size=[len(delivery.body) for delivery in deliveries],
        **outbox.fresh_arrays(messages),
    )
    fresh = {row.id for row in rows}
    tx.stored(message for message in messages if message.message_id in fresh)
    return len(fresh)


async def purge_bodies(tx: Tx, before: UUID, limit: int) -> int:
    """Delete bodies of deliveries older than a UUIDv7, unless they are still to be told; the keys of the deliveries
    stay. Returns how many went."""
    return await tx.run(PURGE, before=before, limit=limit)


async def bodies(tx: Tx, after: UUID, limit: int) -> Sequence[Row]:
    """Bodies of deliveries in the order of their ids: `delivery_id`, `channel_id`, `kind`, `topic`, `body`."""
    return await tx.rows(BODIES, after=after, limit=limit)


async def untold(tx: Tx, ids: Sequence[UUID]) -> list[tuple[Delivery, str]]:
    """Lock which of these deliveries are still to be told of: each with the kind of its channel."""
    rows = [tuple(row) for row in await tx.rows(UNTOLD, ids=list(ids))]
    return [(Delivery(*fields), kind) for *fields, kind in rows]


async def drop_bodies(tx: Tx, ids: Sequence[UUID]) -> int:
    """Delete the bodies of these deliveries; the deliveries stay known. Returns how many went."""
    return await tx.run(DROP_BODIES, ids=list(ids))


async def connect(tx: Tx, channel: Channel) -> UUID | None:
    """Add a channel, or connect again the one of the same shop. None if that one is connected already."""
    rows = await tx.rows(
        CONNECT,
        id=channel.id,
        kind=channel.kind,
        name=channel.name,
        mode=channel.mode,
        shop=channel.shop,
        base_url=channel.base_url,
        settings=channel.settings,
        now=tx.now,
    )
    return rows[0].id if rows else None


async def connected_shop(tx: Tx, kind: str, shop: str) -> UUID | None:
    """The connected channel of a shop."""
    rows = await tx.rows(CONNECTED_SHOP, kind=kind, shop=shop)
    return rows[0].id if rows else None


async def change(tx: Tx, channel: Channel) -> None:
    """Store a changed channel under its next version."""
    await tx.run(
        CHANGE,
        id=channel.id,
        name=channel.name,
        mode=channel.mode,
        base_url=channel.base_url,
        settings=channel.settings,
        state=channel.state,
        resets=channel.resets,
        now=tx.now,
    )


async def channel(tx: Tx, channel_id: UUID, *, lock: bool = False) -> Channel | None:
    """One channel, connected or not. With `lock`, others wait to change it."""
    if lock:
        await tx.rows(LOCK_CHANNEL, id=channel_id)
    rows = await tx.rows(CHANNEL, id=channel_id)
    return _channel(rows[0]) if rows else None


async def channels(tx: Tx, after: UUID | None, limit: int) -> list[Channel]:
    """Channels in the order in which they were made."""
    return [_channel(row) for row in await tx.rows(CHANNELS, after=after, limit=limit)]


def _channel(row: Row) -> Channel:
    return Channel(**(dict(row) | {"secrets": tuple(row.secrets)}))


async def store_credentials(
    tx: Tx, channel_id: UUID, ids: Sequence[UUID], sealed: dict[str, Sealed], ends: Mapping[str, datetime]
) -> None:
    """Add credentials of a channel: kind → sealed secret, and when those end that do."""
    await tx.run(
        STORE_CREDENTIALS,
        channel_id=channel_id,
        id=list(ids),
        kind=list(sealed),
        sealed=[one.data for one in sealed.values()],
        key_id=[one.key_id for one in sealed.values()],
        expires_at=[ends.get(kind) for kind in sealed],
        now=tx.now,
    )


async def expire_credentials(tx: Tx, channel_id: UUID, kinds: Sequence[str], at: datetime) -> None:
    """Let a channel's credentials of these kinds end at a time, or earlier if they do already."""
    await tx.run(EXPIRE_CREDENTIALS, channel_id=channel_id, kinds=list(kinds), at=at)


async def drop_credentials(tx: Tx, channel_id: UUID, kinds: Sequence[str]) -> None:
    """Delete a channel's credentials of these kinds."""
    await tx.run(DROP_CREDENTIALS, channel_id=channel_id, kinds=list(kinds))


async def drop_expired(tx: Tx) -> int:
    """Delete credentials that ended."""
    return await tx.run(DROP_EXPIRED)


@dataclass(frozen=True, slots=True)
class Kept:
    """A sealed credential and its life."""

    kind: str
    sealed: Sealed
    created_at: datetime
    expires_at: datetime | None


async def newest_credential(tx: Tx, channel_id: UUID, kinds: Sequence[str]) -> Kept | None:
    """The newest credential of the first of these kinds that there is."""
    rows = await tx.rows(TOKENS, channel_id=channel_id, kinds=list(kinds))
    if not rows:
        return None
    return Kept(rows[0].kind, Sealed(rows[0].key_id, rows[0].sealed), rows[0].created_at, rows[0].expires_at)


async def directory_stamp(tx: Tx) -> tuple[int, ...]:
    """A value that differs whenever the directory does."""
    row = (await tx.rows(STAMP))[0]
    return row.channels, int(row.versions), row.secrets


@dataclass(frozen=True, slots=True)
class Listed:
    """What the directory needs of a channel; the newest webhook secret comes first."""

    id: UUID
    kind: str
    shop: str | None
    connected: bool
    secrets: tuple[Sealed, ...]


async def directory(tx: Tx) -> list[Listed]:
    """All channels that are connected, or that were and may still be told of privacy requests, with their sealed
    webhook secrets."""
    return [
        Listed(
            row.id,
            row.kind,
            row.shop,
            row.connected,
            tuple(Sealed(key, data) for key, data in zip(row.key_ids or (), row.sealed or (), strict=True)),
        )
        for row in await tx.rows(DIRECTORY)
    ]


async def sealed_with_others(tx: Tx, key_id: str, limit: int) -> Sequence[Row]:
    """Lock credentials that another key than this one sealed: id, channel_id, kind, sealed, key_id."""
    return await tx.rows(SEALED_WITH_OTHERS, key_id=key_id, limit=limit)


async def reseal(tx: Tx, key_id: str, sealed: dict[UUID, bytes]) -> None:
    """Replace sealed credentials, by their ids, by the same ones sealed with this key."""
    await tx.run(RESEAL, key_id=key_id, id=list(sealed), sealed=list(sealed.values()))


async def add_key(tx: Tx, key_id: UUID, name: str, key_hash: bytes, role: str) -> None:
    """Store the hash of an API key."""
    await tx.run(ADD_KEY, id=key_id, name=name, key_hash=key_hash, role=role, now=tx.now)


async def no_key_yet(tx: Tx) -> bool:
    """Whether there was never an API key; others wait to add one until this transaction ends."""
    await tx.run(LOCK_KEYS)
    return not (await tx.rows(ANY_KEY))[0].there


async def key_by_hash(tx: Tx, key_hash: bytes) -> Row | None:
    """The API key with this hash, unless it was revoked."""
    rows = await tx.rows(KEY_BY_HASH, key_hash=key_hash)
    return rows[0] if rows else None


async def key_used(tx: Tx, key_id: UUID) -> None:
    """Note that an API key was used now."""
    await tx.run(USED, id=key_id, now=tx.now)


async def api_keys(tx: Tx) -> Sequence[Row]:
    """All API keys, revoked ones too."""
    return await tx.rows(KEYS)


async def revoke_key(tx: Tx, key_id: UUID) -> bool:
    """Revoke an API key; False if there is none to revoke."""
    return await tx.run(REVOKE, id=key_id, now=tx.now) == 1
