"""Commands about people's data: ask for an export or a redaction, follow it, and read its proof."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, named_channel, one_sentence, say, show

app = typer.Typer(no_args_is_help=True, help="Exports and redaction of personal data (admins).")
Channel = Annotated[str, typer.Option(help="The channel, by its name or id.")]
Orders = Annotated[list[str] | None, typer.Option("--order", help="The channel's own id of an order; repeat it.")]


@app.command("redact")
def privacy_redact(channel: Channel, order: Orders = None, email: str = "", phone: str = "") -> None:
    """Remove a customer's personal data for good: that of these orders, and of whoever has this e-mail or phone."""
    _ask("redact_customer", channel, order, email, phone)


@app.command("export")
def privacy_export(channel: Channel, order: Orders = None, email: str = "", phone: str = "") -> None:
    """Ask for all that is stored of a customer; `crossdock privacy download` writes it to a file."""
    _ask("export", channel, order, email, phone)


def _ask(kind: str, channel: str, orders: list[str] | None, email: str, phone: str) -> None:
    with one_sentence():
        body = {"kind": kind, "channel": named_channel(channel), "external_ids": orders or [], "email": email}
        found = client().call("POST", "/v1/privacy/requests", body | {"phone": phone})
    say(f"Asked: {found['request_id']}. Follow it: crossdock privacy show {found['request_id']}.")


@app.command("list")
def privacy_list(before: str | None = None, limit: int = 50, as_json: AsJson = False) -> None:
    """Requests, newest first: those of channels, of people, and of the clock."""
    with one_sentence():
        show(client().get("/v1/privacy/requests", before=before, limit=limit), as_json, views.privacy_requests)


@app.command("show")
def privacy_show(request: str, as_json: AsJson = False) -> None:
    """One request with its proof: what was searched, what was removed where, and what remains."""
    with one_sentence():
        show(client().get(f"/v1/privacy/requests/{request}"), as_json, views.privacy_request)


@app.command("download")
def privacy_download(request: str, file: Path) -> None:
    """Write an export to a file that only you can read (- for standard output)."""
    with one_sentence():
        content = client().download(f"/v1/privacy/requests/{request}/export")
        if str(file) == "-":
            sys.stdout.buffer.write(content)
            return
        file.touch(mode=0o600)
        file.write_bytes(content)
    say(f"Written to {file}. It is personal data: hand it over, then delete it.")
