"""Commands about stock."""

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, segment, show

app = typer.Typer(no_args_is_help=True, help="Stock on the shelf.")


@app.command("set")
def stock_set(sku: str, on_hand: int, as_json: AsJson = False) -> None:
    """Set what is on hand by a count made now."""
    with one_sentence():
        level = client().call("PUT", f"/v1/stock/{segment(sku)}", {"on_hand": on_hand})
        show([level], as_json, views.stock)


@app.command("list")
def stock_list(sku: str | None = None, as_json: AsJson = False) -> None:
    """Stock by SKU."""
    with one_sentence():
        show(client().get("/v1/stock", sku=sku), as_json, views.stock)
