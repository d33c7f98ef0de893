"""`crossdock integration`, `run` and `backlog`: what is read on a schedule or on request, and how it goes."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from crossdock.cli import views
from crossdock.cli.client import CannotCall, Client
from crossdock.cli.commands.policy import channel_id
from crossdock.cli.terminal import AsJson, client, console, one_sentence, say, segment, show

SERVICES = ("order-ingest", "sku-matcher")
"""Services that have integrations and runs."""

OPEN = ("waiting", "running")
LOOK_SECONDS = 1.0
STYLES = {"finished": "green", "finished_partially": "yellow", "failed": "red", "stopped": "dim", "running": "cyan"}

integrations = typer.Typer(no_args_is_help=True, help="What is read from channels, and when.")
runs = typer.Typer(no_args_is_help=True, help="Each time that an integration worked.")
backlog = typer.Typer(no_args_is_help=True, help="Old orders of a channel.")
Reference = Annotated[str, typer.Argument(help="CHANNEL/KIND, such as 'Main store/orders', or its id.")]


@integrations.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every integration: origin, destination, schedule, next time, newest run."""
    with one_sentence():
        show(_every(client()), as_json, integrations_table)


@integrations.command("show")
def show_one(integration: Reference, as_json: AsJson = False) -> None:
    """One integration and its runs."""
    with one_sentence():
        gateway = client()
        found = _find(gateway, integration)
        listed = gateway.get(f"/v1/services/{found['service']}/runs", integration=found["integration_id"], limit=10)
        value = found | {"runs": listed["runs"]}
        show(value, as_json, lambda terminal, one: _integration(terminal, one))


