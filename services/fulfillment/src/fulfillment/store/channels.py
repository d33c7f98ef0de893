"""SQL on channels: which there are, and how long each asks us to wait."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from crossdock.messaging.transaction import Tx
from crossdock.storage.engine import Row

ALL = text("SELECT channel_id, channel_version, kind, name, mode, settings, connected FROM channel ORDER BY channel_id")
SAVE = text("""
    INSERT INTO channel (channel_id, channel_version, kind, name, mode, settings, connected)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:channel_version AS int[]), CAST(:kind AS text[]),
                         CAST(:name AS text[]), CAST(:mode AS text[]), CAST(:settings AS jsonb[]),
                         CAST(:connected AS bool[]))
    ON CONFLICT (channel_id) DO UPDATE SET
        channel_version = excluded.channel_version, kind = excluded.kind, name = excluded.name, mode = excluded.mode,
        settings = excluded.settings, connected = excluded.connected
    WHERE excluded.channel_version > channel.channel_version
""")
REST = text("""
    UPDATE channel SET
        resume_at = CASE WHEN CAST(:tags_alone AS bool) THEN resume_at
                         ELSE greatest(resume_at, now() + make_interval(secs => r.seconds)) END,
        tags_resume_at = greatest(tags_resume_at, now() + make_interval(secs => r.seconds))
    FROM unnest(CAST(:channel_ids AS uuid[]), CAST(:seconds AS double precision[])) AS r(channel_id, seconds)
    WHERE channel.channel_id = r.channel_id
""")

SAVE_POLICIES = text("""
    INSERT INTO channel_policy (channel_id, policy_version, notify_customer)
    SELECT * FROM unnest(CAST(:channel_id AS uuid[]), CAST(:policy_version AS int[]), CAST(:notify_customer AS bool[]))
    ON CONFLICT (channel_id) DO UPDATE SET
        policy_version = excluded.policy_version, notify_customer = excluded.notify_customer
    WHERE excluded.policy_version > channel_policy.policy_version
""")


async def all_channels(tx: Tx) -> Sequence[Row]:
    """Every channel that was ever configured."""
    return await tx.rows(ALL)


async def save_channels(tx: Tx, channels: Sequence[dict[str, Any]]) -> None:
    """Write channels, each unless a newer version was written meanwhile."""
    names = ("channel_id", "channel_version", "kind", "name", "mode", "settings", "connected")
    await tx.run(SAVE, **{name: [channel[name] for channel in channels] for name in names})


async def rest(tx: Tx, waits: Collection[tuple[UUID, float]], *, tags_alone: bool) -> None:
    """Send nothing to these channels for so many seconds. With `tags_alone` no tags: their share of the rate budget is
    spent, and not that of what matters more."""
    ordered = sorted(waits)
    await tx.run(
        REST,
        channel_ids=[one for one, _ in ordered],
        seconds=[seconds for _, seconds in ordered],
        tags_alone=tags_alone,
    )


async def save_policies(tx: Tx, policies: Sequence[tuple[UUID, int, bool]]) -> None:
    """Write what policies say of channels (version, whether customers are told of parcels), each unless a newer version
    was written."""
    ordered = sorted(policies)
    await tx.run(
        SAVE_POLICIES,
        channel_id=[one for one, _, _ in ordered],
        policy_version=[version for _, version, _ in ordered],
        notify_customer=[told for _, _, told in ordered],
    )
