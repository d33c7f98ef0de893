"""What a channel may look like, and what a change makes of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

CREDENTIAL_KINDS = ("access_token", "webhook_secret", "api_key", "signing_secret", "client_secret", "refresh_token")
TOKEN_KINDS = ("access_token", "api_key")
"""With these a channel is called; the first that exists is used."""

SERVICE = "fulfillment_service"
"""The setting that keeps our fulfillment service in the channel: what it is called, and once it is registered the
channel's `id` of it and the `location` that it works at."""

SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9\-]*\.myshopify\.com")
"""Shopify's rule for a shop's domain; `fullmatch` it, since `$` lets a newline through."""

_SECRET_NAME = re.compile(r"secret|password|token|api_?key|credential", re.IGNORECASE)


class Invalid(ValueError):
    """A channel that cannot be; its text is one sentence that names the field and never its value."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One connected store or account. `shop` is how its webhooks name it, where the kind has such a name."""

    id: UUID
    kind: str
    name: str
    mode: str
    shop: str | None
    base_url: str
    settings: Mapping[str, Any]
    version: int
    state: str
    created_at: datetime
    changed_at: datetime
    resets: int = 0
    secrets: tuple[str, ...] = field(default=())


def shop_of(kind: str, shop: str | None) -> str | None:
    """The shop's domain in the one spelling, or None for kinds that have none. Raises Invalid."""
    if kind != "shopify":
        if shop:
            raise Invalid(f"shop: a channel of kind {kind} has none; leave it out")
        return None
    found = (shop or "").strip().lower()
    if not SHOP_DOMAIN.fullmatch(found):
        raise Invalid("shop: must be the store's own domain, such as example.myshopify.com")
    return found


def base_url_of(shop: str | None, base_url: str | None) -> str:
    """Where the channel is called: what was given, else the shop's domain; blank when it is never called.

    Raises Invalid unless it is a plain http(s) address.
    """
    given = (base_url or "").strip().rstrip("/")
    if not given:
        return f"https://{shop}" if shop else ""
    try:
        parts = urlsplit(given)
        plain = bool(parts.hostname) and not (parts.username or parts.password or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https"):
        raise Invalid("base_url: must be a plain http(s) address without user, query or fragment")
    return given


def storable(text: str) -> bool:
    """Whether Postgres can store a text: it has neither NUL characters nor lone surrogates."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that may travel in events. Raises Invalid where a name says that its value is a secret, and for what
    jsonb cannot hold."""
    try:
        written = orjson.dumps(dict(settings))
    except (TypeError, RecursionError):
        raise Invalid("settings: hold a number, a text or a depth that cannot be stored") from None
    if b"\\u0000" in written:
        raise Invalid("settings: hold a NUL character, which cannot be stored")
    for name in _names(settings):
        if _SECRET_NAME.search(name):
            raise Invalid(f"settings.{name[:50]}: looks like a secret; give it under `secrets`, where it is sealed")
    return dict(settings)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
