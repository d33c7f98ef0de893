"""How an app gets its tokens: the merchant's approval, codes, rotating refresh tokens, client credentials."""

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from sandbox.faults import ACTING, drop_connection, hang, late
from sandbox.shopify.app import INACTIVE, collapsed
from sandbox.shopify.state import Fault, Store
from sandbox.world import World

CODE_SECONDS = 60.0
GRANTS = frozenset({"authorization_code", "refresh_token", "client_credentials"})


def routes(world: World) -> APIRouter:
    """The two endpoints of every store of `world`."""
    router = APIRouter()

    @router.get("/shopify/{shop}/admin/oauth/authorize")
    async def authorize(shop: str, request: Request) -> Response:
        store = world.stores.get(shop)
        asked = request.query_params
        if store is None or asked.get("client_id") != store.client_id or not asked.get("redirect_uri"):
            return _refused(400, "invalid_request", "The app or its redirect address is not known.")
        if not store.settings.approves:
            return _refused(403, "access_denied", "The merchant did not approve.")
        scopes = [one for one in asked.get("scope", "").split(",") if one]
        store.settings.scopes = [one for one in scopes if one not in store.settings.withheld_scopes]
        store.installed = True
        code = secrets.token_hex(16)
        store.grants.codes[code] = (asked["redirect_uri"], world.clock.now() + CODE_SECONDS)
        back = {"code": code, "shop": store.domain, "state": asked.get("state", ""), "timestamp": str(int(time.time()))}
        back |= {"host": base64.b64encode(f"admin.shopify.com/store/{store.name}".encode()).decode()}
        signed = back | {"hmac": signature(store.secret, back)}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(signed)}", 302)

    @router.post("/shopify/{shop}/admin/oauth/access_token")
    async def access_token(shop: str, request: Request) -> Response:
        store = world.stores.get(shop)
        if store is None:
            return _refused(404, "not_found", "There is no such shop.")
        given = await _form(request)
        grant = "authorization_code" if given.get("code") else str(given.get("grant_type", ""))
        grants = store.grants
        grants.in_flight += 1
        grants.peak = max(grants.peak, grants.in_flight)
        try:
            fault = _take_fault(store, grant)
            if fault is not None and fault.kind not in ACTING:
                return await _failed(request, fault)
            if fault is not None and fault.kind == "act_late":
                await late(world, fault.seconds)
            reply = _answer(world, store, grant, given)
            grants.calls.append({"grant": grant, "outcome": str(reply.status_code)})
            return await drop_connection(request) if fault is not None and fault.kind == "lose_reply" else reply
        finally:
            grants.in_flight -= 1

    return router


def signature(secret: str, parameters: dict[str, str]) -> str:
    """The callback's `hmac`: hex HMAC-SHA256 over the other parameters, sorted and encoded."""
    message = urlencode(sorted(parameters.items()))
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def _answer(world: World, store: Store, grant: str, given: dict[str, Any]) -> Response:
    now = world.clock.now()
    if given.get("client_id") != store.client_id or given.get("client_secret") != store.secret:
        return _refused(401, "invalid_client", "The app's credentials are wrong.")
    if grant not in GRANTS:
        return _refused(400, "unsupported_grant_type", "The grant type is not supported.")
    if grant == "client_credentials":
        return _client_credentials(store, now)
    if not store.installed:
        return _refused(400, "app_not_installed", "The application is not installed on this shop.")
    if grant == "authorization_code":
        _, ends = store.grants.codes.pop(str(given["code"]), ("", 0.0))
        if ends <= now:
            return _refused(400, "invalid_request", "The authorization code was not found or was already used")
        if str(given.get("expiring")) not in ("1", "True", "true"):
            return _json({"access_token": store.grants.issue_access(None, alone=False), "scope": _scope(store)})
        return _expiring(store, now, None)
    token = str(given.get("refresh_token", ""))
    if not store.grants.use_refresh(token, now, single_use=store.settings.refresh_single_use):
        return _refused(401, "invalid_request", INACTIVE)
    return _expiring(store, now, token)


def _client_credentials(store: Store, now: float) -> Response:
    if not store.settings.same_organisation:
        sentence = "Client credentials cannot be performed on this shop."
        return _refused(400, "shop_not_permitted", sentence)
    if not store.installed:
        return _refused(400, "app_not_installed", "The application is not installed on this shop.")
    seconds = store.settings.credentials_token_seconds
    token = store.grants.issue_access(now + seconds, alone=False)
    return _json({"access_token": token, "scope": _scope(store), "expires_in": max(0, int(seconds) - 1)})


def _expiring(store: Store, now: float, replaces: str | None) -> Response:
    settings = store.settings
    return _json(
        {
            "access_token": store.grants.issue_access(now + settings.token_seconds, alone=settings.one_access_token),
            "scope": _scope(store),
            "expires_in": int(settings.token_seconds),
            "refresh_token": store.grants.issue_refresh(now + settings.refresh_seconds, replaces),
            "refresh_token_expires_in": int(settings.refresh_seconds),
        }
    )


def _scope(store: Store) -> str:
    return ",".join(collapsed(store.settings.scopes))


def _take_fault(store: Store, grant: str) -> Fault | None:
    for fault in store.faults:
        if fault.times > 0 and fault.operation == grant:
            fault.times -= 1
            return fault
    return None


async def _failed(request: Request, fault: Fault) -> Response:
    if fault.kind == "timeout":
        return await hang(request, fault.seconds)
    if fault.kind in ("throttle", "http_429"):
        return _json({"errors": "Too many attempts. Please try again later."}, 429, {"Retry-After": "2.0"})
    if fault.kind == "token_expired":
        return _refused(401, "invalid_request", INACTIVE)
    return Response("error code: 520", 520)


async def _form(request: Request) -> dict[str, Any]:
    """The parameters, sent as JSON or as a form."""
    if "json" in request.headers.get("content-type", ""):
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


def _refused(status: int, error: str, description: str) -> Response:
    return _json({"error": error, "error_description": description}, status)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")
