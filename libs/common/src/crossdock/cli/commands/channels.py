"""Commands about channels."""

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, show

app = typer.Typer(no_args_is_help=True, help="Connected stores and destinations.")


@app.command("list")
def channel_list(as_json: AsJson = False) -> None:
    """Connected channels, without their secrets."""
    with one_sentence():
        show(client().get("/v1/channels"), as_json, views.channels)
