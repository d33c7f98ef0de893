"""How replies look in a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crossdock.local.supervisor import Status
from crossdock.messaging.topology import Change

STATUS_STYLES = {
    "shipped": "green",
    "delivered": "green",
    "partially_shipped": "cyan",
    "outstanding": "cyan",
    "on_hold": "yellow",
    "waiting": "blue",
    "cancelled": "dim",
    "record_only": "dim",
    "rejected": "dim",
    "cancelled_shipped_anyway": "red",
}


def table_of(*columns: str, title: str | None = None) -> Table:
    """An empty table in the one style."""
    table = Table(title=title, box=None, header_style="bold", pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def status_value(local: Status, remote: Any) -> dict[str, Any]:
    """What `crossdock status --json` prints."""
    return {"local": asdict(local), "services": (remote or {}).get("services", [])}


def status(console: Console, value: dict[str, Any]) -> None:
    """Processes and services."""
    local = value["local"]
    console.print(f"Crossdock is {local['phase']}." + (f" {local['failure']}" if local["failure"] else ""))
    if local["processes"]:
        table = table_of("process", "state", "pid", "restarts", "url")
        for process in local["processes"]:
            restarts = str(process["restarts"] or "")
            table.add_row(process["name"], process["state"], str(process["pid"] or ""), restarts, process["url"] or "")
        console.print(table)
    if value["services"]:
        table = table_of("service", "ready", "outbox", "scheduled", "parked", "why not")
        for service in value["services"]:
            counts = [str(service.get(name, "")) for name in ("outbox", "scheduled", "parked")]
            why = "; ".join(f"{k}: {v}" for k, v in (service.get("unready") or {}).items())
            table.add_row(service["name"], "yes" if service["ready"] else "no", *counts, why)
        console.print(table)


def orders(console: Console, page: dict[str, Any]) -> None:
    """The list of orders."""
    table = table_of("order", "channel", "placed", "status", "why")
    for order in page["orders"]:
        placed = moment(order["placed_at"] or "")
        table.add_row(
            order["number"],
            order["channel"] or order["channel_kind"],
            placed,
            styled(order["status"]),
            sentences(order),
        )
    console.print(table)
    if page.get("next"):
        console.print(f"More: --before {page['next']}, or --after with another order than newest first", style="dim")


def privacy_requests(console: Console, page: dict[str, Any]) -> None:
    """Requests about people."""
    table = table_of("request", "channel", "kind", "asked by", "orders", "state", "requested")
    for one in page["requests"]:
        who = one["asked_by"] or one["source"]
        about = (one["request_id"], escape(one["channel"] or ""), one["kind"], escape(who), str(one["orders"]))
        table.add_row(*about, one["state"], moment(one["requested_at"]))
    console.print(table)
    if page.get("next"):
        console.print(f"More: --before {page['next']}", style="dim")


def privacy_request(console: Console, one: dict[str, Any]) -> None:
    """One request and its proof."""
    console.print(f"{one['kind']} of {one['orders']} orders: [bold]{one['state']}[/]")
    table = table_of("service", "what", "searched", "removed from")
    for service, found in one.get("services", {}).items():
        for what, searched in found["searched"].items():
            table.add_row(service, what, str(searched), str(found["removed"].get(what, 0)))
    if table.row_count:
        console.print(table)
    if ended := one.get("files_ended"):
        console.print(f"Files of orders that were forgotten before they were imported: {ended}.")
    if remaining := one.get("remaining"):
        console.print(f"Of {remaining['orders']} orders, {remaining['recipients']} still have personal data.")


def counts(console: Console, found: dict[str, Any]) -> None:
    """Orders by tab, one row for each channel."""
    tabs = list(found["tabs"])
    table = table_of("channel", *(tab.replace("_", " ") for tab in tabs))
    for channel in found["channels"]:
        table.add_row(escape(channel["channel"]), *(str(channel["tabs"][tab]) for tab in tabs))
    table.add_row("all channels", *(str(found["tabs"][tab]) for tab in tabs), style="bold")
    console.print(table)


def order(console: Console, order: dict[str, Any]) -> None:
    """One order with its reasons, its parcels and its timeline."""
    totals = order["totals"]
    console.print(f"[bold]Order {order['number']}[/] {styled(order['status'])}  {totals['total']} {totals['currency']}")
    if totals["difference_reason"]:
        console.print(f"  Its parts differ by {totals['difference']}: {escape(totals['difference_reason'])}")
    if rejection := order.get("rejection"):
        console.print(f"  [dim]Not ours: {escape(rejection['sentence'])}. {escape(rejection['next_action'])}[/]")
    for hold in order["holds"]:
        console.print(f"  [yellow]{escape(hold['sentence'])}[/]. {escape(hold['next_action'])} ({hold['actor']})")
    lines = table_of("line", "sku", "title", "ordered", "wanted")
    for line in order["lines"]:
        quantities = (str(line["quantity"]), str(line["wanted"]))
        title = f"{line['title']} (in {line['bundle']})" if line["bundle"] else line["title"]
        lines.add_row(str(line["position"]), escape(line["sku"]) or "—", escape(title), *quantities)
    console.print(lines)
    for parcel in parcels(order):
        told = parcel["write_back"]["state"]
        tracking = f"{parcel['carrier']} {parcel['tracking_number']}".strip() or "no tracking"
        console.print(f"  parcel {escape(parcel['package_ref'])}: {escape(tracking)} (told to the channel: {told})")
    if tag := order.get("tag"):
        console.print(f"  tag {escape(tag['text'])} (in the channel: {tag['state']})")
    timeline(console, order["timeline"])
    further(console, order["order_id"], order["timeline_next"])


def parcels(order: dict[str, Any]) -> list[dict[str, Any]]:
    """The packages of an order's shipments that were not voided."""
    return [package for shipment in order["shipments"] if not shipment["voided"] for package in shipment["packages"]]


