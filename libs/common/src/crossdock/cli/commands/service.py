"""`crossdock channel service`: Crossdock as a fulfillment service of a store, registered and ended."""

from enum import StrEnum
from typing import Annotated

import typer

from crossdock.cli.client import CannotCall
from crossdock.cli.commands.policy import channel_id
from crossdock.cli.terminal import client, one_sentence, say

app = typer.Typer(no_args_is_help=True, help="Crossdock as a fulfillment service of a store.")
Named = Annotated[str, typer.Argument(help="The channel's name or id.")]


class Stock(StrEnum):
    """What becomes of the location of a service that ends, and of its stock."""

    KEEP = "keep"
    TRANSFER = "transfer"
    DELETE = "delete"


WHAT_BECOMES = {
    Stock.KEEP: "its location and stock stay, as the store's own, and its work stays ours",
    Stock.TRANSFER: "its location goes, its stock and open work go to location {to}",
    Stock.DELETE: "its location goes, and its stock with it",
}


@app.command()
def register(
    channel: Named,
    name: Annotated[str | None, typer.Option(help="What the merchant calls it; Crossdock unless given.")] = None,
    only: Annotated[bool, typer.Option("--only", help="Of this store nothing else is ours from now on.")] = False,
) -> None:
    """Register as a fulfillment service of a store; what was registered is found again.

    The store makes a location for it. What the merchant assigns there and requests becomes our work, and is accepted or
    rejected in the store. Without --only, what is ours today stays ours beside it.
    """
    with one_sentence():
        gateway = client()
        done = gateway.call(
            "POST", f"/v1/channels/{channel_id(gateway, channel)}/service", {"name": name, "only": only}
        )
        say(f"{done['name']} is a fulfillment service of {channel}, at its location {done['location']}.")
        others = ", ".join(done["locations"])
        say(f"Ours are also the locations {others}." if others else "Nothing else of this store is ours.")


@app.command()
def unregister(
    channel: Named,
    stock: Annotated[Stock, typer.Option(help="keep, transfer or delete its location's stock.")] = Stock.KEEP,
    to: Annotated[str, typer.Option(help="With transfer: the store's id of the location that gets it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End the fulfillment service of a store."""
    with one_sentence():
        if (stock is Stock.TRANSFER) != bool(to):
            raise CannotCall("Give --to with --stock transfer, and only then.")
        gateway = client()
        found = channel_id(gateway, channel)
        what = WHAT_BECOMES[stock].format(to=to)
        if not yes:
            typer.confirm(f"End the fulfillment service of {channel}? In the store, {what}.", abort=True)
        gateway.call("DELETE", f"/v1/channels/{found}/service", query={"stock": stock.value, "to": to})
        say(f"{channel} has no fulfillment service of ours any more: {what}.")
        if stock is not Stock.KEEP:
            say("Its policy still names that location, so that nothing becomes ours by this: see `channel policy`.")
