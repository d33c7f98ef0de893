"""API keys of people and scripts: shown once, stored as a hash."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import SecretStr

from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Verdict, judge
from crossdock.messaging.transaction import Tx, transaction
from crossdock.service.errors import Problem
from crossdock.storage.engine import Database
from gateway import store

PREFIX = "xd_"
ROLES = ("viewer", "operator", "admin")
"""Each may do what those before it may: a viewer reads, an operator acts, an admin manages keys."""

CACHE_SECONDS = 5.0
"""How long a revoked key may still work in a process that used it."""

USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds an API key."""

    key_id: UUID
    name: str
    role: str


def hash_of(key: str) -> bytes:
    """What is stored of a key: it has 256 random bits, so that a plain hash cannot be guessed back."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


async def create_key(tx: Tx, name: str, role: str) -> str:
    """Make an API key and store its hash; the key itself is shown this once."""
    key = PREFIX + secrets.token_urlsafe(32)
    await store.add_key(tx, new_id(), name, hash_of(key), role)
    return key


async def bootstrap_key(tx: Tx, key: str) -> bool:
    """Store a given key as the first one, an admin's; does nothing if there was ever a key."""
    if not await store.no_key_yet(tx):
        return False
    await store.add_key(tx, new_id(), "bootstrap", hash_of(key), "admin")
    return True


class KeyRing:
    """Tells who holds a key, and remembers the answer for some seconds. `first` is the key of the settings; until it is
    stored, `lacks_first`, and whoever holds it is turned away."""

    def __init__(self, database: Database, first: SecretStr | None) -> None:
        self.lacks_first = first is not None
        self._first = first
        self._database = database
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def store_first(self) -> None:
        """Store the first key, if there was never any. Raises what Postgres raises."""
        if self._first is not None and self.lacks_first:
            async with transaction(self._database) as tx:
                await bootstrap_key(tx, self._first.get_secret_value())
            self.lacks_first = False

    async def caller(self, key: str) -> Caller | None:
        """The holder of a key, or None. Raises what Postgres raises."""
        hashed = hash_of(key)
        until, caller = self._known.get(hashed, (0.0, None))
        if caller is not None and time.monotonic() < until:
            return caller
        self._known.pop(hashed, None)
        async with transaction(self._database) as tx:
            row = await store.key_by_hash(tx, hashed)
            if row is None or not hmac.compare_digest(row.key_hash, hashed):
                return None
            if row.last_used_at is None or tx.now - row.last_used_at > USED_EVERY:
                await store.key_used(tx, row.id)
        found = Caller(row.id, row.name, row.role)
        self._known[hashed] = (time.monotonic() + CACHE_SECONDS, found)
        return found

    def forget(self) -> None:
        """Ask the database again for every key."""
        self._known.clear()


def required(ring: KeyRing, role: str | None = None) -> Callable[[Request], Any]:
    """A dependency that lets in whoever holds a key of at least this role; without one, reading needs `viewer` and
    anything else `operator`."""

    async def check(request: Request) -> Caller:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        try:
            caller = await ring.caller(key.strip()) if scheme.lower() == "bearer" else None
        except Exception as error:
            if judge(error) is Verdict.MESSAGE:
                raise
            sentence = "The gateway cannot reach its database."
            raise Problem(503, "database_away", sentence, "Try again a little later.", {"retry-after": "5"}) from None
        if caller is None:
            raise Problem(
                401, "api_key", "The API key is missing, wrong or revoked.", "Send `Authorization: Bearer xd_…`."
            )
        needed = role or ("viewer" if request.method in ("GET", "HEAD") else "operator")
        if ROLES.index(caller.role) < ROLES.index(needed):
            raise Problem(403, "role", f"The API key {caller.name} may not do this.", f"It needs the role {needed}.")
        request.state.role = caller.role
        return caller

    return check
