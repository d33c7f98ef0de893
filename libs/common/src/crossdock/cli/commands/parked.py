"""Commands about messages that could not be handled."""

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, say, show

app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")


@app.command("list")
def parked_list(service: str | None = None, state: str = "parked", as_json: AsJson = False) -> None:
    """Parked messages of every service, or of one."""
    with one_sentence():
        gateway = client()
        names = [service] if service else [entry["name"] for entry in gateway.get("/v1/status")["services"]]
        found = [
            {"service": name} | row for name in names for row in gateway.get(f"/v1/services/{name}/parked", state=state)
        ]
        show(found, as_json, views.parked)


@app.command("show")
def parked_show(service: str, parked_id: str) -> None:
    """One parked message, whole."""
    with one_sentence():
        show(client().get(f"/v1/services/{service}/parked/{parked_id}"), True, None)


@app.command("edit")
def parked_edit(service: str, parked_id: str, file: typer.FileText) -> None:
    """Replace a parked message's body with a file's content (- for standard input)."""
    with one_sentence():
        client().call("PUT", f"/v1/services/{service}/parked/{parked_id}/body", {"body": file.read()})
    say("Edited. Replay it with: crossdock parked replay.")


@app.command("replay")
def parked_replay(service: str, parked_id: str) -> None:
    """Send a parked message to its handler once more."""
    with one_sentence():
        client().call("POST", f"/v1/services/{service}/parked/{parked_id}/replay")
    say("Sent.")


@app.command("discard")
def parked_discard(service: str, parked_id: str) -> None:
    """Give a parked message up; it stays readable."""
    with one_sentence():
        client().call("POST", f"/v1/services/{service}/parked/{parked_id}/discard")
    say("Discarded.")
