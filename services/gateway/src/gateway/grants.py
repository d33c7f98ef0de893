"""Access tokens that end: handed out, renewed before their end, and by one process at a time.

Invariant: a renewal is claimed in the channel's row and committed before any byte leaves, and its outcome is stored,
under the same claim, before anybody gets the new token. A claim that ended is nobody's: what its holder still brings is
not stored, and whoever comes next asks with the refresh token that is stored, which still works.
"""

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crossdock.channels.connecting import App, Authorizer, Grant
from crossdock.channels.errors import AuthExpired, ChannelError, Permanent, Retryable
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.registry import connector
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from gateway import metrics, store
from gateway.domain.channels import TOKEN_KINDS, Channel
from gateway.domain.connections import Connection, Token, good_for, pause_after, renewal_due
from gateway.parts import Parts
from gateway.sealing import SealingBox
from gateway.store import connections

CALL_SECONDS = 15.0
CLAIM_SECONDS = CALL_SECONDS + 10.0
WAIT_SECONDS = 3.5
"""How long a service may wait for a renewal that is under way: its own call ends after five seconds."""

LOOK_SECONDS = 0.1
BELIEVED_SECONDS = 30.0
"""So young a token is handed out again although it was refused: asking for more would not help."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """A connected channel, the token to call it with (blank if it has none), and for how many seconds to keep it."""

    channel: Channel
    connection: Connection | None
    token: str
    seconds: float

    def outside(self) -> ChannelAccess:
        """As connectors want it."""
        return ChannelAccess(self.channel.base_url, self.token, dict(self.channel.settings))


def fingerprint(token: str) -> str:
    """How a token is named without telling it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


async def access(context: Context, parts: Parts, channel_id: UUID, refused: str = "") -> Access:
    """Access to a connected channel; a token that ended, or the `refused` one (its fingerprint), is renewed first.

    Raises Problem: 404, 409 when a person has to grant access again, 503 while it cannot be renewed. Raises Unsealable.
    """
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        async with context.transaction() as tx:
            channel = await store.channel(tx, channel_id)
            if channel is None or channel.state != "connected":
                raise not_found("connected channel", channel_id)
            how = await connections.connection(tx, channel_id)
            token = await _token(tx, parts.box, channel_id)
            if refused and not (how is not None and how.renewable):
                await connections.check_now(tx, [channel_id])
        seconds = _seconds(token, refused, parts.settings.access_seconds)
        if how is None or not how.renewable or seconds > 0:
            return _handed(channel, how, token, seconds, parts.settings.access_seconds)
        if not await renew(context, parts, channel, how):
            await asyncio.sleep(LOOK_SECONDS)
        if time.monotonic() > give_up:
            why = how.renewal_problem or "another process is renewing its token"
            raise Problem(503, "renewing", f"Channel {channel.name}: {why}.", "Try again soon.", {"retry-after": "2"})


def _handed(channel: Channel, how: Connection | None, token: Token | None, seconds: float, longest: float) -> Access:
    if how is not None and how.ended and seconds <= 0:
        raise Problem(409, "access_ended", f"{how.ended}.", f"See `crossdock channel authorize {channel.name}`.")
    return Access(channel, how, "" if token is None else token.text, seconds or longest)


def _seconds(token: Token | None, refused: str, longest: float) -> float:
    if token is None:
        return 0.0
    now = datetime.now(token.issued_at.tzinfo)
    if refused and refused == fingerprint(token.text) and now - token.issued_at > timedelta(seconds=BELIEVED_SECONDS):
        return 0.0
    return good_for(token, now, longest)


async def _token(tx: Tx, box: SealingBox, channel_id: UUID) -> Token | None:
    found = await store.newest_credential(tx, channel_id, TOKEN_KINDS)
    if found is None:
        return None
    return Token(box.open(channel_id, found.kind, found.sealed), found.created_at, found.expires_at)


async def secret_of(tx: Tx, box: SealingBox, channel_id: UUID, kind: str) -> str:
    """A channel's newest secret of a kind; blank if it has none. Raises Unsealable."""
    found = await store.newest_credential(tx, channel_id, (kind,))
    return "" if found is None else box.open(channel_id, kind, found.sealed)


