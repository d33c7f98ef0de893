"""The gateway's HTTP API: webhooks, channels, API keys, access for other services, and the proxy to the rest."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from crossdock.contracts.base import utc_now
from crossdock.messaging import outbox
from crossdock.service import parked_api
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from gateway import channel_api, channels, golive, grants, keys, proxy, serving, store
from gateway.fields import Name
from gateway.parts import Parts, parts_of
from gateway.sealing import Unsealable
from gateway.store import connections
from gateway.webhooks import WebhookDoor

RESEAL_ROWS = 200


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
    routes.add_route("/webhooks/{kind}/{channel_id}/{callback}", door, methods=["POST"], include_in_schema=False)  # type: ignore[arg-type]
    routes.include_router(_access(context, parts))
    people, admins = Depends(keys.required(parts.keys)), Depends(keys.required(parts.keys, "admin"))
    routes.include_router(channel_api.callback_router(context, parts))
    routes.include_router(channel_api.router(context, parts), prefix="/v1/channels", dependencies=[people])
    routes.include_router(golive.router(context, parts), prefix="/v1/channels")
    routes.include_router(serving.router(context, parts), prefix="/v1/channels")
    routes.include_router(_keys(context, parts), prefix="/v1/api-keys", dependencies=[admins])
    routes.include_router(_sealing_keys(context, parts), prefix="/v1/sealing-keys", dependencies=[admins])
    routes.include_router(parked_api.router(context.database), prefix="/v1/services/gateway", dependencies=[people])
    routes.include_router(_status(context, parts), prefix="/v1/status", dependencies=[people])
    routes.include_router(proxy.router(parts.proxy, people))
    return routes


def _access(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(prefix="/internal", dependencies=[service_guard(context, "gateway")], include_in_schema=False)

    @routes.get("/channels/{channel_id}/access")
    async def access(channel_id: UUID, refused: str = "") -> dict[str, Any]:
        try:
            found = await grants.access(context, parts, channel_id, refused)
        except Unsealable as problem:
            raise Problem(500, "unsealable", f"{problem}.", "Set that key, or store the secret anew.") from None
        return {
            "base_url": found.channel.base_url,
            "settings": found.channel.settings,
            "token": found.token,
            "seconds": found.seconds,
            "expires_at": utc_now() + timedelta(seconds=found.seconds),
        }

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


def _keys(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["API keys"])

    @routes.post("", status_code=201)
    async def create(new: NewKey) -> dict[str, str]:
        async with context.transaction() as tx:
            return {"name": new.name, "role": new.role, "key": await keys.create_key(tx, new.name, new.role)}

    @routes.get("")
    async def list_keys() -> list[dict[str, Any]]:
        async with context.transaction() as tx:
            return [dict(row) for row in await store.api_keys(tx)]

    @routes.delete("/{key_id}", status_code=204)
    async def revoke(key_id: UUID) -> None:
        async with context.transaction() as tx:
            if not await store.revoke_key(tx, key_id):
                raise not_found("API key in use", key_id)
        parts.keys.forget()

    return routes


def _sealing_keys(context: Context, parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["sealing keys"])

    @routes.get("")
    async def show() -> dict[str, Any]:
        """Which key seals, and how many secrets each key has sealed."""
        async with context.transaction() as tx:
            return {"current": parts.box.current, "sealed": await connections.sealed_by(tx)}

    @routes.post("/rotate")
    async def rotate() -> dict[str, Any]:
        """Seal every secret with the first key now; when no other key is left in `sealed`, the others can go."""
        resealed = 0
        try:
            while True:
                async with context.transaction() as tx:
                    done = await channels.reseal(tx, parts.box, RESEAL_ROWS)
                resealed += done
                if done == 0:
                    break
        except Unsealable as problem:
            raise Problem(409, "unsealable", f"{problem}.", "Set that key beside the new one, then rotate.") from None
        async with context.transaction() as tx:
            return {"current": parts.box.current, "resealed": resealed, "sealed": await connections.sealed_by(tx)}

    return routes