def sentences(order: dict[str, Any]) -> str:
    """Why an order waits."""
    why = [hold["sentence"] for hold in order["holds"]]
    if rejection := order.get("rejection"):
        why.append(rejection["sentence"])
    return escape("; ".join(why))


def timeline(console: Console, entries: Sequence[dict[str, Any]]) -> None:
    """What happened to an order, oldest first."""
    table = table_of("time", "source", "what happened", "cause", title="Timeline")
    for entry in entries:
        table.add_row(moment(entry["at"]), entry["source"], escape(entry["sentence"]), (entry["cause"] or "")[-12:])
    console.print(table)


def timeline_page(console: Console, page: dict[str, Any]) -> None:
    """A page of an order's timeline, and how the next one is asked for."""
    timeline(console, page["timeline"])
    further(console, page["order_id"], page["next"])


def further(console: Console, order_id: str, after: str | None) -> None:
    """Where a timeline goes on, if it does."""
    if after:
        console.print(f"There may be more: crossdock order timeline {order_id} --after {after}", soft_wrap=True)


def stock(console: Console, levels: Sequence[dict[str, Any]]) -> None:
    """Stock levels."""
    table = table_of("sku", "location", "on hand", "reserved", "available")
    for level in levels:
        counts = (str(level[name]) for name in ("on_hand", "reserved", "available"))
        table.add_row(level["sku"], level["location"], *counts)
    console.print(table)


def skus(console: Console, found: Sequence[dict[str, Any]]) -> None:
    """Known SKUs."""
    table = table_of("sku", "title")
    for sku in found:
        table.add_row(sku["sku"], sku["title"])
    console.print(table)


def mappings(console: Console, found: dict[str, Any]) -> None:
    """What listings are tied to."""
    table = table_of("listing", "title", "its own SKU", "is", "by")
    for one in found["mappings"]:
        what = f"{one['quantity']} of {one['sku']}"
        table.add_row(one["listing_id"], one["title"] or "", one["listing_sku"] or "", what, one["changed_by"])
    console.print(table)


def channels(console: Console, found: Sequence[dict[str, Any]]) -> None:
    """Channels."""
    table = table_of("channel", "kind", "mode", "state", "problems", "id")
    for channel in found:
        problems = escape("; ".join(channel["problems"]))
        table.add_row(channel["name"], channel["kind"], channel["mode"], channel["state"], problems, channel["id"])
    console.print(table)


def check(console: Console, report: dict[str, Any]) -> None:
    """What a check of a channel found, step by step."""
    for step in report.get("steps", ()):
        mark = "[green]ok[/]     " if step["ok"] else "[yellow]not ok[/] "
        console.print(f"{mark} {step['what']}: {escape(step['says'])}", soft_wrap=True)


def connection(console: Console, value: dict[str, Any]) -> None:
    """How a channel is connected."""
    ways = {"approval": "its merchant's approval", "client_credentials": "the app's credentials", "token": "a token"}
    console.print(f"Access by {ways[value['access_by']]}, granted {moment(value['authorized_at'])} UTC")
    if value["token_expires_at"]:
        console.print(f"The token ends {moment(value['token_expires_at'])} UTC and is renewed before")
    if value["checked_at"]:
        console.print(f"Checked {moment(value['checked_at'])} UTC, next {moment(value['check_due_at'] or '')} UTC")
    else:
        console.print("Not checked yet")
    if service := value.get("fulfillment_service"):
        place = f"registered, location {service['location']}" if service.get("location") else "not registered yet"
        console.print(f"Fulfillment service {escape(service['name'])}: {place}", soft_wrap=True)
    check(console, value["report"])
    for one in value["repairs"]:
        topics = ", ".join(one["topics"])
        console.print(f"Repaired {moment(one['at'])} UTC: subscribed anew to {topics}", soft_wrap=True)


def parked(console: Console, found: Sequence[dict[str, Any]]) -> None:
    """Parked messages."""
    table = table_of("id", "service", "handler", "type", "reason", "parked")
    for row in found:
        table.add_row(
            row["id"], row["service"], row["handler"], row["type"], escape(row["reason"]), moment(row["parked_at"])
        )
    console.print(table if found else "Nothing is parked.")


def changes(console: Console, found: Sequence[Change]) -> None:
    """Steps between the broker as it is and as it should be."""
    for change in found:
        console.print(str(change), markup=False, highlight=False)
    if not found:
        console.print("The broker is as it should be.")


def styled(status: str) -> str:
    """A status in its colour."""
    style = STATUS_STYLES.get(status, "white")
    return f"[{style}]{status}[/]"


def moment(text: str) -> str:
    """A time to the second."""
    return text.replace("T", " ")[:19]
