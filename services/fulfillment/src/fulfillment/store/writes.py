"""SQL on writes to the outside: their intents, leases and fates, and the doubts about shipments."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.contracts.base import Event
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row

ADD = text("""
    INSERT INTO write_back (id, kind, target, order_id, channel_id, revision, shipment_id, package_ref, asked, payload,
                            traceparent)
    SELECT * FROM unnest(CAST(:id AS uuid[]), CAST(:kind AS text[]), CAST(:target AS text[]),
                         CAST(:order_id AS uuid[]), CAST(:channel_id AS uuid[]), CAST(:revision AS int[]),
                         CAST(:shipment_id AS text[]), CAST(:package_ref AS text[]), CAST(:asked AS text[]),
                         CAST(:payload AS jsonb[]), CAST(:traceparent AS text[]))
    ON CONFLICT (channel_id, asked) WHERE kind = 'answer' DO NOTHING
""")
CLAIM = """
    WITH due AS (
        SELECT w.id FROM channel c
        LEFT JOIN unnest(CAST(:channel_ids AS uuid[]), CAST(:under_way AS int[])) AS u(channel_id, n) USING (channel_id)
        CROSS JOIN LATERAL (
            SELECT p.id, p.next_at FROM write_back p
            WHERE p.channel_id = c.channel_id AND p.state = 'pending' AND p.kind {which} 'tag' AND p.next_at <= now()
              AND (SELECT b.id FROM write_back b
                   WHERE b.target = p.target AND b.state IN ('sending', 'in_doubt') LIMIT 1) IS NULL
              AND (SELECT q.id FROM write_back q
                   WHERE q.target = p.target AND q.state = 'pending' ORDER BY q.id LIMIT 1) = p.id
            ORDER BY p.next_at LIMIT greatest(CAST(:per_channel AS int) - coalesce(u.n, 0), 0)
            FOR UPDATE SKIP LOCKED) AS w
        WHERE c.{resume_at} <= now() AND (c.mode = 'live' OR NOT c.connected)
        ORDER BY w.next_at LIMIT :limit)
    UPDATE write_back SET state = 'sending', lease_token = :token, attempt = attempt + 1,
                          deadline = now() + make_interval(secs => :lease)
    FROM due WHERE write_back.id = due.id RETURNING write_back.id
"""
"""The first of each target is looked up by index for each row, whatever the statistics say: as `NOT EXISTS`, planned
while nothing was pending, it scanned all that was pending for each row, 15 ms for 2,000 instead of 0.2. Each of the two
look-ups by target has one index that fits it."""
CLAIM_PROMPT = text(CLAIM.format(which="<>", resume_at="resume_at"))
CLAIM_TAGS = text(CLAIM.format(which="=", resume_at="tags_resume_at"))
CLAIM_LOOKS = text("""
    UPDATE write_back SET lease_token = :token, look_count = look_count + 1,
                          next_at = now() + make_interval(secs => :lease)
    WHERE id IN (
        SELECT w.id FROM write_back w JOIN channel c USING (channel_id)
        WHERE w.state = 'in_doubt' AND w.next_at <= now() AND c.resume_at <= now() AND c.connected
        ORDER BY w.next_at LIMIT :limit FOR UPDATE OF w SKIP LOCKED)
    RETURNING id
""")
CLAIMED = text("""
    SELECT w.id, w.kind, w.order_id, w.channel_id, w.revision, w.shipment_id, w.package_ref, w.payload, w.traceparent,
           w.attempt, w.look_count, w.lease_token, w.needs_person,
           coalesce(extract(epoch FROM now() - w.first_doubt_at), 0)::float8 AS doubted_for,
           c.kind AS channel_kind, c.name AS channel_name, c.connected, r.recipient, q.units, q.recipes,
           q.external_id AS request_id, d.order_state, d.address, q.address AS asked_address,
           coalesce(cp.notify_customer, false) AS notify_customer,
           ARRAY(SELECT o.external_id FROM write_back o
                 WHERE o.order_id = w.order_id AND o.kind = w.kind AND o.state = 'done') AS taken
    FROM write_back w JOIN channel c USING (channel_id)
    LEFT JOIN channel_policy cp USING (channel_id)
    LEFT JOIN recipient r ON r.order_id = w.order_id AND w.kind = 'submit'
    LEFT JOIN desk d ON d.order_id = w.order_id AND w.kind = 'submit'
    LEFT JOIN request q ON q.order_id = w.order_id AND q.revision = w.revision
    WHERE w.id = ANY(CAST(:ids AS uuid[])) ORDER BY w.id
