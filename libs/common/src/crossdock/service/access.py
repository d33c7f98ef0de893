"""How a service reaches a channel: base URL, settings and a short-lived token from the gateway, kept in memory only."""

import hashlib
import time
from typing import Any
from uuid import UUID

import httpx

from crossdock.channels.errors import AuthExpired, ChannelError, Permanent, Retryable
from crossdock.channels.protocols import ChannelAccess
from crossdock.service import tokens


class AccessClient:
    """Fetches and caches what the gateway's internal API says of a channel."""

    def __init__(self, gateway_url: str, service_key: str, service: str) -> None:
        self._key = service_key
        self._service = service
        self._client = httpx.AsyncClient(base_url=gateway_url, timeout=5, trust_env=False)
        self._kept: dict[UUID, tuple[float, ChannelAccess]] = {}
        self._refused: dict[UUID, str] = {}

    async def channel(self, channel_id: UUID) -> ChannelAccess:
        """How to reach a channel. Raises Permanent when the gateway does not know it, AuthExpired when a person has to
        grant access again, Retryable when the gateway is away or renews the token."""
        until, access = self._kept.get(channel_id, (0.0, None))
        if access is not None and time.monotonic() < until:
            return access
        body = await self._fetch(channel_id)
        access = ChannelAccess(body["base_url"], body["token"], body["settings"])
        self._kept[channel_id] = (time.monotonic() + float(body["seconds"]), access)
        self._refused.pop(channel_id, None)
        return access

    def forget(self, channel_id: UUID) -> None:
        """The token was refused: fetch another one next time, and tell the gateway which one it was."""
        _, access = self._kept.pop(channel_id, (0.0, None))
        if access is not None:
            self._refused[channel_id] = hashlib.sha256(access.token.encode()).hexdigest()[:16]

    async def close(self) -> None:
        """Close the connections to the gateway."""
        await self._client.aclose()

    async def _fetch(self, channel_id: UUID) -> Any:
        token = tokens.issue(self._key, issuer=self._service, audience="gateway")
        try:
            reply = await self._client.get(
                f"/internal/channels/{channel_id}/access",
                params={"refused": self._refused.get(channel_id, "")},
                headers={"authorization": f"Bearer {token}"},
            )
        except httpx.HTTPError as problem:
            raise Retryable(f"The gateway does not answer ({type(problem).__name__})", after=2.0) from None
        if reply.status_code == 200:
            return reply.json()
        raise _refusal(reply, channel_id)


def _refusal(reply: httpx.Response, channel_id: UUID) -> ChannelError:
    status = reply.status_code
    if status == 409:
        return AuthExpired(f"Channel {channel_id} no longer lets us in: the merchant has to approve the app again")
    if status == 404:
        return Permanent(f"Channel {channel_id} is not connected", code="channel_gone")
    if status == 401:
        return AuthExpired("The gateway refused the service token: all services need the same CROSSDOCK_SERVICE_KEY")
    return Retryable(f"The gateway answered {status}", after=2.0)
