"""The routes of channels: connect, approve, change, test, repair, reset, disconnect; the return from an approval."""

import html
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from crossdock.channels.connecting import App
from crossdock.contracts.base import utc_now
from crossdock.contracts.gateway import ChannelMode
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from gateway import approvals, channels, checking, grants, keys, serving, store
from gateway.channels import Granted
from gateway.domain.channels import SERVICE, Channel
from gateway.domain.connections import Connection, problems_of
from gateway.fields import Address, CredentialKind, Limit, Name, Secret, by_kind
from gateway.keys import Caller
from gateway.parts import Parts
from gateway.store import connections

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Crossdock</title>
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1rem}}</style>
<h1>{title}</h1><p>{text}</p></html>"""
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class NewChannel(BaseModel):
    """A store or account to connect. `shop` for Shopify, `base_url` where the channel has no well-known address.

    `access_by` is `token` (paste one under `secrets`) or `client_credentials` (`client_id` and the secret
    `client_secret` of an app of the shop's own organisation). By a merchant's approval: POST /v1/channels/authorize.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Name
    name: Name
    mode: ChannelMode = "observe"
    shop: Address | None = None
    base_url: Address | None = None
    settings: dict[str, Any] = {}
    access_by: Literal["token", "client_credentials"] = "token"
    client_id: Name | None = None
    secrets: dict[CredentialKind, Secret] = {}


class NewApproval(BaseModel):
    """A store to connect by its merchant's approval of an app. It starts in `observe`."""

    model_config = ConfigDict(extra="forbid")

    kind: Name
    shop: Address
    name: Name | None = None
    base_url: Address | None = None
    settings: dict[str, Any] = {}
    client_id: Name
    client_secret: Secret


class ChannelChange(BaseModel):
    """What to change; what is left out stays. Null removes a setting or a secret."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    mode: ChannelMode | None = None
    base_url: Address | None = None
    client_id: Name | None = None
    settings: dict[str, Any] = {}
    secrets: dict[CredentialKind, Secret | None] = {}


class ApprovalLink(BaseModel):
    """Where the merchant approves, and the address that the app has to allow as redirect URL."""

    url: str
    expires_at: datetime
    redirect_uri: str


class Disconnected(BaseModel):
    """A channel that is disconnected. `left`: what of ours stays there and how to remove it; blank: nothing."""

    channel_id: UUID
    left: str


def router(context: Context, parts: Parts) -> APIRouter:
    """The routes below /v1/channels."""
    routes = APIRouter(tags=["channels"])

    @routes.post("", status_code=201)
    async def connect(new: NewChannel) -> dict[str, Any]:
        return await _connect(context, parts, new)

    @routes.get("")
    async def list_channels(after: UUID | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            found = await store.channels(tx, after, limit)
            how = await connections.connections(tx, [channel.id for channel in found])
        return [shown(channel, how.get(channel.id)) for channel in found]

    @routes.get("/{channel_id}")
    async def show(channel_id: UUID) -> dict[str, Any]:
        return await _show(context, channel_id)

    @routes.patch("/{channel_id}")
    async def change(channel_id: UUID, changed: ChannelChange) -> dict[str, Any]:
        unset = {name for name in ("name", "mode", "client_id") if getattr(changed, name) is None}
        given = changed.model_dump(exclude={"secrets", *unset}, exclude_unset=True)
        overlap = timedelta(hours=parts.settings.secret_overlap_hours)
        async with context.transaction() as tx:
            await channels.change(tx, parts.box, channel_id, given, by_kind(changed.secrets), overlap)
        await parts.directory.changed()
        return await _show(context, channel_id)

    person = Depends(keys.required(parts.keys))

    @routes.delete("/{channel_id}")
    async def disconnect(channel_id: UUID, who: Caller = person) -> Disconnected:
        """Disconnect a channel: our subscriptions and fulfillment service there end as far as it answers, its secrets
        go, its orders stay."""
        left = await serving.leave(context, parts, channel_id, who)
        await checking.unsubscribe(context, parts, channel_id)
        async with context.transaction() as tx:
            await channels.disconnect(tx, channel_id, timedelta(days=parts.settings.farewell_days))
        await parts.directory.changed()
        return Disconnected(channel_id=channel_id, left=left)

    _connection_routes(context, parts, routes)
    return routes


def _connection_routes(context: Context, parts: Parts, routes: APIRouter) -> None:
    @routes.post("/authorize", status_code=201)
    async def authorize(new: NewApproval) -> ApprovalLink:
        given = new.model_dump(exclude={"client_id", "client_secret"}) | {"mode": "observe"}
        channel = channels.draft(given | {"name": new.name or new.shop.partition(".")[0] or new.kind}, utc_now())
        app = App(new.client_id, new.client_secret.get_secret_value())
        return _link(await approvals.begin(context, parts, channel, app))

    @routes.post("/{channel_id}/authorize", status_code=201)
    async def authorize_again(channel_id: UUID) -> ApprovalLink:
        return _link(await approvals.begin_again(context, parts, channel_id))

    @routes.get("/{channel_id}/connection")
    async def connection(channel_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            how = await connections.connection(tx, channel_id)
            token = await store.newest_credential(tx, channel_id, ("access_token",))
            channel = await store.channel(tx, channel_id)
        if how is None or channel is None:
            raise not_found("channel", channel_id)
        more = {"token_expires_at": None if token is None else token.expires_at, SERVICE: channel.settings.get(SERVICE)}
        return shown_connection(how) | more

    @routes.post("/{channel_id}/test")
    async def test(channel_id: UUID) -> dict[str, Any]:
        """Ask the channel what it lets us do; nothing is changed there."""
        return await checking.check(context, parts, channel_id, repair=False)

    @routes.post("/{channel_id}/repair")
    async def repair(channel_id: UUID) -> dict[str, Any]:
        """Test the channel, and subscribe to the webhooks that it lacks."""
        return await checking.check(context, parts, channel_id, repair=True)

    @routes.post("/{channel_id}/reset")
    async def reset(channel_id: UUID) -> dict[str, Any]:
        """Begin with the channel anew: tokens are renewed, webhooks subscribed anew, and orders read from the time when
        it was connected. Orders, listings, stock, settings, pasted secrets and the mode stay."""
        removed = await checking.unsubscribe(context, parts, channel_id)
        async with context.transaction() as tx:
            channel = await channels.reset(tx, channel_id)
        await parts.directory.changed()
        report = None
        if channels.can_be_checked(channel.kind):
            report = await checking.check(context, parts, channel_id, repair=True)
        return {"resets": channel.resets, "subscriptions_removed": removed, "report": report}


async def _connect(context: Context, parts: Parts, new: NewChannel) -> dict[str, Any]:
    channel = channels.draft(new.model_dump(exclude={"secrets", "access_by", "client_id"}), utc_now())
    secrets, granted, grant = by_kind(new.secrets), Granted(client_id=new.client_id or ""), None
    if new.access_by == "client_credentials":
        secret = new.secrets.get("client_secret")
        if not new.client_id or secret is None:
            sentence = "The app's client_id and its secret client_secret are needed."
            raise Problem(422, "no_app", sentence, "Take both from the app's settings.")
        app = App(new.client_id, secret.get_secret_value())
        grant = await approvals.first_token(channel, app)
        granted = approvals.granted_by("client_credentials", app, grant)
    async with context.transaction() as tx:
        made = await channels.connect(tx, parts.box, channel, secrets, granted)
        if grant is not None:
            await grants.keep_grant(tx, parts.box, made.id, grant)
    await parts.directory.changed()
    return await _show(context, made.id)


async def _show(context: Context, channel_id: UUID) -> dict[str, Any]:
    async with context.transaction() as tx:
        channel = await store.channel(tx, channel_id)
        how = await connections.connection(tx, channel_id)
    if channel is None:
        raise not_found("channel", channel_id)
    return shown(channel, how)


def _link(link: approvals.Link) -> ApprovalLink:
    return ApprovalLink(url=link.url, expires_at=link.expires_at, redirect_uri=link.redirect_uri)


def shown(channel: Channel, how: Connection | None) -> dict[str, Any]:
    """A channel for people; `problems` are sentences, none when all is well."""
    path = f"/webhooks/{channel.kind}" + ("" if channel.shop else f"/{channel.id}")
    return {
        "id": channel.id,
        "kind": channel.kind,
        "name": channel.name,
        "mode": channel.mode,
        "shop": channel.shop,
        "base_url": channel.base_url,
        "settings": channel.settings,
        "secrets": channel.secrets,
        "version": channel.version,
        "state": channel.state,
        "webhook_path": path,
        "created_at": channel.created_at,
        "changed_at": channel.changed_at,
        "problems": problems_of(how) if how is not None and channel.state == "connected" else [],
    }


def shown_connection(how: Connection) -> dict[str, Any]:
    """How a channel is connected, for people: the last check, and what was repaired."""
    return {
        "access_by": how.access_by,
        "client_id": how.client_id,
        "authorized_at": how.authorized_at,
        "scopes": how.scopes,
        "renewed_at": how.renewed_at,
        "renewal_due_at": how.renewal_due_at,
        "problems": problems_of(how),
        "checked_at": how.checked_at,
        "check_due_at": how.check_due_at,
        "report": how.report,
        "repairs": how.repairs,
    }


def callback_router(context: Context, parts: Parts) -> APIRouter:
    """Where a store sends the merchant's browser after its approval. Open to all: the query must be signed."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/oauth/{kind}/callback")
    async def callback(kind: str, request: Request) -> HTMLResponse:
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=50)
        try:
            channel = await approvals.finish(context, parts, kind, query)
        except Problem as problem:
            return _page(problem.status, "Not connected", f"{problem.body.message} {problem.body.next}")
        return _page(200, "Connected", f"{channel.name} ({channel.shop}) is connected. You can close this window.")

    return routes


def _page(status: int, title: str, text: str) -> HTMLResponse:
    body = PAGE.format(title=html.escape(title), text=html.escape(text))
    return HTMLResponse(body, status, headers=PAGE_HEADERS)
