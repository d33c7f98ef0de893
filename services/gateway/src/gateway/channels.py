"""Connecting, changing and disconnecting channels, and how other services get at them.

Invariant: every change of a channel raises its version and is published in the same commit, without secrets.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.contracts.gateway import ChannelConfigured, ChannelDisconnected
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.errors import Problem, not_found
from gateway import store
from gateway.domain.channels import (
    CREDENTIAL_KINDS,
    TOKEN_KINDS,
    Channel,
    Invalid,
    base_url_of,
    checked_settings,
    shop_of,
)
from gateway.sealing import Sealed, SealingBox

Secrets = Mapping[str, SecretStr | None]


async def connect(tx: Tx, box: SealingBox, given: Mapping[str, Any], secrets: Secrets) -> Channel:
    """Connect a channel; one of the same shop that was disconnected comes back under its id.

    Raises Problem: 422 for what cannot be, 409 when the shop is connected already.
    """
    try:
        connector(given["kind"])
        shop = shop_of(given["kind"], given.get("shop"))
        channel = Channel(
            id=new_id(),
            kind=given["kind"],
            name=given["name"],
            mode=given["mode"],
            shop=shop,
            base_url=base_url_of(shop, given.get("base_url")),
            settings=checked_settings(given["settings"]),
            version=1,
            state="connected",
            created_at=tx.now,
            changed_at=tx.now,
        )
    except UnknownChannelKind as problem:
        raise _invalid(Invalid(f"kind: no such connector is installed; there are {problem.installed}")) from None
    except Invalid as problem:
        raise _invalid(problem) from None
    channel_id = await store.connect(tx, channel)
    if channel_id is None:
        raise Problem(409, "already_connected", f"{channel.shop} is connected already.", "Change that channel instead.")
    await _seal(tx, box, channel_id, secrets)
    return await _publish_configured(tx, channel_id)


async def change(
    tx: Tx, box: SealingBox, channel_id: UUID, given: Mapping[str, Any], secrets: Secrets, overlap: timedelta
) -> Channel:
    """Change what is given. Settings are merged, null removes one. A replaced webhook secret stays valid for `overlap`.

    Raises Problem: 404, 409 when the channel is disconnected, 422.
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
    await store.change(tx, changed)
    rotated = [kind for kind, secret in secrets.items() if kind == "webhook_secret" and secret is not None]
    await store.expire_credentials(tx, channel_id, rotated, tx.now + overlap)
    await store.drop_credentials(tx, channel_id, [kind for kind in secrets if kind not in rotated])
    await _seal(tx, box, channel_id, secrets)
    return await _publish_configured(tx, channel_id)


async def disconnect(tx: Tx, channel_id: UUID) -> None:
    """Disconnect a channel and forget its secrets. Raises Problem (404, 409)."""
    channel = await _connected(tx, channel_id)
    await store.change(tx, replace(channel, state="disconnected"))
    await store.drop_credentials(tx, channel_id, CREDENTIAL_KINDS)
    tx.publish(ChannelDisconnected(channel_id=channel_id, channel_version=channel.version + 1))


async def access(tx: Tx, box: SealingBox, channel_id: UUID) -> tuple[Channel, str]:
    """A connected channel and the token with which it is called (blank if it has none).

    Raises Problem (404) and Unsealable.
    """
    channel = await store.channel(tx, channel_id)
    if channel is None or channel.state != "connected":
        raise not_found("connected channel", channel_id)
    found = await store.newest_credential(tx, channel_id, TOKEN_KINDS)
    return channel, "" if found is None else box.open(channel_id, *found)


async def reseal(tx: Tx, box: SealingBox, limit: int) -> int:
    """Seal with the first key what another one sealed; returns how many. Raises Unsealable."""
    rows = await store.sealed_with_others(tx, box.current, limit)
    if not rows:
        return 0
    again = {
        row.id: box.seal(
            row.channel_id, row.kind, box.open(row.channel_id, row.kind, Sealed(row.key_id, row.sealed))
        ).data
        for row in rows
    }
    await store.reseal(tx, box.current, again)
    return len(again)


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
    await store.store_credentials(tx, channel_id, [new_id() for _ in sealed], sealed)


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
            }
        )
    )
    return channel


def _invalid(problem: Exception) -> Problem:
    sentence = f"{problem}"
    return Problem(422, "invalid_channel", f"{sentence[:1].upper()}{sentence[1:]}.", "Correct it and send it again.")
