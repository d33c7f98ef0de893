"""Commands about orders: which there are, and what becomes of one."""

from typing import Annotated, Any

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, named_channel, one_sentence, say, segment, show

app = typer.Typer(no_args_is_help=True, help="Orders.")


def _option(help_: str) -> Any:
    return typer.Option(help=help_)


@app.command("list")
def order_list(
    tab: Annotated[str | None, _option("Only this tab, such as late; `crossdock counts` shows them all.")] = None,
    status: Annotated[str | None, _option("Only this status, such as on_hold.")] = None,
    hold: Annotated[str | None, _option("Only orders with this hold, such as stock.")] = None,
    channel: Annotated[str | None, _option("Only this channel, by its name or id.")] = None,
    sku: Annotated[str | None, _option("Only orders with a line that carries this SKU.")] = None,
    since: Annotated[str | None, _option("Placed at this time or later (ISO 8601, UTC unless it says).")] = None,
    until: Annotated[str | None, _option("Placed before this time.")] = None,
    text: Annotated[str | None, _option("A number, marketplace number, name, e-mail, phone or postcode.")] = None,
    sort: Annotated[str | None, _option("newest, oldest, or due: by ship-by time.")] = None,
    before: Annotated[str | None, _option("Go on after this order, newest first.")] = None,
    after: Annotated[str | None, _option("Go on after this order, oldest or most urgent first.")] = None,
    limit: int = 50,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    with one_sentence():
        filters = {"tab": tab, "status": status, "hold": hold, "sku": sku, "since": since, "until": until, "text": text}
        channel_id = None if channel is None else named_channel(channel)
        pages = {"sort": sort, "before": before, "after": after, "limit": limit}
        show(client().get("/v1/orders", channel=channel_id, **filters, **pages), as_json, views.orders)


@app.command("show")
def order_show(order: str, as_json: AsJson = False) -> None:
    """An order by its number or id: state, reasons, tracking, timeline."""
    with one_sentence():
        show(client().get(f"/v1/orders/{segment(order)}"), as_json, views.order)


@app.command("timeline")
def order_timeline(
    order: str,
    after: Annotated[str | None, _option("Go on after this entry.")] = None,
    limit: int = 100,
    as_json: AsJson = False,
) -> None:
    """What happened to an order, oldest first."""
    with one_sentence():
        found = client().get(f"/v1/orders/{segment(order)}/timeline", after=after, limit=limit)
        show(found, as_json, views.timeline_page)


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


@app.command("bring-in")
def order_bring_in(order: str) -> None:
    """Take an order in that its channel's policy rejects."""
    with one_sentence():
        client().call("POST", f"/v1/orders/{segment(order)}/bring-in")
    say(f"Order {order} is ours.")


@app.command("approve")
def order_approve(order: str) -> None:
    """Let an order go on that waits for an approval, such as one that is very old."""
    with one_sentence():
        client().call("POST", f"/v1/orders/{segment(order)}/approve")
    say(f"Order {order} is approved.")
