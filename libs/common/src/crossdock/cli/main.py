"""`crossdock`: every command. A failure is one sentence on stderr and a non-zero exit."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from crossdock.cli import setup, views
from crossdock.cli.client import CannotCall, Client, saved
from crossdock.cli.setup import SettingMissing
from crossdock.cli.stack import make_stack, with_broker_credentials
from crossdock.local import files, supervisor
from crossdock.local.packages import PackagesUnavailable
from crossdock.local.processes import StartFailed
from crossdock.messaging.failures import explain
from crossdock.messaging.topology import ManagementAway

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
order_app = typer.Typer(no_args_is_help=True, help="One order.")
stock_app = typer.Typer(no_args_is_help=True, help="Stock on the shelf.")
sku_app = typer.Typer(no_args_is_help=True, help="Stock-keeping units.")
parked_app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
topology_app = typer.Typer(no_args_is_help=True, help="Exchanges, queues and bindings.")
channel_app = typer.Typer(no_args_is_help=True, help="Connected stores and destinations.")
for name, sub in (("order", order_app), ("stock", stock_app), ("sku", sku_app), ("parked", parked_app),
                  ("topology", topology_app), ("channel", channel_app)):  # fmt: skip
    app.add_typer(sub, name=name)

console = Console()
problems = Console(stderr=True, soft_wrap=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Known = (CannotCall, SettingMissing, StartFailed, PackagesUnavailable, ManagementAway, supervisor.AlreadyRunning)


def run_dir() -> Path:
    """Where this installation keeps its data: `.run` in the current folder, unless CROSSDOCK_RUN_DIR says otherwise."""
    return Path(os.environ.get("CROSSDOCK_RUN_DIR", ".run")).absolute()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Tell a known failure as one sentence, and exit with 1."""
    try:
        yield
    except (DBAPIError, OSError) as problem:
        # Never the statement: it may hold a password.
        why = explain(problem)
        problems.print(f"Postgres did not do what it was asked ({why}): check its URL and the rights of its role.")
        raise typer.Exit(1) from None
    except Known as problem:
        problems.print(str(problem), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


def show(value: Any, as_json: bool, table: Any) -> None:
    """Print a reply as JSON or as its table."""
    if as_json:
        sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")
    else:
        table(console, value)


def say(sentence: str) -> None:
    """Tell what is going on."""
    console.print(sentence, markup=False, highlight=False)


@app.command()
def up(sandbox: Annotated[bool, typer.Option(help="Also start a simulated store and warehouse.")] = False) -> None:
    """Start everything on this machine, detached."""
    with one_sentence():
        stack = make_stack(run_dir(), say, sandbox=sandbox)
        supervisor.start(stack.stages(), run_dir())
        files.write_json(run_dir() / "client.json", stack.client(), private=True)
    say(f"Crossdock runs at {stack.gateway_url}. Look: crossdock status. Stop: make down.")


@app.command()
def down() -> None:
    """Stop what `up` or `demo` started; data stays in .run."""
    with one_sentence():
        stopped = supervisor.stop(run_dir())
    say("Stopped." if stopped else "Nothing was running.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs, whether it is ready, and what waits for a person."""
    with one_sentence():
        local = supervisor.status(run_dir())
        remote = Client(run_dir()).get("/v1/status") if local.phase in ("up", "down") and _reachable() else None
        show(views.status_value(local, remote), as_json, views.status)
    if local.phase == "failed":
        raise typer.Exit(1)


def _reachable() -> bool:
    try:
        saved(run_dir())
    except CannotCall:
        return False
    return supervisor.status(run_dir()).phase == "up" or "CROSSDOCK_URL" in os.environ


@app.command()
def demo() -> None:
    """From nothing to orders shipped before your eyes; DEMO_EXIT=1 stops everything at the end."""
    from crossdock.cli.demo import run_demo

    with one_sentence():
        passed = run_demo(run_dir(), console)
    raise typer.Exit(0 if passed else 1)


@app.command()
def orders(
    status: Annotated[str | None, typer.Option(help="Only this status, such as on_hold.")] = None,
    hold: Annotated[str | None, typer.Option(help="Only orders with this hold, such as stock.")] = None,
    limit: int = 50,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    with one_sentence():
        show(Client(run_dir()).get("/v1/orders", status=status, hold=hold, limit=limit), as_json, views.orders)


@order_app.command("show")
def order_show(order: str, as_json: AsJson = False) -> None:
    """An order by its number or id: state, reasons, tracking, timeline."""
    with one_sentence():
        show(Client(run_dir()).get(f"/v1/orders/{_segment(order)}"), as_json, views.order)


@order_app.command("retry")
def order_retry(order: str) -> None:
    """Ask the destination again after it rejected a request."""
    with one_sentence():
        Client(run_dir()).call("POST", f"/v1/orders/{_segment(order)}/retry")
    say(f"Order {order} goes on.")


@stock_app.command("set")
def stock_set(sku: str, on_hand: int, as_json: AsJson = False) -> None:
    """Set what is on hand by a count made now."""
    with one_sentence():
        level = Client(run_dir()).call("PUT", f"/v1/stock/{_segment(sku)}", {"on_hand": on_hand})
        show([level], as_json, views.stock)


@stock_app.command("list")
def stock_list(sku: str | None = None, as_json: AsJson = False) -> None:
    """Stock by SKU."""
    with one_sentence():
        show(Client(run_dir()).get("/v1/stock", sku=sku), as_json, views.stock)


@sku_app.command("add")
def sku_add(sku: str, title: str = "") -> None:
    """Make a SKU known; orders that waited for it go on."""
    with one_sentence():
        Client(run_dir()).call("POST", "/v1/skus", {"sku": sku, "title": title})
    say(f"SKU {sku} is known.")


@sku_app.command("list")
def sku_list(as_json: AsJson = False) -> None:
    """Known SKUs."""
    with one_sentence():
        show(Client(run_dir()).get("/v1/skus"), as_json, views.skus)


@channel_app.command("list")
def channel_list(as_json: AsJson = False) -> None:
    """Connected channels, without their secrets."""
    with one_sentence():
        show(Client(run_dir()).get("/v1/channels"), as_json, views.channels)


@parked_app.command("list")
def parked_list(service: str | None = None, state: str = "parked", as_json: AsJson = False) -> None:
    """Parked messages of every service, or of one."""
    with one_sentence():
        client = Client(run_dir())
        names = [service] if service else [entry["name"] for entry in client.get("/v1/status")["services"]]
        found = [
            {"service": name} | row for name in names for row in client.get(f"/v1/services/{name}/parked", state=state)
        ]
        show(found, as_json, views.parked)


@parked_app.command("show")
def parked_show(service: str, parked_id: str) -> None:
    """One parked message, whole."""
    with one_sentence():
        show(Client(run_dir()).get(f"/v1/services/{service}/parked/{parked_id}"), True, None)


@parked_app.command("edit")
def parked_edit(service: str, parked_id: str, file: typer.FileText) -> None:
    """Replace a parked message's body with a file's content (- for standard input)."""
    with one_sentence():
        Client(run_dir()).call("PUT", f"/v1/services/{service}/parked/{parked_id}/body", {"body": file.read()})
    say("Edited. Replay it with: crossdock parked replay.")


@parked_app.command("replay")
def parked_replay(service: str, parked_id: str) -> None:
    """Send a parked message to its handler once more."""
    with one_sentence():
        Client(run_dir()).call("POST", f"/v1/services/{service}/parked/{parked_id}/replay")
    say("Sent.")


@parked_app.command("discard")
def parked_discard(service: str, parked_id: str) -> None:
    """Give a parked message up; it stays readable."""
    with one_sentence():
        Client(run_dir()).call("POST", f"/v1/services/{service}/parked/{parked_id}/discard")
    say("Discarded.")


@topology_app.command("plan")
def topology_plan() -> None:
    """What the broker lacks, without changing it."""
    with one_sentence():
        views.changes(console, setup.topology_changes(_management_url()))


@topology_app.command("apply")
def topology_apply() -> None:
    """Make what the broker lacks; nothing that holds messages is deleted."""
    with one_sentence():
        changes, left = setup.apply_topology(_management_url())
    views.changes(console, changes)
    raise typer.Exit(1 if left else 0)


@topology_app.command("verify")
def topology_verify() -> None:
    """Exit with 1 when the broker is not as it should be."""
    with one_sentence():
        changes = setup.topology_changes(_management_url())
    views.changes(console, changes)
    raise typer.Exit(1 if changes else 0)


@app.command()
def bootstrap() -> None:
    """Make database, roles and schemas with an administrator's URL."""
    with one_sentence():
        say(f"Walls stand for {', '.join(setup.make_walls())}.")


@app.command()
def migrate() -> None:
    """Bring the schemas of the installed services to their newest revision."""
    with one_sentence():
        say(f"Migrated {', '.join(setup.migrate_installed())}.")


@app.command()
def maintain() -> None:
    """Keep the inbox partitions ahead of time; runs for ever."""
    with one_sentence():
        setup.maintain_forever()


def _management_url() -> str:
    if url := os.environ.get("CROSSDOCK_MANAGEMENT_URL"):
        return with_broker_credentials(url, os.environ.get("CROSSDOCK_BROKER_URL", ""))
    found = files.read_json(run_dir() / "client.json").get("management_url")
    if not found:
        raise SettingMissing("Set CROSSDOCK_MANAGEMENT_URL: the broker's management API, with user and password.")
    return str(found)


def _segment(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
