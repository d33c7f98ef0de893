"""`crossdock channel policy`: what a channel lets in, shown and changed."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from crossdock.cli import views
from crossdock.cli.client import CannotCall, Client
from crossdock.cli.terminal import AsJson, client, one_sentence, show


def policy(
    channel: Annotated[str, typer.Argument(help="The channel's name or id.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting: max_age_days=30, mapping.phone=off.")
    ] = None,
    file: Annotated[
        typer.FileText | None, typer.Option(help="Replace the whole policy by a YAML file (- for standard input).")
    ] = None,
    history: Annotated[bool, typer.Option(help="Show what changed, when and by whom.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show or change what a channel imports, holds, rejects, cancels and writes back."""
    with one_sentence():
        gateway = client()
        path = f"/v1/channels/{channel_id(gateway, channel)}/policy"
        if set_ and file:
            raise CannotCall("Give either --set or --file, not both.")
        if history:
            return show(gateway.get(f"{path}/history"), as_json, changes_table)
        if file is not None:
            found = gateway.call("PUT", path, mapping_in(file.read(), file.name))
        elif set_:
            found = gateway.call("PATCH", path, settings_in(set_))
        else:
            found = gateway.get(path)
        return show(found, as_json, policy_table)


def channel_id(gateway: Client, name: str) -> str:
    """The id of a channel that is connected, by its name or id. Raises CannotCall."""
    try:
        return str(UUID(name))
    except ValueError:
        pass
    found, after = [], None
    while page := gateway.get("/v1/channels", after=after, limit=500):
        found += [one["id"] for one in page if one["name"] == name and one["state"] == "connected"]
        after = page[-1]["id"]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise CannotCall(f"Several channels are called {name}: name one by its id ({', '.join(found)}).")
    raise CannotCall(f"There is no connected channel called {name}: see `crossdock channel list`.")


def settings_in(pairs: list[str]) -> dict[str, Any]:
    """`name=value` pairs as a document; values are YAML, a dot leads into a setting such as `mapping`. Raises
    CannotCall."""
    document: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CannotCall(f"{pair!r} is no setting: write name=value, such as max_age_days=30.")
        outer, _, inner = name.strip().partition(".")
        if inner:
            document.setdefault(outer, {})[inner] = _value(value)
        else:
            document[outer] = _value(value)
    return document


class _Loader(yaml.SafeLoader):
    """A SafeLoader for which only `true` and `false` are truth values: `off` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def _value(text: str) -> Any:
    """A value as a file would hold it; what is no YAML is a text."""
    try:
        return yaml.load(text, _Loader) if text.strip() else ""  # noqa: S506 - see `_Loader`
    except yaml.YAMLError:
        return text


def mapping_in(content: str, where: str) -> dict[str, Any]:
    """The mapping that a YAML file holds. Raises CannotCall."""
    try:
        found = yaml.load(content, _Loader)  # noqa: S506 - see `_Loader`
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise CannotCall(f"{where} is no YAML{place}: correct it.") from None
    if not isinstance(found, dict):
        raise CannotCall(f"{where} holds no settings: write `name: value` lines.")
    return found


def policy_table(console: Console, found: Mapping[str, Any]) -> None:
    """One setting per line."""
    console.print(f"[bold]{escape(found['channel'])}[/] policy, version {found['version']}")
    table = views.table_of("setting", "value")
    for name, value in flat(found["policy"]).items():
        table.add_row(name, escape(written(value)))
    console.print(table)


def changes_table(console: Console, found: Mapping[str, Any]) -> None:
    """One changed setting per line, newest change first."""
    table = views.table_of("version", "when", "who", "setting", "before", "after")
    for change in found["changes"]:
        for name, values in change["changes"].items():
            before, after = escape(written(values["before"])), escape(written(values["after"]))
            table.add_row(str(change["version"]), change["changed_at"][:19], change["changed_by"], name, before, after)
    console.print(table)


def flat(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their full names, such as mapping.note and written_back.tag."""
    found: dict[str, Any] = {}
    for name, value in policy.items():
        if name in ("mapping", "written_back"):
            found |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            found[name] = value
    return found


def written(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items()) or "none"
    return {None: "no limit", True: "true", False: "false", "": "none"}.get(value, str(value))
