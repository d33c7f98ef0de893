"""Shopify's OAuth: the merchant's approval, expiring offline tokens with rotating refresh tokens, client credentials.

Guards: nothing of a callback is believed before its signature; a refresh whose reply was lost raises Unknown, never
AuthExpired, since the refresh token that was sent still works (until its replacement is first used, changelog
2026-08-28).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from crossdock.channels import http
from crossdock.channels.connecting import App, Approval, Grant
from crossdock.channels.errors import AuthExpired, Permanent, Retryable, Unknown
from crossdock.channels.model import Refused
from crossdock.channels.protocols import ChannelAccess

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9\-]*\.myshopify\.com")
"""Shopify's rule for a shop's domain; `fullmatch` it, since `$` lets a newline through."""

CALLBACK_AGE = timedelta(seconds=90)
"""How far a callback's time may be off, as in Shopify's own libraries."""

TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105
WHO = "Shopify"
_APPROVE_AGAIN = "Shopify no longer accepts our refresh token: the merchant has to approve the app again"
_FINAL = {
    "app_not_installed": "the app is not installed in this shop: install it, then connect again",
    "shop_not_permitted": "the app belongs to another organisation than the shop, so that client credentials are "
    "refused: connect by the merchant's approval instead",
    "invalid_client": "the app's client id or client secret is wrong: correct it",
}


def authorize_url(access: ChannelAccess, app: App, scopes: Sequence[str], redirect_uri: str, state: str) -> str:
    """The page where the merchant approves an offline token with these scopes. Raises Permanent for a bad base URL."""
    query = {
        "client_id": app.client_id,
        "scope": ",".join(scopes),
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return f"{http.checked_base_url(access)}/admin/oauth/authorize?{urlencode(query)}"


def verify_approval(query: Sequence[tuple[str, str]], secret: str, now: datetime) -> Approval | Refused:
    """Check a callback: hex HMAC-SHA256 of all other parameters, sorted; then its time, its shop, its code.

    Shopify's libraries write the signed text in two ways, with values percent-encoded (JavaScript) or with only `%`,
    `&` and `=` encoded (Python, Ruby); they differ for `host` alone, and both are accepted.
    """
    given = dict(query)
    if len(given) != len(query):
        return Refused("the callback names a parameter twice")
    signature = given.pop("hmac", "").encode("utf-8", "replace")
    matches = [hmac.compare_digest(_signature(text, secret), signature) for text in _signed_texts(given)]
    if not any(matches):
        return Refused("the callback's signature does not match")
    sent = given.get("timestamp", "")
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
        return Refused("the callback has no time")
    if abs(now.timestamp() - int(sent)) > CALLBACK_AGE.total_seconds():
        return Refused("the callback is older than 90 seconds, or the clock is wrong")
    if not SHOP_DOMAIN.fullmatch(given.get("shop", "")):
        return Refused("the callback names no shop")
    if not given.get("code"):
        return Refused("the callback has no code")
    return Approval(given["shop"], given["code"])


def signature_of(parameters: Mapping[str, str], secret: str) -> str:
    """The `hmac` of callback parameters, as Shopify's JavaScript library writes it."""
    return _signature(urlencode(sorted(parameters.items())), secret).decode()


def _signature(text: str, secret: str) -> bytes:
    return hmac.new(secret.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest().encode()


def _signed_texts(parameters: Mapping[str, str]) -> tuple[str, str]:
    pairs = sorted((key.encode("utf-8", "replace").decode(), value) for key, value in parameters.items())
    plain = "&".join(
        f"{key.replace('%', '%25').replace('&', '%26').replace('=', '%3D')}="
        f"{value.replace('%', '%25').replace('&', '%26')}"
        for key, value in pairs
    )
    return urlencode(pairs, errors="replace"), plain


async def exchange_code(access: ChannelAccess, app: App, code: str) -> Grant:
    """See Authorizer. `expiring` asks for tokens that end after an hour and can be refreshed for 90 days."""
    return await _ask(access, app, {"code": code, "expiring": 1}, "the code")


async def client_credentials(access: ChannelAccess, app: App) -> Grant:
    """See Authorizer. The token is good for a day; only for shops of the organisation that owns the app."""
    return await _ask(access, app, {"grant_type": "client_credentials"}, "the app's credentials")


async def refresh(access: ChannelAccess, app: App, refresh_token: str) -> Grant:
    """See Authorizer."""
    given = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return await _ask(access, app, given, "the refresh token", ended=_APPROVE_AGAIN)


async def _ask(access: ChannelAccess, app: App, given: Mapping[str, Any], what: str, ended: str = "") -> Grant:
    """Ask the token endpoint; `ended` is what a refusal means where `what` had been good before."""
    body = {"client_id": app.client_id, "client_secret": app.client_secret, **given}
    answer = await http.call(access, "POST", TOKEN_PATH, headers={}, body=body, write=True, who=WHO)
    payload = answer.json()
    told = payload if isinstance(payload, Mapping) else {}
    if answer.status != 200:
        _raise_for_refusal(answer, told, what, ended)
    if not told.get("access_token") or not isinstance(told["access_token"], str):
        raise Unknown(f"Shopify took {what} and answered without a token")
    return Grant(
        access_token=told["access_token"],
        seconds=_seconds(told.get("expires_in")),
        scopes=tuple(sorted({one.strip() for one in str(told.get("scope") or "").split(",") if one.strip()})),
        refresh_token=told["refresh_token"] if isinstance(told.get("refresh_token"), str) else None,
        refresh_seconds=_seconds(told.get("refresh_token_expires_in")),
    )


def _raise_for_refusal(answer: http.Answer, told: Mapping[str, Any], what: str, ended: str) -> None:
    http.raise_for_server_trouble(answer, write=True, who=WHO)
    if answer.status in (408, 425):
        raise Retryable(f"Shopify did not take {what} (HTTP {answer.status})")
    code = str(told.get("error") or f"http_{answer.status}")[:60]
    if code in _FINAL:
        raise Permanent(_FINAL[code], code)
    if ended and answer.status in (400, 401):
        raise AuthExpired(ended)
    if answer.status == 404:
        raise Permanent("Shopify does not know this shop", "http_404")
    raise Permanent(f"Shopify refused {what} ({code})", code)


def _seconds(told: Any) -> float | None:
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) and told >= 0 else None
