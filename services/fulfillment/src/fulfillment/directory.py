"""Which channels there are, and where the requests of an order go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crossdock.channels.destinations import destination_for, ships
from fulfillment.domain.desk import Sale


@dataclass(frozen=True, slots=True)
class Destinations:
    """The names of connected destinations by id, and what each sales channel says of its destination."""

    names: Mapping[str, str]
    chosen: Mapping[str, str]


class Directory:
    """Every channel that was configured, as of this transaction."""

    def __init__(self, destinations: Destinations, names: Mapping[str, str], kinds: Mapping[str, str]) -> None:
        self._destinations = destinations
        self._names = names
        self._kinds = kinds

    @classmethod
    def of(cls, channels: Iterable[Any]) -> "Directory":
        """From rows with channel_id, name, settings and connected."""
        names, kinds, places, chosen = {}, {}, {}, {}
        for channel in channels:
            channel_id = str(channel.channel_id)
            names[channel_id], kinds[channel_id] = channel.name, channel.kind
            if channel.connected and ships(channel.settings):
                places[channel_id] = channel.name
            elif channel.settings.get("destination"):
                chosen[channel_id] = str(channel.settings["destination"])
        return cls(Destinations(places, chosen), names, kinds)

    def destination_of(self, sale: Sale | None) -> str:
        """The id of the destination for an order: the one that its channel's settings name (by id or by name), else
        the only one there is, else blank."""
        return "" if sale is None else self.destination_for(sale.channel_id)

    def destination_for(self, channel_id: str) -> str:
        """The id of the destination for what a channel sells, or blank."""
        return destination_for(self._destinations.chosen.get(channel_id, ""), self._destinations.names)

    def kind_of(self, channel_id: str) -> str:
        """The kind of a channel: which connector speaks to it."""
        return self._kinds.get(channel_id, "")

    def name_of(self, channel_id: str) -> str:
        """What people call a channel."""
        return self._names.get(channel_id, channel_id)
