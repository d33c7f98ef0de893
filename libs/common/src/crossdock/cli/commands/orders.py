"""Commands about one order."""

from typing import Annotated

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


@app.command("assign")
def order_assign(
    order: str, line: str, sku: str, quantity: Annotated[int, typer.Option(min=1, max=10_000)] = 1
) -> None:
    """Say which SKU a line is (its position or id) that waits for one; for all orders there is `mapping set`."""
    with one_sentence():
        order_id = client().get(f"/v1/orders/{segment(order)}")["order_id"]
        path = f"/v1/orders/{order_id}/match/lines/{segment(line)}"
        answer = client().call("PUT", path, {"sku": sku, "quantity": quantity})
    say("The order goes on." if answer["matched"] else "Other lines of the order still wait: crossdock order show.")
