"""Commands about channels: connect a store, change and test it, see how it is connected, reset and disconnect it."""

import os
import webbrowser
from typing import Annotated, Any

import typer

from crossdock.channels.destinations import ROLE, ships
from crossdock.cli import views
from crossdock.cli.client import CannotCall, Client
from crossdock.cli.commands.policy import channel_id
from crossdock.cli.terminal import AsJson, client, one_sentence, say, show

app = typer.Typer(no_args_is_help=True, help="Connected stores and destinations.")
Named = Annotated[str, typer.Argument(help="The channel's name or id.")]


@app.command("list")
def channel_list(as_json: AsJson = False) -> None:
    """Connected channels, without their secrets, and what is wrong with them."""
    with one_sentence():
        show(client().get("/v1/channels"), as_json, views.channels)


@app.command()
def connect(
    kind: Annotated[str, typer.Argument(help="The kind of channel, such as shopify.")],
    shop: Annotated[str, typer.Option(help="The store's own domain, such as example.myshopify.com.")],
    by: Annotated[str, typer.Option(help="approval (the merchant's), client_credentials or token.")] = "approval",
    name: Annotated[str | None, typer.Option(help="What to call it; the shop's name unless given.")] = None,
    client_id: Annotated[str | None, typer.Option(help="The app's client id.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where it is called, if not at its own domain.")] = None,
    destination: Annotated[
        str | None,
        typer.Option(help="The warehouse that ships its orders, by name or id; needed where there are several."),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the approval page in a browser.")] = False,
) -> None:
    """Connect a store. It begins to observe: it imports and explains, and sends nothing.

    Secrets are never arguments: they are asked for, or read from CROSSDOCK_CLIENT_SECRET, CROSSDOCK_ACCESS_TOKEN and
    CROSSDOCK_WEBHOOK_SECRET.
    """
    with one_sentence():
        gateway = client()
        about: dict[str, Any] = {"kind": kind, "shop": shop, "name": name or shop.partition(".")[0]}
        about |= {"base_url": base_url, "settings": _settings(gateway, destination)}
        if by == "approval":
            app_of = {"client_id": _client_id(client_id), "client_secret": _secret("client secret")}
            link = gateway.call("POST", "/v1/channels/authorize", about | app_of)
            return _hand_out(link, open_page)
        if by == "client_credentials":
            secrets = {"client_secret": _secret("client secret")}
            about |= {"access_by": by, "client_id": _client_id(client_id)}
        elif by == "token":
            secrets = {"access_token": _secret("access token"), "webhook_secret": _secret("webhook secret")}
        else:
            raise CannotCall(f"{by} is no way to connect: choose approval, client_credentials or token.")
        made = gateway.call("POST", "/v1/channels", about | {"secrets": secrets})
        say(f"{made['name']} is connected and observes.")
        return show(gateway.call("POST", f"/v1/channels/{made['id']}/repair"), False, views.check)


@app.command()
def change(
    channel: Named,
    name: Annotated[str | None, typer.Option(help="What to call it from now on.")] = None,
    destination: Annotated[
        str | None,
        typer.Option(help="The warehouse that ships its orders, by name or id; blank: the only one there is."),
    ] = None,
) -> None:
    """Change what a channel is called, and which warehouse ships its orders. What was requested of another one stays
    there."""
    with one_sentence():
        if name is None and destination is None:
            raise CannotCall("Say what to change: give --name or --destination.")
        gateway = client()
        changed = {"settings": _settings(gateway, destination)} | ({} if name is None else {"name": name})
        made = gateway.call("PATCH", f"/v1/channels/{channel_id(gateway, channel)}", changed)
        say(f"{made['name']} is changed.")


@app.command()
def authorize(
    channel: Named,
    open_page: Annotated[bool, typer.Option("--open", help="Open the approval page in a browser.")] = False,
) -> None:
    """Let the merchant approve the app of a connected store again, for new tokens or more access scopes."""
    with one_sentence():
        gateway = client()
        _hand_out(gateway.call("POST", f"/v1/channels/{channel_id(gateway, channel)}/authorize"), open_page)


@app.command("show")
def channel_show(channel: Named, as_json: AsJson = False) -> None:
    """How a channel is connected: its access, its last check, its webhooks, and what was repaired."""
    with one_sentence():
        gateway = client()
        show(gateway.get(f"/v1/channels/{channel_id(gateway, channel)}/connection"), as_json, views.connection)


@app.command("test")
def channel_test(
    channel: Named,
    repair: Annotated[bool, typer.Option(help="Also subscribe to the webhooks that it lacks.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a channel what it lets us do: what was tried, what it answered, what is missing. Exits with 1 unless all is
    well."""
    with one_sentence():
        gateway = client()
        what = "repair" if repair else "test"
        report = gateway.call("POST", f"/v1/channels/{channel_id(gateway, channel)}/{what}")
        show(report, as_json, views.check)
    raise typer.Exit(0 if report["ok"] else 1)


@app.command()
def reset(channel: Named, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Begin with a channel anew: renew its tokens, subscribe to its webhooks again, and read its orders from the time
    when it was connected. Orders, listings, stock, settings, pasted secrets and the mode stay."""
    with one_sentence():
        gateway = client()
        found = channel_id(gateway, channel)
        if not yes:
            typer.confirm(f"Renew access and webhooks of {channel}, and read its orders again?", abort=True)
        done = gateway.call("POST", f"/v1/channels/{found}/reset")
        say(f"{channel} begins anew (reset {done['resets']}): {done['subscriptions_removed']} subscriptions removed.")
        if done["report"] is not None:
            show(done["report"], False, views.check)


@app.command()
def disconnect(channel: Named, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Disconnect a channel: its webhook subscriptions, our fulfillment service there and its secrets go, its orders
    stay."""
    with one_sentence():
        gateway = client()
        found = channel_id(gateway, channel)
        if not yes:
            typer.confirm(f"Disconnect {channel} and forget its secrets?", abort=True)
        done = gateway.call("DELETE", f"/v1/channels/{found}")
        say(f"{channel} is disconnected.")
        if done["left"]:
            say(done["left"])


def _settings(gateway: Client, destination: str | None) -> dict[str, Any]:
    """The settings by which a warehouse ships a channel's orders: none unless one is named, null where a blank is.
    Raises CannotCall for what is no warehouse."""
    if not destination:
        return {} if destination is None else {"destination": None}
    found = gateway.get(f"/v1/channels/{channel_id(gateway, destination)}")
    if not ships(found["settings"]):
        raise CannotCall(f"{destination} ships nothing: name a channel whose settings say role: {ROLE}.")
    return {"destination": found["id"]}


def _hand_out(link: dict[str, Any], open_page: bool) -> None:
    say(f"The app must allow this redirect URL: {link['redirect_uri']}")
    say(f"Let the merchant open this page and approve, until {views.moment(link['expires_at'])} UTC:")
    say(link["url"])
    if open_page and not webbrowser.open(link["url"]):
        say("No browser could be opened here.")


def _client_id(given: str | None) -> str:
    found = given or os.environ.get("CROSSDOCK_CLIENT_ID", "")
    if not found:
        raise CannotCall("Give the app's client id with --client-id or CROSSDOCK_CLIENT_ID.")
    return found


def _secret(what: str) -> str:
    """A secret from the environment, or typed unseen."""
    return os.environ.get(f"CROSSDOCK_{what.upper().replace(' ', '_')}") or str(typer.prompt(what, hide_input=True))
