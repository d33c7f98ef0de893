"""Which warehouse ships what a channel sells: one rule for whoever asks."""

from collections.abc import Mapping
from typing import Any

ROLE = "destination"
"""The setting `role` of a channel that ships; one that sells names its warehouse in the setting `destination`."""


def ships(settings: Mapping[str, Any]) -> bool:
    """Whether a channel with these settings ships for us, and brings no orders."""
    return settings.get("role") == ROLE


def destination_for(chosen: str, places: Mapping[str, str]) -> str:
    """The id of the destination that a selling channel's settings name (`chosen`, an id or a name) among the connected
    ones (names by id); the only one there is where they name none; else blank."""
    if not chosen:
        return next(iter(places)) if len(places) == 1 else ""
    return chosen if chosen in places else next((one for one, name in places.items() if name == chosen), "")
