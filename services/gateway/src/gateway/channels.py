"""Connecting, changing, resetting and disconnecting channels.

Invariant: every change of a channel raises its version and is published in the same commit, without secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from crossdock.channels.connecting import Authorizer, Inspector, WebhookSubscriber
from crossdock.channels.destinations import ships
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.errors import Problem, not_found
from gateway import store
from gateway.domain.channels import (
    CREDENTIAL_KINDS,
    Channel,
    Invalid,
    base_url_of,
    checked_settings,
    shop_of,
)
from gateway.sealing import Sealed, SealingBox
from gateway.store import connections

Secrets = Mapping[str, SecretStr | None]
FORGOTTEN = tuple(kind for kind in CREDENTIAL_KINDS if kind != "webhook_secret")
"""What a disconnected channel leaves nothing of."""


@dataclass(frozen=True, slots=True)
class Granted:
    """How access to a channel was granted, and when its token is to be renewed, if it ends."""

    access_by: str = "token"
    client_id: str = ""
    renewal_due_at: datetime | None = None


def draft(given: Mapping[str, Any], at: datetime) -> Channel:
    """A channel as it was asked for, not stored yet. Raises Problem (422) for what cannot be, and for one with orders
    that is to be live at once: nobody could have said which of its orders become ours."""
    if _takes_orders_live(given["mode"], given["settings"]):
        raise Problem(
            422,
            "starts_in_observe",
            "A new channel of orders starts in observe: it imports and explains, and sends nothing.",
            "Leave `mode` out and look at what it imports; then POST /v1/channels/{id}/go-live, or crossdock channel "
            "go-live, names which open orders become ours.",
        )
    try:
        connector(given["kind"])
        shop = shop_of(given["kind"], given.get("shop"))
        return Channel(
            id=new_id(),
            kind=given["kind"],
            name=given["name"],
            mode=given["mode"],
            shop=shop,
            base_url=base_url_of(shop, given.get("base_url")),
            settings=checked_settings(given["settings"]),
            version=1,
            state="connected",
            created_at=at,
            changed_at=at,
        )
    except UnknownChannelKind as problem:
        raise _invalid(Invalid(f"kind: no such connector is installed; there are {problem.installed}")) from None
    except Invalid as problem:
        raise _invalid(problem) from None


async def connect(tx: Tx, box: SealingBox, channel: Channel, secrets: Secrets, grant: Granted) -> Channel:
    """Connect a channel; one of the same shop that was disconnected comes back under its id.

    Raises Problem (409) when the shop is connected already.
    """
    channel_id = await store.connect(tx, channel)
    if channel_id is None:
        raise Problem(409, "already_connected", f"{channel.shop} is connected already.", "Change that channel instead.")
    await store.drop_credentials(tx, channel_id, CREDENTIAL_KINDS)
    await _seal(tx, box, channel_id, with_webhook_secret(channel.kind, secrets))
    await _granted(tx, channel.kind, channel_id, grant)
    return await _publish_configured(tx, channel_id)


async def grant_anew(
    tx: Tx, box: SealingBox, channel_id: UUID, secrets: Secrets, grant: Granted, overlap: timedelta
) -> Channel:
    """Take another grant of access to a channel that is connected; what it was and does stays as it was.

    Raises Problem (404, 409).
    """
    channel = await _connected(tx, channel_id)
    await store.change(tx, channel)
    await _replace(tx, box, channel_id, with_webhook_secret(channel.kind, secrets), overlap)
    await _granted(tx, channel.kind, channel_id, grant)
    return await _publish_configured(tx, channel_id)


def with_webhook_secret(kind: str, secrets: Secrets) -> Secrets:
    """Secrets with the one that an app signs its webhooks with, where it is the app's own: an Authorizer's is."""
    secret = secrets.get("client_secret")
    if secret is None or "webhook_secret" in secrets or not isinstance(connector(kind), Authorizer):
        return secrets
    return {**secrets, "webhook_secret": secret}


async def _granted(tx: Tx, kind: str, channel_id: UUID, grant: Granted) -> None:
    await connections.grant(
        tx, channel_id, grant.access_by, grant.client_id, grant.renewal_due_at, checked=can_be_checked(kind)
    )


def can_be_checked(kind: str) -> bool:
    """Whether a kind of channel can tell how it is connected."""
    found = connector(kind)
    return isinstance(found, Inspector) and isinstance(found, WebhookSubscriber)


async def change(
    tx: Tx, box: SealingBox, channel_id: UUID, given: Mapping[str, Any], secrets: Secrets, overlap: timedelta
) -> Channel:
    """Change what is given. Settings are merged, null removes one. A replaced webhook secret stays valid for `overlap`.

    Raises Problem: 404, 409 when the channel is disconnected, 422 for what cannot be, and where orders of an observed
    channel would become ours without anybody having said which: that is `go_live`.
    """
    channel = await _connected(tx, channel_id)
    try:
        merged = {**channel.settings, **given.get("settings", {})}
        changed = replace(
            channel,
            name=given.get("name", channel.name),
            mode=given.get("mode", channel.mode),
            base_url=base_url_of(channel.shop, given["base_url"]) if "base_url" in given else channel.base_url,
            settings=checked_settings({name: value for name, value in merged.items() if value is not None}),
        )
    except Invalid as problem:
        raise _invalid(problem) from None
    if _takes_orders_live(changed.mode, changed.settings) and not _takes_orders_live(channel.mode, channel.settings):
        raise Problem(
            422,
            "needs_go_live",
            f"{channel.name} brings orders, and nobody said yet which of its open orders become ours.",
            "POST /v1/channels/{id}/go-live, or crossdock channel go-live, names them and takes it live.",
        )
    await store.change(tx, changed)
    await _replace(tx, box, channel_id, with_webhook_secret(channel.kind, secrets), overlap)
    await _regranted(tx, channel, given.get("client_id"), secrets)
    return await _publish_configured(tx, channel_id)


async def go_live(tx: Tx, channel_id: UUID) -> Channel:
    """Take a channel live whose orders to take were chosen before. Raises Problem (404, 409)."""
    channel = await _connected(tx, channel_id)
    await store.change(tx, replace(channel, mode="live"))
    return await _publish_configured(tx, channel_id)


async def _regranted(tx: Tx, channel: Channel, client_id: str | None, secrets: Secrets) -> None:
    """A pasted token takes the place of any grant; with other credentials of the app its token is renewed at once."""
    how = await connections.connection(tx, channel.id)
    if secrets.get("access_token") is not None or how is None:
        await _granted(tx, channel.kind, channel.id, Granted(client_id=client_id or ""))
    elif how.access_by != "token" and (client_id or secrets.get("client_secret") is not None):
        await _granted(tx, channel.kind, channel.id, Granted(how.access_by, client_id or how.client_id, tx.now))
    elif can_be_checked(channel.kind):
        await connections.check_now(tx, [channel.id])


async def _replace(tx: Tx, box: SealingBox, channel_id: UUID, secrets: Secrets, overlap: timedelta) -> None:
    rotated = [kind for kind, secret in secrets.items() if kind == "webhook_secret" and secret is not None]
    await store.expire_credentials(tx, channel_id, rotated, tx.now + overlap)
    await store.drop_credentials(tx, channel_id, [kind for kind in secrets if kind not in rotated])
    await _seal(tx, box, channel_id, secrets)


async def disconnect(tx: Tx, channel_id: UUID, farewell: timedelta) -> None:
    """Disconnect a channel and forget its secrets, save for so long the one by which it may still tell of privacy
    requests. Raises Problem (404, 409)."""
    channel = await _connected(tx, channel_id)
    await store.change(tx, replace(channel, state="disconnected"))
    await store.drop_credentials(tx, channel_id, FORGOTTEN)
    await store.expire_credentials(tx, channel_id, ["webhook_secret"], tx.now + farewell)
    await connections.stop(tx, channel_id)
    tx.publish(ChannelDisconnected(channel_id=channel_id, channel_version=channel.version + 1))


async def reset(tx: Tx, channel_id: UUID) -> Channel:
    """Begin with a channel anew: forget what was found of it and tokens that can be renewed; every service forgets how
    far it read. Orders, listings, stock, settings, pasted secrets and the mode stay. Raises Problem (404, 409)."""
    channel = await _connected(tx, channel_id)
    await store.change(tx, replace(channel, resets=channel.resets + 1))
    how = await connections.connection(tx, channel_id)
    if how is not None and how.access_by != "token":
        await store.drop_credentials(tx, channel_id, ["access_token"])
    await connections.reset(tx, channel_id)
    return await _publish_configured(tx, channel_id)


async def reseal(tx: Tx, box: SealingBox, limit: int) -> int:
    """Seal with the first key what another one sealed; returns how many. Raises Unsealable."""
    rows = await store.sealed_with_others(tx, box.current, limit)
    pending = await connections.sealed_with_others(tx, box.current, limit)
    if rows:
        again = [_sealed_again(box, row.channel_id, row.kind, row) for row in rows]
        await store.reseal(tx, box.current, dict(zip([row.id for row in rows], again, strict=True)))
    if pending:
        again = [_sealed_again(box, row.id, "client_secret", row) for row in pending]
        await connections.reseal(tx, box.current, dict(zip([row.id for row in pending], again, strict=True)))
    return len(rows) + len(pending)


def _sealed_again(box: SealingBox, about: UUID, kind: str, row: Any) -> bytes:
    return box.seal(about, kind, box.open(about, kind, Sealed(row.key_id, row.sealed))).data


async def _connected(tx: Tx, channel_id: UUID) -> Channel:
    channel = await store.channel(tx, channel_id, lock=True)
    if channel is None:
        raise not_found("channel", channel_id)
    if channel.state != "connected":
        raise Problem(409, "disconnected", f"Channel {channel_id} is disconnected.", "Connect it again with POST.")
    return channel


async def _seal(tx: Tx, box: SealingBox, channel_id: UUID, secrets: Secrets) -> None:
    sealed = {
        kind: box.seal(channel_id, kind, secret.get_secret_value())
        for kind, secret in secrets.items()
        if secret is not None
    }
    await store.store_credentials(tx, channel_id, [new_id() for _ in sealed], sealed, {})


async def _publish_configured(tx: Tx, channel_id: UUID) -> Channel:
    channel = await store.channel(tx, channel_id)
    assert channel is not None
    tx.publish(
        ChannelConfigured.model_validate(
            {
                "channel_id": channel.id,
                "channel_version": channel.version,
                "kind": channel.kind,
                "name": channel.name,
                "mode": channel.mode,
                "settings": channel.settings,
                "resets": channel.resets,
            }
        )
    )
    return channel


def _takes_orders_live(mode: str, settings: Mapping[str, Any]) -> bool:
    """Whether orders that a channel brings become ours: somebody must have said which of the open ones do."""
    return mode == "live" and not ships(settings)


def _invalid(problem: Exception) -> Problem:
    sentence = f"{problem}"
    return Problem(422, "invalid_channel", f"{sentence[:1].upper()}{sentence[1:]}.", "Correct it and send it again.")