@integrations.command("set")
def change(
    integration: Reference,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Follow the schedule, or not.")] = None,
    every: Annotated[float | None, typer.Option(help="Run every so many seconds.")] = None,
    cron: Annotated[str | None, typer.Option(help="Run by a cron expression: '0 3 * * *'.")] = None,
    default: Annotated[bool, typer.Option(help="Run by the service's default schedule.")] = False,
    by_hand: Annotated[bool, typer.Option(help="Run only when somebody starts it.")] = False,
    time_zone: Annotated[str | None, typer.Option(help="In which a cron expression counts: Europe/Berlin.")] = None,
    days: Annotated[int | None, typer.Option(help="How many days a daily re-fetch reads again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change when an integration runs."""
    with one_sentence():
        gateway = client()
        found = _find(gateway, integration)
        if sum((every is not None, cron is not None, default, by_hand)) > 1:
            raise CannotCall("Give one of --every, --cron, --default and --by-hand.")
        body: dict[str, Any] = {} if enabled is None else {"enabled": enabled}
        if every is not None or cron is not None or by_hand:
            body["schedule"] = {"every_seconds": every, "cron": cron}
        if default:
            body["schedule"] = None
        if time_zone is not None:
            body["time_zone"] = time_zone
        if days is not None:
            body["settings"] = {"days": days}
        if not body:
            raise CannotCall("Say what to change: crossdock integration set --help.")
        changed = gateway.call("PATCH", _path(found), body)
        show([changed], as_json, integrations_table)


@integrations.command("start")
def start(
    integration: Reference,
    full: Annotated[bool, typer.Option(help="Listings: read all products, not what changed alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start an integration now."""
    with one_sentence():
        gateway = client()
        found = _find(gateway, integration)
        run = gateway.call("POST", f"{_path(found)}/start", {"request": {"full": True} if full else {}})
        show([run], as_json, runs_table)


@integrations.command("stop")
def stop(integration: Reference) -> None:
    """Stop what runs or waits; what was taken stays."""
    with one_sentence():
        gateway = client()
        gateway.call("POST", f"{_path(_find(gateway, integration))}/stop")
    say("It stops.")


@runs.command("list")
def list_runs(
    kind: Annotated[str | None, typer.Option(help="Only runs of this kind, such as backlog.")] = None,
    state: Annotated[str | None, typer.Option(help="Only runs in this state, such as failed.")] = None,
    limit: int = 30,
    as_json: AsJson = False,
) -> None:
    """Runs, newest first."""
    with one_sentence():
        gateway = client()
        found = [
            run
            for service in SERVICES
            for run in gateway.get(f"/v1/services/{service}/runs", kind=kind, state=state, limit=limit)["runs"]
        ]
        found.sort(key=lambda run: str(run["scheduled_at"]), reverse=True)
        show(found[:limit], as_json, runs_table)


@runs.command("show")
def show_run(run_id: str, as_json: AsJson = False) -> None:
    """One run: counts, and each record that it could not take."""
    with one_sentence():
        show(_run(client(), run_id), as_json, run_view)


@runs.command("stop")
def stop_run(run_id: str) -> None:
    """Stop a run; what was taken stays."""
    with one_sentence():
        gateway = client()
        found = _run(gateway, run_id)
        gateway.call("POST", f"/v1/services/{found['service']}/runs/{segment(run_id)}/stop")
    say("It stops.")


@backlog.command("import")
def import_(
    channel: Annotated[str, typer.Argument(help="The channel's name or id.")],
    since: Annotated[str | None, typer.Option(help="Orders placed from this day or time on: 2026-10-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Orders placed before this day or time.")] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="Orders by their numbers, each with its own --number.")
    ] = None,
    unfulfilled: Annotated[bool, typer.Option(help="Everything of which something is still to ship.")] = False,
    preview: Annotated[bool, typer.Option(help="Only say what would be found.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Import what is shown without asking.")] = False,
    detach: Annotated[bool, typer.Option(help="Do not wait for its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring in old orders, and show how far it is."""
    with one_sentence():
        gateway = client()
        request = {
            "since": _moment(since),
            "until": _moment(until),
            "numbers": number or [],
            "unfulfilled": unfulfilled,
        }
        wanted = {"channel_id": channel_id(gateway, channel), "request": request}
        scope = gateway.call("POST", "/v1/backlog/preview", wanted)
        if not as_json:
            _tell(scope)
        if preview:
            if as_json:
                show(scope, True, None)
            return
        if scope["notes"] and not yes and not typer.confirm("Import what is shown?"):
            raise CannotCall("Nothing was imported.")
        run = gateway.call("POST", "/v1/backlog", wanted | {"accept_limits": True})
        if not detach:
            run = follow(gateway, "order-ingest", run["run_id"], console if not as_json else None)
        show(run, as_json, run_view)
    if run["state"] == "failed":
        raise typer.Exit(1)


def follow(gateway: Client, service: str, run_id: str, terminal: Console | None) -> dict[str, Any]:
    """Show a run live until it ends; Ctrl-C leaves it running."""
    path = f"/v1/services/{service}/runs/{run_id}"
    run: dict[str, Any] = gateway.get(path)
    with Live(console=terminal or Console(quiet=True), refresh_per_second=4, transient=True) as live:
        while run["state"] in OPEN:
            live.update(runs_of([run]))
            time.sleep(LOOK_SECONDS)
            run = gateway.get(path)
    return run


def _tell(scope: dict[str, Any]) -> None:
    found = scope["expected"]
    say("The channel does not say how many orders it has." if found is None else f"Orders to read: {found:,}.")
    for note in scope["notes"]:
        say(note)


def _moment(given: str | None) -> str | None:
    """A day or time as the API takes it; one without an offset is UTC. Raises CannotCall."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise CannotCall(f"{given!r} is no day or time: write 2026-10-01 or 2026-10-01T08:00+02:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _every(gateway: Client) -> list[dict[str, Any]]:
    return [
        one | {"service": service}
        for service in SERVICES
        for one in gateway.get(f"/v1/services/{service}/integrations")["integrations"]
    ]


def _find(gateway: Client, reference: str) -> dict[str, Any]:
    """One integration by CHANNEL/KIND or id. Raises CannotCall."""
    wanted = reference.strip().lower()
    there = _every(gateway)
    found = [one for one in there if wanted in (f"{one['channel']}/{one['kind']}".lower(), one["integration_id"])]
    if len(found) == 1:
        return found[0]
    what = "There is no integration" if not found else "There are several integrations named"
    raise CannotCall(f"{what} {reference}: list them with `crossdock integration list`, and name one by its id.")


def _path(integration: dict[str, Any]) -> str:
    return f"/v1/services/{integration['service']}/integrations/{integration['integration_id']}"


def _run(gateway: Client, run_id: str) -> dict[str, Any]:
    """A run, whoever has it. Raises CannotCall."""
    for service in SERVICES:
        try:
            found: dict[str, Any] = gateway.get(f"/v1/services/{service}/runs/{segment(run_id)}")
            return found | {"service": service}
        except CannotCall:
            if service == SERVICES[-1]:
                raise
    raise AssertionError("unreachable")


def integrations_table(terminal: Console, found: Sequence[dict[str, Any]]) -> None:
    """Integrations."""
    table = views.table_of("integration", "from", "to", "when", "next", "newest run")
    for one in found:
        newest = one["newest_run"]
        table.add_row(
            escape(f"{one['channel']}/{one['kind']}"),
            escape(one["origin"]),
            escape(one["destination"]),
            _when(one),
            _time(one["next_at"]),
            _state(newest["state"]) if newest else "",
        )
    terminal.print(table)


def _integration(terminal: Console, one: dict[str, Any]) -> None:
    integrations_table(terminal, [one])
    runs_table(terminal, one["runs"])


def runs_table(terminal: Console, found: Sequence[dict[str, Any]]) -> None:
    """Runs."""
    terminal.print(runs_of(found) if found else "No runs.")


def runs_of(found: Sequence[dict[str, Any]]) -> Table:
    """Runs as a table."""
    table = views.table_of("run", "channel", "kind", "scheduled", "state", *COUNTS, "left", "")
    for run in found:
        counts = [f"{run[name]:,}" for name in COUNTS]
        left = "" if run["remaining"] is None else f"{run['remaining']:,}"
        why = escape(run["waits_for"] or run["problem"])
        table.add_row(
            run["run_id"], escape(run["channel"]), run["kind"], _time(run["scheduled_at"]), _state(run["state"]),
            *counts, left, why,
        )  # fmt: skip
    return table


COUNTS = ("seen", "imported", "changed", "unchanged", "failed")


def run_view(terminal: Console, run: dict[str, Any]) -> None:
    """One run with its errors."""
    runs_table(terminal, [run])
    for note in run["notes"]:
        terminal.print(escape(note), style="yellow")
    errors = run.get("errors") or []
    if errors:
        table = views.table_of("record", "why it was not taken")
        for error in errors:
            table.add_row(escape(error["subject"]), escape(error["sentence"]))
        terminal.print(table)


def _when(one: dict[str, Any]) -> str:
    schedule = one["schedule"]
    if not one["enabled"]:
        return "disabled"
    if schedule["every_seconds"] is not None:
        return f"every {schedule['every_seconds']:g} s"
    return f"{schedule['cron']} ({one['time_zone'] or 'time zone not known yet'})" if schedule["cron"] else "by hand"


def _state(state: str) -> str:
    return f"[{STYLES.get(state, 'white')}]{state.replace('_', ' ')}[/]"


def _time(text: str | None) -> str:
    return (text or "").replace("T", " ")[:19]
