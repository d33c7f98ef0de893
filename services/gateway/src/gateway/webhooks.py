"""The edge: one HTTP request in, one verified and durably stored delivery out.

Invariant: a 2xx answer means committed; nothing is stored of what is not signed. Bodies are never parsed here.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn
from uuid import UUID

from starlette.types import Receive, Scope, Send

from crossdock.channels.model import RawWebhook, Refused, Verified
from crossdock.channels.protocols import CallbackSource
from crossdock.channels.reading import clean
from crossdock.contracts.base import utc_now
from crossdock.contracts.gateway import WEBHOOK_OF_CATEGORY
from crossdock.messaging.envelope import Outgoing, new_id
from crossdock.service import telemetry
from crossdock.service.errors import Problem
from gateway import metrics
from gateway.directory import Directory, Entry, NotLoaded
from gateway.domain.deliveries import IGNORED, Delivery
from gateway.intake import DatabaseAway, GroupCommit, Unstorable
from gateway.telling import message_of

RETRY_SECONDS = 5
ABOUT_ITSELF = "channel"
"""The category of what a channel tells of itself; `shop/redact` comes two days after the app was uninstalled."""
LINGER_SECONDS = 1.0
LINGER_BYTES = 8 * 2**20
ACCEPTED = b'{"accepted":true}'
ACCEPTED_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ACCEPTED)).encode())]

log = logging.getLogger(__name__)


class HungUp(Exception):
    """The sender closed the connection before its body was whole: nobody waits for an answer."""


class WebhookDoor:
    """The ASGI application behind `POST /webhooks/…`: no request object and no validation, since it runs once for
    every webhook; its `Problem`s are answered by the application around it."""

    def __init__(self, directory: Directory, commit: GroupCommit, *, body_bytes: int, memory_bytes: int) -> None:
        self._directory = directory
        self._commit = commit
        self._body_bytes = body_bytes
        self._memory_bytes = memory_bytes
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one delivery in, or raise Problem."""
        with telemetry.serving("receive webhook"):
            await self._take(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks: list[bytes] = []
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            entry = self._entry(scope["path_params"], headers)
            callback = scope["path_params"].get("callback", "")
            if callback and not (isinstance(entry.source, CallbackSource) and callback in entry.source.callbacks):
                _unknown()
            await self._read(headers, receive, chunks)
            body = b"".join(chunks)
            found = verified(entry, headers, body, callback)
            if not entry.connected and entry.source.category(clean(found.topic)) != ABOUT_ITSELF:
                _unknown()
            await self._store(*arrival(entry, found, body))
        except HungUp:
            return
        finally:
            self._held -= sum(map(len, chunks))
        await send({"type": "http.response.start", "status": 200, "headers": ACCEPTED_HEADERS})
        await send({"type": "http.response.body", "body": ACCEPTED})

    def _entry(self, path: Mapping[str, str], headers: Mapping[str, str]) -> Entry:
        try:
            if "channel_id" in path:
                found = self._directory.by_id(path["kind"], _uuid(path["channel_id"]))
            else:
                shop = headers.get("x-shopify-shop-domain") or headers.get("shopify-shop-domain") or ""
                found = self._directory.by_shop("shopify", shop)
        except NotLoaded:
            _refuse_for_now("not_ready", "The gateway has not read its channels yet.")
        if found is None:
            _unknown()
        return found

    async def _read(self, headers: Mapping[str, str], receive: Receive, chunks: list[bytes]) -> None:
        """Collect the body into `chunks`; reading ends at the limit, whatever length was announced."""
        size = _announced(headers)
        more = size <= self._body_bytes
        read = 0
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise HungUp
            chunk = event.get("body", b"")
            chunks.append(chunk)
            read += len(chunk)
            self._held += len(chunk)
            more = event.get("more_body", False) and read <= self._body_bytes
            if self._held > self._memory_bytes:
                _refuse_for_now("too_many_at_once", "The gateway has too many webhooks in hand.")
        if max(size, read) > self._body_bytes:
            chunks.clear()
            self._held -= read
            await _let_finish(receive)
            sentence = f"The body is larger than {self._body_bytes} bytes."
            _refuse(413, "body_too_large", sentence, headers={"connection": "close"})

    async def _store(self, delivery: Delivery, message: Outgoing | None) -> None:
        try:
            await self._commit.store(delivery, message)
        except DatabaseAway:
            _refuse_for_now("database_away", "The gateway cannot reach its database; nothing was stored.")
        except Unstorable as problem:
            _refuse(500, "unstorable", f"The database refuses this delivery: {problem}.", "See the gateway's log.")


def arrival(entry: Entry, verified: Verified, body: bytes) -> tuple[Delivery, Outgoing | None]:
    """A verified delivery as it is stored, and the message that tells of it unless nobody needs its topic."""
    topic = clean(verified.topic)
    category = entry.source.category(topic)
    event_type = WEBHOOK_OF_CATEGORY.get(category or "")
    now = utc_now()
    delivery = Delivery(
        id=new_id(),
        channel_id=entry.channel_id,
        external_delivery_id=clean(verified.delivery_id),
        topic=topic,
        event_id=None if verified.event_id is None else clean(verified.event_id),
        triggered_at=verified.triggered_at,
        received_at=now,
        category=IGNORED if event_type is None else str(category),
        body=body,
    )
    return delivery, None if event_type is None else message_of(delivery, event_type, entry.kind)


def verified(entry: Entry, headers: dict[str, str], body: bytes, callback: str = "") -> Verified:
    """Check the signature with every secret of the channel. Raises Problem (401)."""
    answer = entry.source.verify(RawWebhook(headers, body, callback), entry.secrets, utc_now())
    if isinstance(answer, Refused):
        log.info("a delivery for channel %s was refused: %s", entry.channel_id, answer.reason)
        _refuse(401, "bad_signature", f"{answer.reason[:1].upper()}{answer.reason[1:]}.", "Check the webhook's secret.")
    return answer


async def _let_finish(receive: Receive) -> None:
    """Throw away what a sender is still sending, for a moment: closing at once would reset the connection, and the
    reset can overtake the answer (RFC 9112, section 9.6)."""
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                event = await receive()
                left -= len(event.get("body", b"")) + 1
                if not event.get("more_body", False):
                    return


def _announced(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _unknown() -> NoReturn:
    _refuse(404, "unknown_channel", "No connected channel has this shop or id.", "Connect the channel first.")


def _refuse_for_now(code: str, message: str) -> NoReturn:
    headers = {"retry-after": str(RETRY_SECONDS)}
    _refuse(503, code, message, "Send the webhook again a little later.", headers)


def _refuse(
    status: int, code: str, message: str, next_step: str = "", headers: dict[str, str] | None = None
) -> NoReturn:
    metrics.refused.add(1, {"reason": code})
    raise Problem(status, code, message, next_step, headers)
