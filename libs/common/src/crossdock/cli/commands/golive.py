"""`crossdock channel go-live`: shows what becomes ours, asks, and takes the channel live."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from crossdock.cli.client import CannotCall
from crossdock.cli.commands.policy import channel_id
from crossdock.cli.terminal import client, one_sentence, say


def go_live(
    channel: Annotated[str, typer.Argument(help="The channel's name or id.")],
    since: Annotated[datetime | None, typer.Option(help="Only orders placed since then (UTC).")] = None,
    order: Annotated[list[str] | None, typer.Option(help="Only this order, by number or id; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a channel live; of the orders that were only observed all become ours, unless you say which."""
    with one_sentence():
        if since is not None and order:
            raise CannotCall("Give either --since or --order, not both.")
        gateway = client()
        path = f"/v1/channels/{channel_id(gateway, channel)}/go-live"
        choice: dict[str, Any] = {"orders": "all"}
        if since is not None:
            choice = {"orders": "since", "since": since.replace(tzinfo=since.tzinfo or UTC).isoformat()}
        elif order:
            choice = {"orders": "named", "named": order}
        counts = gateway.call("POST", path, choice | {"preview": True})
        say(f"{counts['becomes_ours']} open orders become ours, {counts['left_out']} are left out.")
        if not yes and not typer.confirm(f"Take {channel} live?"):
            return say("Nothing was changed.")
        gateway.call("POST", path, choice)
        return say(f"{channel} is live.")
