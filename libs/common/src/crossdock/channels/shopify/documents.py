"""Our GraphQL documents: one operation per file in `queries/`, fragments once; each is sent with what it uses."""

import re
from functools import cache
from importlib.resources import files

_FRAGMENT = re.compile(r"^fragment (\w+) on .*?^}", re.MULTILINE | re.DOTALL)
_OPERATION = re.compile(r"^(query|mutation) (\w+)", re.MULTILINE)
_SPREAD = re.compile(r"\.\.\.(\w+)")


@cache
def _texts() -> dict[str, str]:
    folder = files("crossdock.channels.shopify") / "queries"
    return {one.name: one.read_text() for one in folder.iterdir() if one.name.endswith(".graphql")}


@cache
def _fragments() -> dict[str, str]:
    return {found.group(1): found.group(0) for found in _FRAGMENT.finditer(_texts()["fragments.graphql"])}


@cache
def operations() -> dict[str, str]:
    """Every operation by name, with the fragments it needs, ready to send."""
    return {
        found.group(2): _with_fragments(text)
        for text in _texts().values()
        if (found := _OPERATION.search(text)) is not None
    }


def in_one_piece(operation: str) -> str:
    """An operation as a bulk query wants it: without a name, and with the fields of its fragments in their places."""
    found = _OPERATION.search(operations()[operation])
    text = operations()[operation][found.end() if found else 0 :].partition("\n\nfragment ")[0]
    while spread := _SPREAD.search(text):
        body = _fragments()[spread.group(1)]
        text = text.replace(spread.group(0), body[body.index("{") + 1 : body.rindex("}")])
    return " ".join(text.split())


def is_mutation(operation: str) -> bool:
    """Whether an operation may change something. Raises KeyError for a name that is no operation of ours."""
    found = _OPERATION.search(operations()[operation])
    return found is not None and found.group(1) == "mutation"


def _with_fragments(text: str) -> str:
    needed: dict[str, str] = {}
    open_names = _SPREAD.findall(text)
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed[name] = _fragments()[name]
            open_names += _SPREAD.findall(needed[name])
    return "\n\n".join([text.strip(), *(needed[name] for name in sorted(needed))])
