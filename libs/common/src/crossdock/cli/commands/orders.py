"""Commands about one order."""

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, say, segment, show

app = typer.Typer(no_args_is_help=True, help="One order.")


@app.command("show")
def order_show(order: str, as_json: AsJson = False) -> None:
    """An order by its number or id: state, reasons, tracking, timeline."""
    with one_sentence():
        show(client().get(f"/v1/orders/{segment(order)}"), as_json, views.order)


@app.command("retry")
def order_retry(order: str) -> None:
    """Ask the destination again after it rejected a request."""
    with one_sentence():
        client().call("POST", f"/v1/orders/{segment(order)}/retry")
    say(f"Order {order} goes on.")
