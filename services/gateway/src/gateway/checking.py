"""Looks at a channel: whether it lets us in, may do what it is meant to, speaks our version, and tells us everything.

Invariant: what a check finds is stored only while the check is ours. A channel that told of its uninstall is
disconnected only when it no longer lets us in, and access was not granted anew since we looked.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crossdock.channels.connecting import Inspection
from crossdock.channels.errors import AuthExpired, ChannelError
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.registry import connector
from crossdock.channels.serving import ServiceRegistrar
from crossdock.contracts.base import utc_now
from crossdock.messaging.envelope import new_id
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from gateway import approvals, channels, grants, metrics, store
from gateway.domain import connections as words
from gateway.domain.channels import SERVICE
from gateway.domain.connections import Connection, Missing, Step
from gateway.grants import Access
from gateway.parts import Parts
from gateway.sealing import Unsealable
from gateway.store import connections

CLAIM_SECONDS = 90.0
CALL_SECONDS = 10.0
AGAIN_SECONDS = 120.0
"""After a check that could not ask, the next one comes so soon."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: a report for people, the scopes granted, the topics subscribed to anew, and whether the
    channel lets us in (None: it could not be asked)."""

    report: dict[str, Any]
    scopes: tuple[str, ...] | None
    repaired: tuple[str, ...]
    lets_us_in: bool | None


async def check(context: Context, parts: Parts, channel_id: UUID, *, repair: bool) -> dict[str, Any]:
    """Look at one channel now; with `repair`, subscribe to topics that it lacks. The report.

    Raises Problem: 404, 409 while another check is at it or for a kind that cannot be asked.
    """
    async with context.transaction() as tx:
        channel = await store.channel(tx, channel_id)
    if channel is None or channel.state != "connected":
        raise not_found("connected channel", channel_id)
    if not channels.can_be_checked(channel.kind):
        sentence = f"Channels of kind {channel.kind} cannot tell how they are connected."
        raise Problem(409, "cannot_be_checked", sentence, "Send a test order or request instead.")
    claim = new_id()
    async with context.transaction() as tx:
        if not await connections.claim_checks(tx, claim, CLAIM_SECONDS, 1, channel_id):
            sentence = f"Channel {channel.name} is being checked by somebody else."
            raise Problem(409, "being_checked", sentence, "Try again in a moment.")
    return await _check(context, parts, channel_id, claim, repair=repair)


async def check_due(context: Context, parts: Parts, limit: int) -> int:
    """Check, and repair, the channels whose check is due; how many there were."""
    claim = new_id()
    async with context.transaction() as tx:
        due = await connections.claim_checks(tx, claim, CLAIM_SECONDS, limit)
    await asyncio.gather(*(_check(context, parts, one, claim, repair=True) for one in due))
    return len(due)


async def _check(context: Context, parts: Parts, channel_id: UUID, claim: UUID, *, repair: bool) -> dict[str, Any]:
    async with context.transaction() as tx:
        how = await connections.connection(tx, channel_id)
    if how is None:
        raise not_found("connection of channel", channel_id)
    found = await _look(context, parts, channel_id, repair=repair)
    metrics.checks.add(1, {"ok": str(found.report["ok"]).lower()})
    metrics.repairs.add(len(found.repaired))
    if how.uninstall_told_at is not None and _is_gone(how, found):
        await _take_leave(context, parts, channel_id, claim, how.generation)
        return found.report
    pause = parts.settings.check_minutes * 60
    async with context.transaction() as tx:
        await connections.checked(
            tx,
            channel_id,
            claim,
            found.report,
            words.repairs_after(how.repairs, utc_now(), found.repaired),
            found.scopes,
            min(pause, AGAIN_SECONDS) if found.lets_us_in is None else pause,
            installed=bool(found.lets_us_in),
        )
    return found.report


def _is_gone(how: Connection, found: Found) -> bool:
    """Whether a channel that told of its uninstall is gone: it lets us in no longer. One that we have no token for has
    nothing but its signed word, which counts unless it is older than our access."""
    if found.lets_us_in is None and found.report["token"] is False and how.uninstall_told_at is not None:
        return how.uninstall_told_at > how.authorized_at
    return found.lets_us_in is False


async def _take_leave(context: Context, parts: Parts, channel_id: UUID, claim: UUID, generation: int) -> None:
    async with context.transaction() as tx:
        await store.channel(tx, channel_id, lock=True)
        if await connections.hold_check(tx, channel_id, claim) != generation:
            return
        await channels.disconnect(tx, channel_id, timedelta(days=parts.settings.farewell_days))
    log.info("channel %s was uninstalled by its shop and is disconnected", channel_id)
    await parts.directory.changed()


async def _look(context: Context, parts: Parts, channel_id: UUID, *, repair: bool) -> Found:
    """Ask the channel, step by step; what cannot be asked without an earlier answer is left out."""
    try:
        entry = await grants.access(context, parts, channel_id)
    except (Problem, Unsealable) as problem:
        ended = isinstance(problem, Problem) and problem.body.code == "access_ended"
        return _not_asked(str(problem), lets_us_in=False if ended else None)
    if not entry.token:
        said = "No access token is stored, so that the channel is heard, but cannot be asked: set one"
        return _not_asked(said, token=False)
    try:
        entry, inspection = await _inspect(context, parts, entry)
    except ChannelError as problem:
        return _not_asked(problem.sentence, lets_us_in=False if isinstance(problem, AuthExpired) else None)
    except (Problem, Unsealable) as problem:
        return _not_asked(str(problem), lets_us_in=False)
    source = connector(entry.channel.kind)
    needs = source.scope_needs(entry.channel.settings)
    lacking = [Missing(n.any_of, n.without, n.essential) for n in source.missing(needs, inspection.scopes)]
    told, webhooks, repaired = await _webhooks(parts, entry, inspection.scopes, repair=repair)
    steps = (
        Step("access", True, "The channel lets us in"),
        words.account_step(entry.channel.shop, inspection.account),
        words.scopes_step(lacking),
        words.version_step(inspection.api_version, inspection.served_version),
        _secret_step(entry),
        told,
        *await _service(parts, entry),
    )
    report = words.report_of(
        utc_now(),
        steps,
        token=True,
        account=inspection.account,
        scopes=list(inspection.scopes),
        missing_scopes=[{"any_of": one.any_of, "without": one.without, "essential": one.essential} for one in lacking],
        api_version={"asked": inspection.api_version, "served": inspection.served_version},
        webhooks=webhooks,
    )
    return Found(report, inspection.scopes, repaired, True)


async def _service(parts: Parts, entry: Access) -> tuple[Step, ...]:
    """Whether our fulfillment service is there and its calls lead to us; nothing where none was wanted."""
    kept = entry.channel.settings.get(SERVICE)
    source = connector(entry.channel.kind)
    if not kept or not isinstance(source, ServiceRegistrar):
        return ()
    try:
        known = {one.service_id: one for one in await source.list_services(bounded(entry))}
        uri = approvals.public_address(parts, f"/webhooks/{entry.channel.kind}/{entry.channel.id}")
    except ChannelError as problem:
        return (Step("service", False, problem.sentence),)
    except Problem as problem:
        return (Step("service", False, f"{problem.body.message} {problem.body.next}".rstrip(".")),)
    found = known.get(kept.get("id", ""))
    return (words.service_step(kept["name"], found is not None, bool(found and found.callback_url == uri)),)


def _not_asked(problem: str, *, lets_us_in: bool | None = None, token: bool = True) -> Found:
    step = Step("access", False, problem.rstrip("."))
    return Found(words.report_of(utc_now(), (step,), token=token), None, (), lets_us_in)


def _secret_step(entry: Access) -> Step:
    if "webhook_secret" in entry.channel.secrets:
        return Step("secret", True, "A webhook secret is set")
    return Step("secret", False, "No webhook secret is set, so that every webhook is refused: set the app's secret")


async def _inspect(context: Context, parts: Parts, entry: Access) -> tuple[Access, Inspection]:
    """Ask who the channel is; a token that it no longer takes is renewed once, where it can be."""
    source = connector(entry.channel.kind)
    try:
        return entry, await source.inspect(bounded(entry))
    except AuthExpired:
        if entry.connection is None or not entry.connection.renewable:
            raise
    refused = grants.fingerprint(entry.token)
    newer = await grants.access(context, parts, entry.channel.id, refused)
    return newer, await source.inspect(bounded(newer))


async def _webhooks(
    parts: Parts, entry: Access, scopes: Sequence[str], *, repair: bool
) -> tuple[Step, dict[str, Any], tuple[str, ...]]:
    """Compare the subscriptions with the topics we need; with `repair`, make those that are missing."""
    source = connector(entry.channel.kind)
    wanted = source.webhook_topics(scopes)
    try:
        uri = approvals.public_address(parts, f"/webhooks/{entry.channel.kind}")
    except Problem as problem:
        said = f"Webhook subscriptions are not looked after: {problem.body.message} {problem.body.next}"
        return Step("webhooks", False, said.rstrip(".")), {"wanted": list(wanted)}, ()
    said = ""
    try:
        found = await source.list_webhooks(bounded(entry))
        missing = _missing(wanted, found, uri)
        if repair and missing:
            said = await _subscribe(entry, uri, missing)
            found = await source.list_webhooks(bounded(entry))
    except ChannelError as problem:
        return Step("webhooks", False, problem.sentence), {"uri": uri, "wanted": list(wanted)}, ()
    still = _missing(wanted, found, uri)
    repaired = tuple(topic for topic in missing if topic not in still)
    shown = [{"topic": one.topic, "uri": one.uri, "ours": one.uri == uri, "id": one.id} for one in found]
    step = words.webhooks_step(wanted, still, repaired, said)
    return step, {"uri": uri, "wanted": list(wanted), "missing": still, "subscriptions": shown}, repaired


async def _subscribe(entry: Access, uri: str, topics: Sequence[str]) -> str:
    """Subscribe to topics; what went wrong, blank if nothing. Which of them were taken is to be looked up."""
    try:
        await connector(entry.channel.kind).ensure_webhooks(bounded(entry), uri, topics)
    except ChannelError as problem:
        return problem.sentence
    return ""


def _missing(wanted: Sequence[str], found: Sequence[Any], uri: str) -> list[str]:
    have = {one.topic for one in found if one.uri == uri and not one.altered}
    return [topic for topic in wanted if topic not in have]


def bounded(entry: Access) -> ChannelAccess:
    """A channel as connectors want it, with calls that end after some seconds."""
    outside = entry.outside()
    return ChannelAccess(outside.base_url, outside.token, outside.settings | {"timeout_seconds": CALL_SECONDS})


async def unsubscribe(context: Context, parts: Parts, channel_id: UUID) -> int:
    """Delete the webhook subscriptions that lead to us, as far as the channel lets us within some seconds; how many
    there were. Whoever calls this goes on in any case: a subscription that leads nowhere ends by itself."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            entry = await grants.access(context, parts, channel_id)
            if not entry.token or not channels.can_be_checked(entry.channel.kind):
                return 0
            uri = approvals.public_address(parts, f"/webhooks/{entry.channel.kind}")
            return int(await connector(entry.channel.kind).remove_webhooks(bounded(entry), uri))
    except (ChannelError, Problem, Unsealable, TimeoutError) as problem:
        log.info("webhook subscriptions of channel %s stay for now: %s", channel_id, type(problem).__name__)
        return 0
