"""What a connector can do so that its channel is connected, allowed what it needs, and tells of its changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from crossdock.channels.model import Refused
from crossdock.channels.protocols import ChannelAccess


@dataclass(frozen=True, slots=True)
class App:
    """The app as which we are known to a vendor."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a vendor's token endpoint gave: tokens, for how many seconds each is good (None: no end), and for what."""

    access_token: str = field(repr=False)
    seconds: float | None
    scopes: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)
    refresh_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A verified return from the vendor's approval page: the account that approved, and the code to exchange."""

    account: str
    code: str = field(repr=False)


@runtime_checkable
class Authorizer(Protocol):
    """Gets access by OAuth 2: a person's approval, rotating refresh tokens, or the app's own credentials."""

    def authorize_url(self, access: ChannelAccess, app: App, redirect_uri: str, state: str) -> str:
        """Where a person approves what the channel needs. Raises Permanent for an address that cannot be."""

    def verify_approval(self, query: Sequence[tuple[str, str]], secret: str, now: datetime) -> Approval | Refused:
        """Check the signature of a return from the approval page before anything else of it is believed."""

    async def exchange_code(self, access: ChannelAccess, app: App, code: str) -> Grant:
        """Exchange a code, which works once. Raises ChannelError; after `Unknown` a person has to approve again."""

    async def client_credentials(self, access: ChannelAccess, app: App) -> Grant:
        """A token for the app's own credentials; may be asked for again at any time. Raises ChannelError."""

    async def refresh(self, access: ChannelAccess, app: App, refresh_token: str) -> Grant:
        """New tokens. Raises AuthExpired when a person has to approve again; after `Unknown` ask again with the same
        token."""


@dataclass(frozen=True, slots=True)
class ScopeNeed:
    """One of these access scopes is needed; `without` says what does not work when none was granted."""

    any_of: tuple[str, ...]
    without: str
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a channel says of itself: the account, the access scopes granted, and the version of the API that answers
    beside the one that was asked for."""

    account: str
    scopes: tuple[str, ...]
    api_version: str
    served_version: str


@runtime_checkable
class Inspector(Protocol):
    """Tells whether a channel can do what it is meant to."""

    def scope_needs(self, settings: Mapping[str, Any]) -> tuple[ScopeNeed, ...]:
        """What a channel with these settings needs to be allowed."""

    def missing(self, needs: Sequence[ScopeNeed], scopes: Sequence[str]) -> tuple[ScopeNeed, ...]:
        """The needs that the granted scopes do not meet."""

    async def inspect(self, access: ChannelAccess) -> Inspection:
        """Ask the channel who it is and what we may do. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription of ours. `altered`: it does not send the whole of every event."""

    id: str
    topic: str
    uri: str
    altered: bool = False


@runtime_checkable
class WebhookSubscriber(Protocol):
    """Subscribes to the channel's webhooks."""

    def webhook_topics(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """The topics that we need and that these scopes allow."""

    async def list_webhooks(self, access: ChannelAccess) -> tuple[Subscription, ...]:
        """The subscriptions that our app made, wherever they lead. Raises ChannelError."""

    async def ensure_webhooks(self, access: ChannelAccess, uri: str, topics: Sequence[str]) -> tuple[str, ...]:
        """Subscribe `uri` to topics that it lacks, and anew to those whose subscription was altered; the topics for
        which something was done. Raises ChannelError."""

    async def remove_webhooks(self, access: ChannelAccess, uri: str) -> int:
        """Delete every subscription of `uri`; how many there were. Raises ChannelError."""
