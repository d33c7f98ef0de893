"""The gateway's HTTP API: webhooks, channels, API keys, access for other services, and the proxy to the rest."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from crossdock.contracts.base import utc_now
from crossdock.contracts.gateway import ChannelMode
from crossdock.messaging import outbox
from crossdock.service import parked_api
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from gateway import channels, golive, keys, proxy, store
from gateway.domain.channels import Channel, storable
from gateway.parts import Parts, parts_of
from gateway.sealing import Unsealable
from gateway.webhooks import WebhookDoor

CredentialKind = Literal["access_token", "webhook_secret", "api_key", "signing_secret"]


def _storable(text: str) -> str:
    if not storable(text):
        raise PydanticCustomError("unstorable_text", "holds a character that cannot be stored")
    return text


def _sealable(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


Limit = Annotated[int, Query(ge=1, le=500)]
Storable = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Storable, Field(min_length=1, max_length=200)]
Address = Annotated[Storable, Field(max_length=2000)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_sealable)]


class NewChannel(BaseModel):
    """A store or account to connect. `shop` for Shopify, `base_url` where the channel has no well-known address."""

    model_config = ConfigDict(extra="forbid")

    kind: Name
    name: Name
    mode: ChannelMode = "observe"
    shop: Address | None = None
    base_url: Address | None = None
    settings: dict[str, Any] = {}
    secrets: dict[CredentialKind, Secret] = {}


class ChannelChange(BaseModel):
    """What to change; what is left out stays. Null removes a setting or a secret."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    mode: ChannelMode | None = None
    base_url: Address | None = None
    settings: dict[str, Any] = {}
    secrets: dict[CredentialKind, Secret | None] = {}


class NewKey(BaseModel):
    """An API key to make."""

    name: Name
    role: Literal["viewer", "operator", "admin"]


def router(context: Context) -> APIRouter:
    """All routes; the webhooks come first, because routes are tried in order."""
    parts = parts_of(context)
    routes = APIRouter()
    door = WebhookDoor(
        parts.directory,
        parts.commit,
        body_bytes=parts.settings.webhook_body_bytes,
        memory_bytes=parts.settings.webhook_memory_bytes,
    )
    routes.add_route("/webhooks/shopify", door, methods=["POST"], include_in_schema=False)  # type: ignore[arg-type]
    routes.add_route("/webhooks/{kind}/{channel_id}", door, methods=["POST"], include_in_schema=False)  # type: ignore[arg-type]
    routes.include_router(_access(context, parts))
    people, admins = Depends(keys.required(parts.keys)), Depends(keys.required(parts.keys, "admin"))
    routes.include_router(_channels(context, parts), prefix="/v1/channels", dependencies=[people])
    routes.include_router(golive.router(context, parts), prefix="/v1/channels")
    routes.include_router(_keys(context, parts), prefix="/v1/api-keys", dependencies=[admins])
    routes.include_router(parked_api.router(context.database), prefix="/v1/services/gateway", dependencies=[people])
    routes.include_router(_status(context, parts), prefix="/v1/status", dependencies=[people])
    routes.include_router(proxy.router(parts.proxy, people))
    return routes


def _access(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(prefix="/internal", dependencies=[service_guard(context, "gateway")], include_in_schema=False)

    @routes.get("/channels/{channel_id}/access")
    async def access(channel_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            try:
                channel, token = await channels.access(tx, parts.box, channel_id)
            except Unsealable as problem:
                raise Problem(500, "unsealable", f"{problem}.", "Set that key, or store the secret anew.") from None
        seconds = parts.settings.access_seconds
        return {
            "base_url": channel.base_url,
            "settings": channel.settings,
            "token": token,
            "seconds": seconds,
            "expires_at": utc_now() + timedelta(seconds=seconds),
        }

    return routes


def _channels(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["channels"])

    @routes.post("", status_code=201)
    async def connect(new: NewChannel) -> dict[str, Any]:
        async with context.transaction() as tx:
            channel = await channels.connect(tx, parts.box, new.model_dump(exclude={"secrets"}), _by_kind(new.secrets))
        await parts.directory.changed()
        return _shown(channel)

    @routes.get("")
    async def list_channels(after: UUID | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            return [_shown(channel) for channel in await store.channels(tx, after, limit)]

    @routes.get("/{channel_id}")
    async def show(channel_id: UUID) -> dict[str, Any]:
        async with context.transaction() as tx:
            channel = await store.channel(tx, channel_id)
        if channel is None:
            raise not_found("channel", channel_id)
        return _shown(channel)

    @routes.patch("/{channel_id}")
    async def change(channel_id: UUID, changed: ChannelChange) -> dict[str, Any]:
        unset = {name for name in ("name", "mode") if getattr(changed, name) is None}
        given = changed.model_dump(exclude={"secrets", *unset}, exclude_unset=True)
        overlap = timedelta(hours=parts.settings.secret_overlap_hours)
        async with context.transaction() as tx:
            channel = await channels.change(tx, parts.box, channel_id, given, _by_kind(changed.secrets), overlap)
        await parts.directory.changed()
        return _shown(channel)

    @routes.delete("/{channel_id}", status_code=204)
    async def disconnect(channel_id: UUID) -> None:
        async with context.transaction() as tx:
            await channels.disconnect(tx, channel_id)
        await parts.directory.changed()

    return routes


def _status(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["status"])

    @routes.get("")
    async def status() -> dict[str, Any]:
        others = await parts.proxy.status()
        async with context.transaction() as tx:
            state = await outbox.state(tx)
        unready = context.health.unready()
        own = {"name": "gateway", "ready": not unready, "unready": unready, "outbox": state.rows, "late": state.late}
        own |= {"scheduled": state.scheduled, "parked": state.parked}
        return {"ready": not unready and all(one["ready"] for one in others), "services": [own, *others]}

    return routes


def _by_kind(secrets: Mapping[CredentialKind, SecretStr | None]) -> dict[str, SecretStr | None]:
    return {str(kind): secret for kind, secret in secrets.items()}


def _shown(channel: Channel) -> dict[str, Any]:
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
    }


def _keys(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["API keys"])

    @routes.post("", status_code=201)
    async def create(new: NewKey) -> dict[str, str]:
        async with context.transaction() as tx:
            return {"name": new.name, "role": new.role, "key": await keys.create_key(tx, new.name, new.role)}

    @routes.get("")
    async def list_keys() -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            return [dict(row._mapping) for row in await store.api_keys(tx)]

    @routes.delete("/{key_id}", status_code=204)
    async def revoke(key_id: UUID) -> None:
        async with context.transaction() as tx:
            if not await store.revoke_key(tx, key_id):
                raise not_found("API key in use", key_id)
        parts.keys.forget()

    return routes
