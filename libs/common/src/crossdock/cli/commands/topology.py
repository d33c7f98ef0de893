"""Commands about exchanges, queues and bindings."""

import os

import typer

from crossdock.cli import setup, views
from crossdock.cli.setup import SettingMissing
from crossdock.cli.stack import with_broker_credentials
from crossdock.cli.terminal import console, one_sentence, run_dir
from crossdock.local import files

app = typer.Typer(no_args_is_help=True, help="Exchanges, queues and bindings.")


@app.command("plan")
def topology_plan() -> None:
    """What the broker lacks, without changing it."""
    with one_sentence():
        views.changes(console, setup.topology_changes(_management_url()))


@app.command("apply")
def topology_apply() -> None:
    """Make what the broker lacks; nothing that holds messages is deleted."""
    with one_sentence():
        changes, left = setup.apply_topology(_management_url())
    views.changes(console, changes)
    raise typer.Exit(1 if left else 0)


@app.command("verify")
def topology_verify() -> None:
    """Exit with 1 when the broker is not as it should be."""
    with one_sentence():
        changes = setup.topology_changes(_management_url())
    views.changes(console, changes)
    raise typer.Exit(1 if changes else 0)


def _management_url() -> str:
    if url := os.environ.get("CROSSDOCK_MANAGEMENT_URL"):
        return with_broker_credentials(url, os.environ.get("CROSSDOCK_BROKER_URL", ""))
    found = files.read_json(run_dir() / "client.json").get("management_url")
    if not found:
        raise SettingMissing("Set CROSSDOCK_MANAGEMENT_URL: the broker's management API, with user and password.")
    return str(found)
