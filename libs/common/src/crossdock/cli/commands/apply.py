"""`crossdock apply`: brings channels to what a YAML file says, after showing what would change."""

from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from crossdock.cli import views
from crossdock.cli.client import CannotCall, Client
from crossdock.cli.commands.policy import channel_id, flat, mapping_in, written
from crossdock.cli.terminal import client, console, one_sentence, say

FORM = "channels: {<name or id>: {policy: {<setting>: <value>}}}"


class Planned(NamedTuple):
    """A policy that is to be replaced: whose, from which version on, by what, and what changes by that."""

    channel: str
    path: str
    version: int
    policy: dict[str, Any]
    changes: dict[str, tuple[Any, Any]]


def apply(
    file: Annotated[typer.FileText, typer.Option("--file", "-f", help="The YAML file (- for standard input).")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Bring the channels' policies to what a file says. A setting that the file leaves out becomes standard."""
    with one_sentence():
        gateway = client()
        planned = [one for one in plan(gateway, mapping_in(file.read(), file.name)) if one.changes]
        if not planned:
            return say("Nothing to change.")
        _show(planned)
        if dry_run:
            return None
        if not yes and not typer.confirm("Apply these changes?"):
            return say("Nothing was changed.")
        for one in planned:
            gateway.call("PUT", one.path, one.policy, headers={"if-match": f'"{one.version}"'})
            say(f"The policy of {one.channel} is changed.")
    return None


def plan(gateway: Client, document: dict[str, Any]) -> list[Planned]:
    """What a file asks for, compared with what is; the service checks it and stores nothing. Raises CannotCall."""
    planned = []
    for name, wanted in _channels(document).items():
        path = f"/v1/channels/{channel_id(gateway, name)}/policy"
        now = gateway.get(path)
        new = gateway.call("PUT", path, wanted, query={"preview": "true"})["policy"]
        before, after = flat(now["policy"]), flat(new)
        changes = {key: (before.get(key), after[key]) for key in after if after[key] != before.get(key)}
        planned.append(Planned(name, path, now["version"], wanted, changes))
    return planned


def _channels(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The policies in a file, by channel. Raises CannotCall."""
    channels = document.get("channels")
    if set(document) != {"channels"} or not isinstance(channels, dict):
        raise CannotCall(f"The file must have the form {FORM}.")
    found = {}
    for name, settings in channels.items():
        policy = settings.get("policy") if isinstance(settings, dict) and set(settings) == {"policy"} else None
        if not isinstance(policy, dict):
            raise CannotCall(f"Under channel {name} the file must have `policy:` with settings, and nothing else.")
        found[str(name)] = policy
    return found


def _show(planned: list[Planned]) -> None:
    table = views.table_of("channel", "setting", "now", "then")
    for one in planned:
        for name, (before, after) in one.changes.items():
            table.add_row(escape(one.channel), name, escape(written(before)), escape(written(after)))
    console.print(table)
