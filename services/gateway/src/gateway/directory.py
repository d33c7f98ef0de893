"""The channels in memory, so that a webhook is verified without a look into the database.

Invariant: entries are replaced whole; a reader sees the old directory or the new one.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from crossdock.channels.protocols import WebhookSource
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import Database
from gateway import store
from gateway.sealing import SealingBox, Unsealable
from gateway.store import Listed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is needed to let a webhook in: the channel, its connector, and every secret that may sign now. One that is
    no longer `connected` may only tell of itself: that it is gone, and of privacy requests."""

    channel_id: UUID
    kind: str
    source: WebhookSource
    secrets: tuple[bytes, ...] = field(repr=False)
    connected: bool = True


class NotLoaded(Exception):
    """The directory was never loaded: the database has not been reached since the start."""


class Directory:
    """Channels by id and by shop."""

    def __init__(self, database: Database, box: SealingBox) -> None:
        self._database = database
        self._box = box
        self._stamp: tuple[int, ...] | None = None
        self._by_id: Mapping[UUID, Entry] = {}
        self._by_shop: Mapping[tuple[str, str], Entry] = {}

    @property
    def loaded(self) -> bool:
        """Whether the channels were read at least once."""
        return self._stamp is not None

    def by_shop(self, kind: str, shop: str) -> Entry | None:
        """The channel of a shop, connected or lately disconnected. Raises NotLoaded."""
        if not self.loaded:
            raise NotLoaded
        return self._by_shop.get((kind, shop.lower()))

    def by_id(self, kind: str, channel_id: UUID) -> Entry | None:
        """The channel with this id and kind, connected or lately disconnected. Raises NotLoaded."""
        if not self.loaded:
            raise NotLoaded
        entry = self._by_id.get(channel_id)
        return entry if entry is not None and entry.kind == kind else None

    async def refresh(self) -> bool:
        """Load the channels if any of them changed; returns whether that was so. Raises what Postgres raises."""
        async with transaction(self._database) as tx:
            stamp = await store.directory_stamp(tx)
            if stamp == self._stamp:
                return False
            listed = await store.directory(tx)
        entries = [(entry, one.shop) for one in listed if (entry := self._entry(one)) is not None]
        self._by_id = {entry.channel_id: entry for entry, _ in entries}
        self._by_shop = {(entry.kind, shop): entry for entry, shop in entries if shop}
        self._stamp = stamp
        return True

    async def changed(self) -> None:
        """Load what this process has just changed. The change is committed, so an outage now is left to the worker."""
        try:
            await self.refresh()
        except Exception as error:
            if judge(error) is Verdict.MESSAGE:
                raise
            log.warning("the channels are read again a little later: %s", explain(error))

    def _entry(self, listed: Listed) -> Entry | None:
        try:
            source = connector(listed.kind)
        except UnknownChannelKind as problem:
            log.error("channel %s takes no webhooks: %s", listed.id, problem)
            return None
        return Entry(listed.id, listed.kind, source, tuple(self._open(listed)), listed.connected)

    def _open(self, listed: Listed) -> list[bytes]:
        secrets = []
        for sealed in listed.secrets:
            try:
                secrets.append(self._box.open(listed.id, "webhook_secret", sealed).encode())
            except Unsealable as problem:
                log.error("%s", problem)
        return secrets