""")
RECORD = text("""
    UPDATE write_back w SET
        state = f.state,
        next_at = CASE WHEN w.state = 'sending' AND f.state = 'in_doubt' THEN greatest(w.deadline, now()) ELSE now() END
                  + make_interval(secs => f.seconds),
        reason = f.reason,
        external_id = CASE WHEN f.external_id = '' THEN w.external_id ELSE f.external_id END,
        evidence = CASE WHEN f.evidence IS NULL THEN w.evidence ELSE w.evidence || f.evidence END,
        first_doubt_at = CASE WHEN f.state = 'in_doubt' THEN coalesce(w.first_doubt_at, now()) END,
        look_count = CASE WHEN f.state = 'in_doubt' THEN w.look_count ELSE 0 END,
        needs_person = f.needs_person,
        settled_at = CASE WHEN f.state IN ('done', 'failed') THEN now() END
    FROM unnest(CAST(:id AS uuid[]), CAST(:token AS uuid[]), CAST(:state AS text[]),
                CAST(:seconds AS double precision[]), CAST(:reason AS text[]), CAST(:external_id AS text[]),
                CAST(:evidence AS jsonb[]), CAST(:needs_person AS bool[]))
         AS f(id, token, state, seconds, reason, external_id, evidence, needs_person)
    WHERE w.id = f.id AND w.lease_token = f.token AND w.state IN ('sending', 'in_doubt')
    RETURNING w.id
""")
EXPIRE = text("""
    UPDATE write_back SET state = 'in_doubt', first_doubt_at = now(), lease_token = NULL,
                          evidence = evidence || CAST(:evidence AS jsonb),
                          next_at = now() + make_interval(secs => :seconds)
    WHERE id IN (
        SELECT id FROM write_back WHERE state = 'sending' AND deadline < now() LIMIT 500 FOR UPDATE SKIP LOCKED)
""")
DROP_VOIDED = text("""
    UPDATE write_back w SET
        state = CASE WHEN w.state = 'pending' THEN 'failed' ELSE w.state END,
        reason = CASE WHEN w.state = 'pending' THEN :reason ELSE w.reason END,
        settled_at = CASE WHEN w.state = 'pending' THEN now() ELSE w.settled_at END
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:shipment_ids AS text[])) AS v(order_id, shipment_id)
    WHERE w.order_id = v.order_id AND w.shipment_id = v.shipment_id AND w.kind = 'tracking'
      AND w.state IN ('pending', 'done')
    RETURNING w.order_id, w.shipment_id, w.package_ref, w.state, w.traceparent
""")
DOUBT = text("""
    INSERT INTO doubt (order_id, shipment_id, notice, look_at)
    SELECT *, now() FROM unnest(CAST(:order_ids AS uuid[]), CAST(:shipment_ids AS text[]), CAST(:notices AS bytea[]))
    ON CONFLICT DO NOTHING
