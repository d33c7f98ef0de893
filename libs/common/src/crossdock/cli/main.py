"""`crossdock`: every command. A failure is one sentence on stderr and a non-zero exit."""

import os
from typing import Annotated

import typer

from crossdock.cli import setup, views
from crossdock.cli.client import CannotCall, saved
from crossdock.cli.commands import (
    apply,
    channels,
    golive,
    keys,
    mappings,
    parked,
    policy,
    privacy,
    runs,
    service,
    skus,
    stock,
    topology,
)
from crossdock.cli.commands import files as order_files
from crossdock.cli.commands import orders as one_order
from crossdock.cli.stack import make_stack
from crossdock.cli.terminal import AsJson, client, console, one_sentence, run_dir, say, show
from crossdock.local import files, supervisor

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
SUBJECTS = {
    "order": one_order.app,
    "orders": order_files.app,
    "stock": stock.app,
    "sku": skus.app,
    "mapping": mappings.app,
    "parked": parked.app,
    "privacy": privacy.app,
    "topology": topology.app,
    "channel": channels.app,
    "keys": keys.app,
    "integration": runs.integrations,
    "run": runs.runs,
    "backlog": runs.backlog,
}
for name, subject in SUBJECTS.items():
    app.add_typer(subject, name=name)
channels.app.add_typer(service.app, name="service")
channels.app.command("policy")(policy.policy)
channels.app.command("go-live")(golive.go_live)
one_order.app.command("create")(order_files.create)
one_order.app.command("cancel")(order_files.cancel)
app.command("apply")(apply.apply)


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
        remote = client().get("/v1/status") if local.phase in ("up", "down") and _reachable() else None
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
def counts(as_json: AsJson = False) -> None:
    """How many orders stand under each tab, in all and by channel."""
    with one_sentence():
        show(client().get("/v1/orders/counts"), as_json, views.counts)


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


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
