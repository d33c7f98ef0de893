"""Routes that changed and of which only the id is known; each is taken with a lease to find out whose it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx

NOTE = text("""
    INSERT INTO route_touch (channel_id, route_id, channel_kind, due_at)
    SELECT DISTINCT ON (t.channel_id, t.route_id) t.channel_id, t.route_id, t.channel_kind, now()
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:route_id AS text[]), CAST(:channel_kind AS text[]))
         AS t(channel_id, route_id, channel_kind)
    ORDER BY t.channel_id, t.route_id
    ON CONFLICT (channel_id, route_id) DO UPDATE SET due_at = now(), token = NULL, attempt = 0
""")
CLAIM = text("""
    UPDATE route_touch SET token = :token, attempt = attempt + 1,
        due_at = now() + make_interval(secs => :lease_seconds)
    WHERE (channel_id, route_id) IN (
        SELECT channel_id, route_id FROM route_touch WHERE due_at <= now() ORDER BY due_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    RETURNING channel_id, route_id, channel_kind, attempt
""")
DONE = text("""
    DELETE FROM route_touch USING unnest(CAST(:channel_id AS uuid[]), CAST(:route_id AS text[])) AS d(channel, route)
    WHERE channel_id = d.channel AND route_id = d.route AND token = :token
""")
LATER = text("""
    UPDATE route_touch SET due_at = now() + make_interval(secs => l.seconds), token = NULL
    FROM unnest(CAST(:channel_id AS uuid[]), CAST(:route_id AS text[]), CAST(:seconds AS double precision[]))
         AS l(channel, route, seconds)
    WHERE channel_id = l.channel AND route_id = l.route AND token = :token
""")


@dataclass(frozen=True, slots=True)
class Touch:
    """A route that changed; `attempt` counts from 1."""

    channel_id: UUID
    route_id: str
    channel_kind: str
    attempt: int


async def note(tx: Tx, touched: Collection[tuple[UUID, str, str]]) -> None:
    """Remember routes (channel, route, kind of channel) until it is known whose they are; one that is being looked up
    is looked up once more."""
    if touched:
        channel_ids, route_ids, kinds = zip(*touched, strict=True)
        await tx.run(NOTE, channel_id=list(channel_ids), route_id=list(route_ids), channel_kind=list(kinds))


async def claim(tx: Tx, token: UUID, *, limit: int, lease_seconds: float) -> list[Touch]:
    """Take routes that are due; whoever comes later finds them taken until the lease ends."""
    rows = await tx.rows(CLAIM, token=token, limit=limit, lease_seconds=lease_seconds)
    return [Touch(**row) for row in rows]


async def finish(tx: Tx, token: UUID, done: Sequence[Touch], later: Mapping[Touch, float]) -> None:
    """Forget what is settled and try the rest after so many seconds, unless a route was touched again meanwhile."""
    if done:
        await tx.run(DONE, token=token, **_names(done))
    if later:
        await tx.run(LATER, token=token, **_names(list(later)), seconds=list(later.values()))


def _names(touches: Sequence[Touch]) -> dict[str, list[object]]:
    return {"channel_id": [one.channel_id for one in touches], "route_id": [one.route_id for one in touches]}