async def renew(context: Context, parts: Parts, channel: Channel, how: Connection) -> bool:
    """Renew a channel's token, unless somebody is at it or was since `how` was read; whether there is a new one.

    What goes wrong is noted on the connection. Raises Problem (503, 409) and Unsealable.
    """
    claim = new_id()
    async with context.transaction() as tx:
        if not await connections.claim_renewal(tx, channel.id, claim, how.renewals, CLAIM_SECONDS):
            return False
        app = App(how.client_id, await secret_of(tx, parts.box, channel.id, "client_secret"))
        refresh_token = await secret_of(tx, parts.box, channel.id, "refresh_token")
    try:
        grant = await _ask(channel, how, app, refresh_token)
    except (AuthExpired, Permanent) as problem:
        metrics.renewals.add(1, {"outcome": "ended"})
        async with context.transaction() as tx:
            await connections.end_access(tx, channel.id, claim, problem.sentence)
        raise Problem(409, "access_ended", f"{problem.sentence}.", "Let the merchant approve the app again.") from None
    except ChannelError as problem:
        metrics.renewals.add(1, {"outcome": "put_off"})
        seconds = pause_after(how.renewal_failures, problem.after if isinstance(problem, Retryable) else 0.0)
        async with context.transaction() as tx:
            await connections.put_off_renewal(tx, channel.id, claim, problem.sentence, seconds)
        log.warning("the token of channel %s is renewed a little later: %s", channel.id, problem.sentence)
        raise Problem(503, "renewing", f"{problem.sentence}.", "It is tried again.", {"retry-after": "2"}) from None
    return await _keep(context, parts, channel.id, claim, grant)


async def _ask(channel: Channel, how: Connection, app: App, refresh_token: str) -> Grant:
    source: Any = connector(channel.kind)
    if not isinstance(source, Authorizer):
        raise Permanent(f"channels of kind {channel.kind} cannot renew their access", "unsupported")
    bounded = dict(channel.settings) | {"timeout_seconds": CALL_SECONDS}
    outside = ChannelAccess(channel.base_url, "", bounded)
    if how.access_by == "client_credentials":
        return await source.client_credentials(outside, app)
    if not refresh_token:
        raise AuthExpired("No refresh token is left: the merchant has to approve the app again")
    return await source.refresh(outside, app, refresh_token)


async def _keep(context: Context, parts: Parts, channel_id: UUID, claim: UUID, grant: Grant) -> bool:
    async with context.transaction() as tx:
        channel = await store.channel(tx, channel_id, lock=True)
        held = await connections.hold_renewal(tx, channel_id, claim)
        if channel is None or channel.state != "connected" or not held:
            log.warning("a renewed token of channel %s came too late and is not kept", channel_id)
            metrics.renewals.add(1, {"outcome": "late"})
            return False
        await keep_grant(tx, parts.box, channel_id, grant)
        due_at = None if grant.seconds is None else renewal_due(tx.now, grant.seconds)
        await connections.renewed(tx, channel_id, grant.scopes, due_at)
    metrics.renewals.add(1, {"outcome": "renewed"})
    return True


async def keep_grant(tx: Tx, box: SealingBox, channel_id: UUID, grant: Grant) -> None:
    """Store the tokens of a grant in the place of those before; a refresh token that was not replaced stays."""
    secrets = {"access_token": grant.access_token}
    ends = {} if grant.seconds is None else {"access_token": tx.now + timedelta(seconds=grant.seconds)}
    if grant.refresh_token is not None:
        secrets["refresh_token"] = grant.refresh_token
        if grant.refresh_seconds is not None:
            ends["refresh_token"] = tx.now + timedelta(seconds=grant.refresh_seconds)
    await store.drop_credentials(tx, channel_id, list(secrets))
    sealed = {kind: box.seal(channel_id, kind, secret) for kind, secret in secrets.items()}
    await store.store_credentials(tx, channel_id, [new_id() for _ in sealed], sealed, ends)