""")
CLAIM_DOUBTS = text("""
    UPDATE doubt SET look_at = now() + make_interval(secs => :lease)
    FROM (SELECT order_id, shipment_id FROM doubt
          WHERE look_at <= now() AND doubted_at <= now() - make_interval(secs => :age)
          ORDER BY look_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS due
    WHERE doubt.order_id = due.order_id AND doubt.shipment_id = due.shipment_id
    RETURNING doubt.order_id, doubt.shipment_id, doubt.notice
""")
DROP_DOUBT = text("DELETE FROM doubt WHERE order_id = :order_id AND shipment_id = :shipment_id")
REQUEST_TRACES = text("""
    SELECT order_id, revision, traceparent FROM write_back
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND kind = 'submit'
""")
LOCK_ONE = text("SELECT * FROM write_back WHERE id = :id FOR UPDATE")
ONE = text("SELECT order_id FROM write_back WHERE id = :id")
DECIDE = text("""
    UPDATE write_back SET state = :state, reason = :reason, next_at = now(), needs_person = false, lease_token = NULL,
        evidence = evidence || CAST(:evidence AS jsonb), first_doubt_at = NULL, look_count = 0,
        settled_at = CASE WHEN CAST(:state AS text) IN ('done', 'failed') THEN now() END
    WHERE id = :id
""")
COUNTS = text("""
    SELECT (SELECT count(*) FROM write_back WHERE state = 'pending') AS pending,
           (SELECT count(*) FROM write_back WHERE state = 'failed') AS failed,
           coalesce(sum(n) FILTER (WHERE state = 'sending'), 0)::int AS sending,
           coalesce(sum(n) FILTER (WHERE state = 'in_doubt'), 0)::int AS in_doubt,
           coalesce(sum(people), 0)::int AS needs_person
    FROM (SELECT state, count(*) AS n, count(*) FILTER (WHERE needs_person) AS people FROM write_back
          WHERE state IN ('sending', 'in_doubt') GROUP BY state) AS unsettled
""")
SHOWN = """
    SELECT w.id, w.kind, w.order_id, w.channel_id, c.name AS channel, w.revision, w.shipment_id, w.package_ref, w.state,
           w.attempt, w.look_count, w.needs_person, w.external_id, w.reason, w.evidence, w.created_at, w.next_at,
           w.first_doubt_at, w.settled_at
    FROM write_back w LEFT JOIN channel c USING (channel_id)
"""
OF_ORDER = text(SHOWN + " WHERE w.order_id = :order_id ORDER BY w.id")
BY_STATE = text(SHOWN + " WHERE w.state = :state AND w.id > :after ORDER BY w.id LIMIT :limit")


@dataclass(frozen=True, slots=True)
class NewWrite:
    """The intent of a write. One write of a `target` is sent, or in doubt, at a time; the others queue.

    `traceparent` is the trace context of what asked for it; `asked` names the request that an `answer` answers, which
    is answered once.
    """

    kind: str
    target: str
    order_id: UUID
    channel_id: UUID
    revision: int
    traceparent: str
    shipment_id: str = ""
    package_ref: str = ""
    asked: str = ""
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a call or a look. `seconds` is the wait before the next one; `evidence` goes on the timeline."""

    id: UUID
    token: UUID
    state: str
    seconds: float = 0.0
    reason: str = ""
    external_id: str = ""
    evidence: dict[str, Any] | None = None
    needs_person: bool = False


async def add_writes(tx: Tx, new: Sequence[NewWrite]) -> None:
    """Commit intents, in the order in which they are to be sent."""
    names = ("kind", "target", "order_id", "channel_id", "revision", "shipment_id", "package_ref", "asked",
             "payload", "traceparent")  # fmt: skip
    await tx.run(ADD, id=[new_id() for _ in new], **{name: [getattr(one, name) for one in new] for name in names})


async def claim(
    tx: Tx, *, tags: bool, limit: int, per_channel: int, lease: float, under_way: Mapping[UUID, int]
) -> Sequence[Row]:
    """Lease pending writes that are due, one for each target: `tags`, or all others. Channels that rest or observe are
    left out; each other one has `per_channel` calls at most, with those that are `under_way`."""
    statement = CLAIM_TAGS if tags else CLAIM_PROMPT
    ids = await tx.rows(
        statement,
        token=new_id(),
        limit=limit,
        per_channel=per_channel,
        lease=lease,
        channel_ids=list(under_way),
        under_way=list(under_way.values()),
    )
    return await tx.rows(CLAIMED, ids=[row.id for row in ids]) if ids else []


async def claim_looks(tx: Tx, *, limit: int, lease: float) -> Sequence[Row]:
    """Lease writes in doubt whose next look is due."""
    ids = await tx.rows(CLAIM_LOOKS, token=new_id(), limit=limit, lease=lease)
    return await tx.rows(CLAIMED, ids=[row.id for row in ids]) if ids else []


async def record(tx: Tx, fates: Sequence[Fate]) -> set[UUID]:
    """Write fates whose lease still holds; returns the ids of those. A fate without a lease is left to a look."""
    names = ("id", "token", "state", "seconds", "reason", "external_id", "evidence", "needs_person")
    rows = await tx.rows(RECORD, **{name: [getattr(fate, name) for fate in fates] for name in names})
    return {row.id for row in rows}


async def expire(tx: Tx, *, evidence: dict[str, Any], seconds: float) -> int:
    """Doubt every write whose deadline has passed without a fate; returns how many."""
    return await tx.run(EXPIRE, evidence=evidence, seconds=seconds)


async def drop_voided(tx: Tx, shipments: Sequence[tuple[UUID, str]]) -> list[Row]:
    """Give up the tracking of voided shipments that was not sent yet; returns what the channel was told already."""
    rows = await tx.rows(
        DROP_VOIDED,
        order_ids=[order_id for order_id, _ in shipments],
        shipment_ids=[shipment_id for _, shipment_id in shipments],
        reason="The shipment was voided before the channel was told.",
    )
    return [row for row in rows if row.state == "done"]


async def note_doubts(tx: Tx, doubts: Sequence[tuple[UUID, str, Event]]) -> None:
    """Remember notices that say more than was asked, whole, until a look has shown what to do with them."""
    await tx.run(
        DOUBT,
        order_ids=[order_id for order_id, _, _ in doubts],
        shipment_ids=[shipment_id for _, shipment_id, _ in doubts],
        notices=[event.__pydantic_serializer__.to_json(event) for _, _, event in doubts],
    )


async def claim_doubts(tx: Tx, *, limit: int, lease: float, age: float) -> Sequence[Row]:
    """Lease doubts that are at least `age` seconds old; those not dropped come back after `lease` seconds."""
    return await tx.rows(CLAIM_DOUBTS, limit=limit, lease=lease, age=age)


async def drop_doubt(tx: Tx, order_id: UUID, shipment_id: str) -> None:
    """The doubt about a shipment is settled."""
    await tx.run(DROP_DOUBT, order_id=order_id, shipment_id=shipment_id)


async def request_traces(tx: Tx, order_ids: Collection[UUID]) -> dict[tuple[UUID, int], str]:
    """The trace of each request of some orders, by order and revision: what its destination says belongs there too."""
    rows = await tx.rows(REQUEST_TRACES, order_ids=sorted(order_ids))
    return {(row.order_id, row.revision): row.traceparent for row in rows}


async def order_of(tx: Tx, write_id: UUID) -> UUID | None:
    """The order that a write belongs to."""
    rows = await tx.rows(ONE, id=write_id)
    return rows[0].order_id if rows else None


async def lock_write(tx: Tx, write_id: UUID) -> Row:
    """Lock one write, after the desk of its order."""
    return (await tx.rows(LOCK_ONE, id=write_id))[0]


async def decide(tx: Tx, write_id: UUID, state: str, reason: str, evidence: dict[str, Any]) -> None:
    """Write what a person decided of a write."""
    await tx.run(DECIDE, id=write_id, state=state, reason=reason, evidence=evidence)


async def counts(tx: Tx) -> Row:
    """How many writes are pending, sending, in_doubt, failed, and in doubt with needs_person; by partial indexes."""
    return (await tx.rows(COUNTS))[0]


async def writes_of(tx: Tx, order_id: UUID) -> Sequence[Row]:
    """All writes of an order, oldest first."""
    return await tx.rows(OF_ORDER, order_id=order_id)


async def writes_in(tx: Tx, state: str, after: UUID, limit: int) -> Sequence[Row]:
    """Writes in a state, oldest first, from the one after `after`."""
    return await tx.rows(BY_STATE, state=state, after=after, limit=limit)
