"""Connectors by channel kind, found by entry point, so that a third party can ship its own package."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any


class UnknownChannelKind(LookupError):
    """No installed connector has this kind; `installed` names those that are."""

    def __init__(self, kind: str, installed: str) -> None:
        super().__init__(f"no connector for channel kind {kind!r}; installed: {installed}")
        self.installed = installed


@cache
def connector(kind: str) -> Any:
    """The connector of a channel kind; what it can do, `can` tells, or `isinstance(…, WebhookSource)` and the like.

    Raises UnknownChannelKind with the kinds that are installed.
    """
    found = {point.name: point for point in entry_points(group="crossdock.channels")}
    if kind not in found:
        raise UnknownChannelKind(kind, ", ".join(sorted(found)))
    return found[kind].load()


@cache
def can(kind: str, ability: type) -> bool:
    """Whether channels of a kind have an ability, a protocol such as WebhookSource; False for a kind that is not
    installed. Kept, because it takes as long as reading an order to find out."""
    try:
        return isinstance(connector(kind), ability)
    except UnknownChannelKind:
        return False
