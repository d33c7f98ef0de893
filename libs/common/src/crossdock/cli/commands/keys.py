"""Commands about the keys that seal stored credentials."""

import secrets
from base64 import b64encode
from typing import Any

import typer
from rich.console import Console

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, console, one_sentence, say, show

app = typer.Typer(no_args_is_help=True, help="Keys that seal stored credentials.")


@app.command()
def new(name: str) -> None:
    """Print a new key as CROSSDOCK_SEALING_KEYS takes it; it is stored nowhere."""
    key = b64encode(secrets.token_bytes(32)).decode()
    console.print(f"{name}:{key}", markup=False, highlight=False, soft_wrap=True)


@app.command("show")
def keys_show(as_json: AsJson = False) -> None:
    """Which key seals, and how many secrets each key has sealed."""
    with one_sentence():
        show(client().get("/v1/sealing-keys"), as_json, table)


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Seal every stored secret with the first key of CROSSDOCK_SEALING_KEYS. Exits with 1 while another is needed."""
    with one_sentence():
        found = client().call("POST", "/v1/sealing-keys/rotate")
        show(found, as_json, table)
    others = sorted(set(found["sealed"]) - {found["current"]})
    if others:
        say(f"Still needed: {', '.join(others)}. Roll the new key out to every gateway first, then rotate again.")
        raise typer.Exit(1)
    say(f"Every secret is sealed with {found['current']}; other keys can go.")


def table(out: Console, value: dict[str, Any]) -> None:
    """Keys and what they sealed."""
    rows = views.table_of("key", "seals", "secrets")
    for key, number in (value["sealed"] or {value["current"]: 0}).items():
        rows.add_row(key, "yes" if key == value["current"] else "", str(number))
    out.print(rows)
