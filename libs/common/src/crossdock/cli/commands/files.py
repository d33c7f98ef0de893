"""Orders from files, and one order typed by hand."""

import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from crossdock.cli.client import CannotCall, Client
from crossdock.cli.terminal import AsJson, client, console, one_sentence, say, segment, show
from crossdock.cli.views import table_of

app = typer.Typer(no_args_is_help=True, help="Files of orders: import one, and see what became of it.")
WORKING = ("uploading", "checking", "importing")
LOOK_SECONDS = 0.5
ERRORS_SHOWN = 20
FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV, see the template.")
]


@app.command("import")
def import_file(
    file: FileArgument,
    channel: Annotated[str, typer.Option(help="A channel of kind manual, by name or id.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what each row would come to.")] = False,
    encoding: Annotated[str, typer.Option(help="Where it is not recognised, such as windows-1250.")] = "",
    result: Annotated[Path | None, typer.Option(help="Write what each row came to into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file of orders row by row, then import what is right. The same file again creates nothing new."""
    with one_sentence():
        gateway = client()
        query = {"channel": channel, "name": file.name, "encoding": encoding}
        found = _until_done(gateway, gateway.upload("/v1/imports", file, query), quiet=as_json)
        if not dry_run and found["state"] == "checked":
            path = f"/v1/imports/{found['import_id']}/start"
            found = _until_done(gateway, gateway.call("POST", path, {"sha256": found["sha256"]}), quiet=as_json)
        if result is not None:
            result.write_bytes(gateway.download(f"/v1/imports/{found['import_id']}/result"))
        rows = f"/v1/imports/{found['import_id']}/rows"
        wrong = gateway.get(rows, outcome="error", limit=ERRORS_SHOWN)["rows"]
        show(found | {"wrong": wrong}, as_json, outcome)
    good = "checked" if dry_run else "finished"
    raise typer.Exit(0 if found["state"] == good and not found["errors"] else 1)


@app.command("template")
def template(file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("orders.csv")) -> None:
    """Write the template of a file of orders."""
    with one_sentence():
        file.write_bytes(client().download("/v1/imports/template"))
    say(f"{file} holds the columns and an example.")


@app.command("imports")
def list_imports(as_json: AsJson = False) -> None:
    """Files that were imported, newest first."""
    with one_sentence():
        show(client().get("/v1/imports"), as_json, imports)


def create(
    channel: Annotated[str, typer.Option(help="A channel of kind manual, by name or id; not with --file.")] = "",
    file: Annotated[Path | None, typer.Option("--file", "-f", exists=True, dir_okay=False, help="JSON.")] = None,
    line: Annotated[list[str] | None, typer.Option(help="SKU:QUANTITY or SKU:QUANTITY:PRICE; repeat it.")] = None,
    field: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, such as city=Cork; repeat it.")] = None,
    key: Annotated[str, typer.Option(help="The same key gives the same order, however often it is sent.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create one order, from a file or from --line and --set with the fields of the template."""
    with one_sentence():
        order = order_in(file, channel, line or [], field or [])
        made = client().call("POST", "/v1/orders", order, headers={"idempotency-key": key} if key else None)
        show(made, as_json, lambda _, reply: say(f"Order {reply['number']} is {reply['status']}."))


def cancel(order: str) -> None:
    """Cancel an order that came from a file or a person."""
    with one_sentence():
        client().call("POST", f"/v1/orders/{segment(order)}/cancel")
    say(f"Order {order} is cancelled.")


def order_in(file: Path | None, channel: str, lines: list[str], fields: list[str]) -> Any:
    """An order as the API takes it. Raises CannotCall."""
    order: dict[str, Any] = {}
    if file is not None:
        try:
            order = orjson.loads(file.read_bytes())
        except orjson.JSONDecodeError:
            raise CannotCall(f"{file.name} is no JSON.") from None
        if not isinstance(order, dict):
            raise CannotCall(f"{file.name} holds no order.")
    for pair in fields:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CannotCall("--set takes NAME=VALUE, such as city=Cork.")
        order[name.strip()] = value
    if lines:
        order["lines"] = [line_in(one) for one in lines]
    return order | ({"channel": channel} if channel else {})


def line_in(text: str) -> dict[str, str]:
    """A line as it is typed: SKU, quantity, and perhaps a price. The SKU itself may hold colons. Raises CannotCall."""
    sku, _, rest = text.rpartition(":")
    before, colon, quantity = sku.rpartition(":")
    if colon and quantity.strip().isdigit():
        return {"sku": before, "quantity": quantity, "unit_price": rest}
    if not sku:
        raise CannotCall("--line takes SKU:QUANTITY, such as SHIRT-M:2.")
    return {"sku": sku, "quantity": rest}


def _until_done(gateway: Client, found: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Wait until the hub has gone through the file, and tell how far it is."""
    with console.status("") as line:
        while found["state"] in WORKING:
            if not quiet:
                line.update(f"{found['state']}: {found['done']:.0%}, {found['orders']} orders")
            time.sleep(LOOK_SECONDS)
            found = gateway.get(f"/v1/imports/{found['import_id']}")
    return found


def outcome(console: Console, found: dict[str, Any]) -> None:
    """What became of a file."""
    console.print(f"[bold]{escape(found['file_name'])}[/] {found['state']} ({found['import_id']})")
    if found["problem"]:
        console.print(escape(found["problem"]))
    if found["ignored_columns"]:
        console.print(f"Not in the template, and ignored: {escape(', '.join(found['ignored_columns']))}")
    new = f"{found['created']} created" if found["created"] else f"{found['will_create']} new"
    rows = f"{found['rows']} rows, {found['orders']} orders"
    console.print(f"{rows}: {new}, {found['duplicates']} there already, {found['errors']} wrong")
    if found["wrong"]:
        table = table_of("row", "order", "column", "reason")
        for row in found["wrong"]:
            table.add_row(str(row["row"]), escape(row["order_number"]), row["field"], escape(row["reason"]))
        console.print(table)


def imports(console: Console, page: dict[str, Any]) -> None:
    """The list of files."""
    table = table_of("file", "channel", "given", "state", "created", "there", "wrong", "id")
    for one in page["imports"]:
        counts = (str(one[name]) for name in ("created", "duplicates", "errors"))
        given = one["created_at"].replace("T", " ")[:19]
        table.add_row(escape(one["file_name"]), one["channel"], given, one["state"], *counts, one["import_id"])
    console.print(table)
