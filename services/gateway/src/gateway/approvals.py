"""Connecting a store by its merchant's approval (OAuth): the link that is handed out, and the return from the store.

Invariant: nothing of a return is believed, and nothing is changed, before its signature is verified with the secret
that its state leads to; a state leads to one approval, once, for a quarter of an hour.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import SecretStr

from crossdock.channels.connecting import App, Authorizer, Grant
from crossdock.channels.errors import AuthExpired, ChannelError, Permanent, Unknown
from crossdock.channels.model import Refused
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.contracts.base import utc_now
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from gateway import channels, grants, store
from gateway.channels import Granted
from gateway.domain.channels import Channel
from gateway.domain.connections import renewal_due
from gateway.parts import Parts
from gateway.store import connections
from gateway.store.connections import Pending

AGAIN = "Start again with `crossdock channel connect`."
SEALED_AS = "client_secret"


@dataclass(frozen=True, slots=True)
class Link:
    """Where the merchant approves, until when, and the address of ours that the app has to allow."""

    url: str
    expires_at: datetime
    redirect_uri: str


def authorizer(kind: str) -> Authorizer:
    """The connector of a kind of channel that is connected by OAuth. Raises Problem (422)."""
    try:
        found = connector(kind)
    except UnknownChannelKind as problem:
        raise Problem(422, "invalid_channel", f"{problem}.", "Choose one of them.") from None
    if not isinstance(found, Authorizer):
        sentence = f"Channels of kind {kind} are not connected by an app."
        raise Problem(422, "no_app", sentence, "Give its access token under `secrets`.")
    return found


def public_address(parts: Parts, path: str) -> str:
    """An address of this gateway as the outside knows it. Raises Problem (409) when that is not set."""
    given = parts.settings.public_url.strip().rstrip("/")
    if urlsplit(given).scheme not in ("http", "https"):
        sentence = "It is not known at which address the outside reaches this gateway."
        raise Problem(409, "no_public_url", sentence, "Set CROSSDOCK_PUBLIC_URL to its https address.")
    return given + path


async def begin(context: Context, parts: Parts, channel: Channel, app: App) -> Link:
    """Hand out a link for a channel as it was asked for. Raises Problem (409, 422)."""
    source = authorizer(channel.kind)
    redirect_uri = public_address(parts, f"/oauth/{channel.kind}/callback")
    state = secrets.token_urlsafe(32)
    expires_at = utc_now() + timedelta(minutes=parts.settings.approval_minutes)
    try:
        url = source.authorize_url(_outside(channel.base_url, channel.settings), app, redirect_uri, state)
    except Permanent as problem:
        raise Problem(422, "invalid_channel", f"{problem}.", "Correct it and send it again.") from None
    pending = Pending(
        id=channel.id,
        kind=channel.kind,
        shop=channel.shop,
        name=channel.name,
        base_url=channel.base_url,
        settings=channel.settings,
        client_id=app.client_id,
        secret=parts.box.seal(channel.id, SEALED_AS, app.client_secret),
    )
    async with context.transaction() as tx:
        await connections.add_approval(tx, _hash(state), pending, expires_at)
    return Link(url, expires_at, redirect_uri)


async def begin_again(context: Context, parts: Parts, channel_id: UUID) -> Link:
    """Hand out a link by which the merchant of a connected channel approves its app again. Raises Problem."""
    async with context.transaction() as tx:
        channel = await store.channel(tx, channel_id)
        how = await connections.connection(tx, channel_id)
        secret = await grants.secret_of(tx, parts.box, channel_id, "client_secret")
    if channel is None or channel.state != "connected":
        raise not_found("connected channel", channel_id)
    if how is None or not how.client_id or not secret:
        sentence = f"Channel {channel.name} was not connected by an app."
        raise Problem(409, "no_app", sentence, "Connect its shop with `crossdock channel connect`, or PATCH its token.")
    return await begin(context, parts, channel, App(how.client_id, secret))


async def finish(context: Context, parts: Parts, kind: str, query: Sequence[tuple[str, str]]) -> Channel:
    """Take a return from the approval page: the channel, connected or with new access.

    Raises Problem: 400 for a state that leads nowhere (any more), 401 for what is not signed, 502 when the vendor does
    not give tokens for the code; the merchant then approves again.
    """
    source = authorizer(kind)
    state_hash = _hash(next((value for name, value in query if name == "state"), ""))
    async with context.transaction() as tx:
        pending = await connections.approval(tx, state_hash, kind)
    if pending is None:
        raise Problem(400, "no_approval", "This link was used already, has ended, or is not ours.", AGAIN)
    app = App(pending.client_id, parts.box.open(pending.id, SEALED_AS, pending.secret))
    approved = source.verify_approval(query, app.client_secret, utc_now())
    if isinstance(approved, Refused):
        raise Problem(401, "bad_signature", f"{approved.reason[:1].upper()}{approved.reason[1:]}.", AGAIN)
    if approved.account != pending.shop:
        raise Problem(401, "other_shop", "Another shop approved than the one that was asked.", AGAIN)
    async with context.transaction() as tx:
        if not await connections.take_approval(tx, state_hash):
            raise Problem(400, "no_approval", "This link was used already.", AGAIN)
    try:
        grant = await source.exchange_code(_outside(pending.base_url, pending.settings), app, approved.code)
    except ChannelError as problem:
        raise Problem(502, "no_tokens", f"{problem.sentence}.", AGAIN) from None
    return await _connected(context, parts, pending, app, grant)


async def _connected(context: Context, parts: Parts, pending: Pending, app: App, grant: Grant) -> Channel:
    """Store what was granted: a new channel observes; one that is connected goes on as it was."""
    given: dict[str, Any] = {"kind": pending.kind, "name": pending.name, "mode": "observe", "shop": pending.shop}
    given |= {"base_url": pending.base_url, "settings": dict(pending.settings)}
    channel = replace(channels.draft(given, utc_now()), id=pending.id)
    known = {"client_secret": SecretStr(app.client_secret)}
    granted = granted_by("approval", app, grant)
    overlap = timedelta(hours=parts.settings.secret_overlap_hours)
    async with context.transaction() as tx:
        there = await store.connected_shop(tx, pending.kind, str(pending.shop))
        if there is None:
            made = await channels.connect(tx, parts.box, channel, known, granted)
        else:
            made = await channels.grant_anew(tx, parts.box, there, known, granted, overlap)
        await grants.keep_grant(tx, parts.box, made.id, grant)
    await parts.directory.changed()
    return made


def granted_by(access_by: str, app: App, grant: Grant) -> Granted:
    """How a grant was come by, and when it is to be renewed."""
    due_at = None if grant.seconds is None else renewal_due(utc_now(), grant.seconds)
    return Granted(access_by, app.client_id, due_at)


async def first_token(channel: Channel, app: App) -> Grant:
    """A token for the app's own credentials, before anything is stored. Raises Problem (422, 502, 503)."""
    source = authorizer(channel.kind)
    try:
        return await source.client_credentials(_outside(channel.base_url, channel.settings), app)
    except (Permanent, AuthExpired) as problem:
        raise Problem(422, "refused", f"{_capital(problem.sentence)}.", "Nothing was stored.") from None
    except ChannelError as problem:
        status = 502 if isinstance(problem, Unknown) else 503
        raise Problem(status, "channel_away", f"{problem.sentence}.", "Nothing was stored; try again.") from None


def _capital(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def _outside(base_url: str, settings: Any) -> ChannelAccess:
    return ChannelAccess(base_url, "", dict(settings) | {"timeout_seconds": grants.CALL_SECONDS})


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "replace")).digest()
