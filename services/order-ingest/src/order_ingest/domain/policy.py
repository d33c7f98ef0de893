"""What a channel's policy says of its orders: what is imported, waits, is rejected or cancelled, and how it is told.

A policy is a value without behaviour of its own; `judge` says what it means for one order. Every setting has a default,
under which an order is taken as its channel tells it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

PAID = "paid"
"""Of the financial statuses this one stands for everything that the channel's connector counts as paid."""
ANYWHERE = "*"
"""Among the expected currencies: every location that has no entry of its own."""
OFF = "off"
TITLE = "title"
ATTRIBUTE = "attribute:"
"""A source that begins so is the custom attribute with the name that follows."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Which field of the channel fills which field of the order; `off` leaves it empty. A note or a phone may come from
    a custom attribute (`attribute:Name`); `attributes` are those of the order and its lines (`all`), of the order alone
    (`order`), or none. The shipping that the buyer asked for is told by the rate's title, code or source."""

    note: str = "note"
    phone: str = "address"
    email: str = "order"
    company: str = "address"
    attributes: str = "all"
    service: str = TITLE


@dataclass(frozen=True, slots=True)
class WrittenBack:
    """What the channel is told besides tracking: the `tag` of each order that becomes ours (blank: none), and whether
    it tells the customer of each parcel."""

    tag: str = ""
    notify_customer: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What one channel lets in, and under which conditions. Times are days; None means that there is no limit.

    `locations` are the channel's ids of the locations whose work is ours; none: every one that the store manages.
    `service_location` is the location of our own fulfillment service in the store, blank when there is none.
    """

    fulfillment_statuses: tuple[str, ...] = ("unfulfilled", "partial", "fulfilled", "restocked")
    locations: tuple[str, ...] = ()
    service_location: str = ""
    without_location: bool = True
    physical_only: bool = True
    first_import_days: int | None = None
    currencies: Mapping[str, str] = field(default_factory=dict)
    financial_statuses: tuple[str, ...] = (PAID,)
    max_age_days: int | None = 90
    scheduled_waits: bool = True
    held_waits: bool = True
    test_orders: bool = False
    cancel_statuses: tuple[str, ...] = ()
    mapping: Sources = Sources()
    written_back: WrittenBack = WrittenBack()
    retention_days: int | None = None

    @property
    def scoped(self) -> bool:
        """Whether it matters to which location the channel assigned an order."""
        return bool(self.locations or self.service_location) or not self.without_location


STANDARD = Policy()
PARTS: Mapping[str, type[Sources | WrittenBack]] = {"mapping": Sources, "written_back": WrittenBack}
"""Settings that are objects themselves."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what an order is judged: its channel's policy and the number of that policy, the channel's name while it
    only observes (else blank), from when on its orders are ours, when the order is heard of, whether the channel tells
    to which of its locations it assigns an order, and the name of the warehouse that ships its orders while that only
    observes (else blank)."""

    policy: Policy = STANDARD
    version: int = 0
    observing: str = ""
    ours_from: datetime | None = None
    at: datetime | None = None
    routes: bool = False
    warehouse_observing: str = ""


NO_TERMS = Terms()


def policy_of(document: Mapping[str, Any]) -> Policy:
    """The policy that a stored document holds; what it does not name is standard."""
    if not document:
        return STANDARD
    values = {one.name: document[one.name] for one in fields(Policy) if one.name in document}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    for name, kind in PARTS.items():
        if name in values:
            known = {one.name for one in fields(kind)}
            values[name] = kind(**{inner: value for inner, value in values[name].items() if inner in known})
    return Policy(**values)


def mapped(recipient: Mapping[str, Any], sources: Sources) -> Mapping[str, Any]:
    """A recipient with the fields that the policy wants, filled from where it says."""
    if replace(sources, service=TITLE) == STANDARD.mapping:
        return recipient
    found = dict(recipient)
    address = dict(found.get("address") or {})
    attributes = [list(pair) for pair in found.get("attributes") or ()]
    _fill(found, "note", sources.note, attributes)
    _fill(address, "phone", sources.phone, attributes)
    if sources.email == OFF:
        found.pop("email", None)
    if sources.company == OFF:
        address.pop("company", None)
    kept = [] if sources.attributes == OFF else attributes
    if sources.attributes == "order":
        kept = [pair for pair in kept if not pair[0].startswith("line ")]
    found["attributes"], found["address"] = kept, address
    if not kept:
        del found["attributes"]
    if "address" not in recipient and not address:
        del found["address"]
    return found


def _fill(target: dict[str, Any], name: str, source: str, attributes: list[list[str]]) -> None:
    """Leave a field as the channel fills it, or take it from an attribute, or leave it out."""
    if source != OFF and not source.startswith(ATTRIBUTE):
        return
    target.pop(name, None)
    wanted = source.removeprefix(ATTRIBUTE)
    value = next((told for label, told in attributes if label == wanted), "") if source != OFF else ""
    if value:
        target[name] = value
