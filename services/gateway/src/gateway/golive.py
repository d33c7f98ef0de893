"""Taking a channel live: order-ingest keeps which of its orders become ours, and only then the mode changes.

If this is interrupted between the two, nothing is released, and the call can be repeated.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from crossdock.service.app import Context
from gateway import channels, keys
from gateway.keys import Caller
from gateway.parts import Parts


class Choice(BaseModel):
    """Which of the orders that were only observed become ours: `all`, those placed `since` a time, or those that are
    `named`, by number or id. With `preview`, only how many that would be."""

    model_config = ConfigDict(extra="forbid")

    orders: Literal["all", "since", "named"]
    since: AwareDatetime | None = None
    named: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=1000)] = []
    preview: bool = False


def router(context: Context, parts: Parts) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["channels"])
    person = Depends(keys.required(parts.keys))

    @routes.post("/{channel_id}/go-live")
    async def go_live(channel_id: UUID, choice: Choice, who: Caller = person) -> dict[str, Any]:
        body = choice.model_dump(mode="json")
        said: dict[str, Any] = await parts.proxy.ask("order-ingest", f"/channels/{channel_id}/go-live", body, who)
        if not choice.preview:
            async with context.transaction() as tx:
                await channels.go_live(tx, channel_id)
            await parts.directory.changed()
        return said

    return routes
