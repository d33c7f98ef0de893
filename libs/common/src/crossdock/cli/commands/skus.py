"""Commands about SKUs."""

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, say, show

app = typer.Typer(no_args_is_help=True, help="Stock-keeping units.")


@app.command("add")
def sku_add(sku: str, title: str = "") -> None:
    """Make a SKU known; orders that waited for it go on."""
    with one_sentence():
        client().call("POST", "/v1/skus", {"sku": sku, "title": title})
    say(f"SKU {sku} is known.")


@app.command("list")
def sku_list(as_json: AsJson = False) -> None:
    """Known SKUs."""
    with one_sentence():
        show(client().get("/v1/skus"), as_json, views.skus)
