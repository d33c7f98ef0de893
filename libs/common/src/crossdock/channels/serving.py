"""What a connector can do where Crossdock is one of a channel's fulfillment services, as small protocols.

A merchant *requests* that a service ships what is assigned to its location, or that it stops; the service answers each
request once.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from crossdock.channels.connecting import ScopeNeed
from crossdock.channels.protocols import ChannelAccess

AnswerKind = Literal["accept", "reject", "accept_cancellation", "reject_cancellation"]
RejectionReason = Literal["other", "nothing_to_ship"]
StockAction = Literal["keep", "transfer", "delete"]


@dataclass(frozen=True, slots=True)
class ChannelService:
    """A fulfillment service that a channel knows, with the location that it works at and the address that is called
    when something is requested of it. `service_id` is the channel's own and opaque."""

    service_id: str
    name: str
    location_id: str
    callback_url: str


@runtime_checkable
class ServiceRegistrar(Protocol):
    """Registers Crossdock as a fulfillment service of a channel."""

    def service_needs(self) -> tuple[ScopeNeed, ...]:
        """What a channel has to allow for it."""

    async def list_services(self, access: ChannelAccess) -> tuple[ChannelService, ...]:
        """Every fulfillment service of the channel, other apps' too. Raises ChannelError."""

    async def register_service(self, access: ChannelAccess, name: str, callback_url: str) -> ChannelService:
        """Make a service with a location of its own. Raises ChannelError; after `Unknown` look whether it is there."""

    async def redirect_service(self, access: ChannelAccess, service_id: str, callback_url: str) -> None:
        """Let another address be called for a service. Raises ChannelError."""

    async def unregister_service(
        self, access: ChannelAccess, service_id: str, stock: StockAction, destination: str = ""
    ) -> None:
        """Delete a service. Its location stays as the merchant's own with its stock (`keep`), or goes, and its stock
        and open work go to the location `destination` (`transfer`) or go with it (`delete`). Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that the channel still waits for an answer to; `request_id` names it among all of the channel's."""

    order_external_id: str
    route_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class WaitingRequests:
    """A page of them; `cursor` leads to the next one, None at the end."""

    requests: tuple[WaitingRequest, ...]
    cursor: str | None


@runtime_checkable
class RequestSource(Protocol):
    """Tells which requests wait for an answer: the truth that notifications only make faster."""

    async def waiting_requests(
        self, access: ChannelAccess, location_id: str, cursor: str | None = None
    ) -> WaitingRequests:
        """Requests to the service at a location, cancellations first. Raises ChannelError."""


@dataclass(frozen=True, slots=True)
class RequestReply:
    """Our answer to one request. `message` is one sentence for the merchant, without personal data; `reason` belongs
    to `reject` alone."""

    route_id: str
    request_id: str
    answer: AnswerKind
    message: str = ""
    reason: RejectionReason = "other"


@dataclass(frozen=True, slots=True)
class ReplyState:
    """How a request stands: `written` by this call, `found` answered so before, still `open`, or `overtaken`: it is no
    longer waited for, or something else is. `note` is for the order's timeline."""

    state: Literal["written", "found", "open", "overtaken"]
    note: str = ""


@runtime_checkable
class RequestAnswerer(Protocol):
    """Answers requests. A request is read by its id before it is answered, and after an answer was lost."""

    async def answer_request(self, access: ChannelAccess, reply: RequestReply) -> ReplyState:
        """Answer, unless that was done. Raises ChannelError; `Unknown` when it may have happened."""

    async def find_answer(self, access: ChannelAccess, reply: RequestReply) -> ReplyState:
        """Look how the request stands. Raises ChannelError."""
