"""What a simulated 3PL knows and decides: accounts, requests, shipments, and how it behaves."""

import fnmatch
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any


@dataclass
class Behaviour:
    """How requests are treated. Seconds are sandbox seconds; `ship_after` None means: ship only when told.

    `steps` overrides `ship_after` and `packages`: each {after, packages: [[{sku|line_id, quantity}]]} ships once;
    what no step names is never shipped unless told.
    """

    reject: str | None = None
    reject_after: float | None = None
    refuse_cancellation: str | None = None
    ship_after: float | None = 1.0
    packages: int = 1
    steps: list[dict[str, Any]] | None = None
    deliver_after: float | None = None
    carrier: str = "UPS"
    service: str = "Ground"

    def changed(self, by: dict[str, Any]) -> "Behaviour":
        """This behaviour with some fields replaced. Raises: ValueError for a field that doesn't exist."""
        if unknown := set(by) - {one.name for one in fields(self)}:
            raise ValueError(f"A 3PL has no behaviour named {', '.join(sorted(unknown))}.")
        return replace(self, **by)


@dataclass
class Fault:
    """The next `times` calls go wrong. `endpoint`: submit, cancel, read or *; `match`: reference or order number."""

    endpoint: str
    kind: str  # lose_reply, act_late, timeout, error_500
    times: int = 1
    match: str = "*"
    seconds: float = 30.0


@dataclass
class Line:
    """A line of a request, in units."""

    line_id: str
    sku: str
    quantity: int
    shipped: int = 0
    cancelled: int = 0

    @property
    def left(self) -> int:
        """Units that may still be shipped."""
        return self.quantity - self.shipped - self.cancelled


@dataclass
class Shipment:
    """What left together: packages as the ship notice tells them."""

    id: str
    packages: list[dict[str, Any]]
    occurred_at: str
    state: str = "dispatched"  # dispatched, voided, delivered


@dataclass
class Request:
    """One request to ship. `promised`: the service, and the times until which it leaves and arrives, where told."""

    id: str
    account: str
    reference: str
    order_number: str
    recipient: dict[str, Any]
    lines: list[Line]
    note: str | None
    created_at: str
    state: str = "accepted"  # accepted, rejected, cancelled
    reason: str | None = None
    shipments: list[Shipment] = field(default_factory=list)
    promised: dict[str, Any] = field(default_factory=dict)

    def line(self, line_id: str) -> Line:
        """The line with that id. Raises: KeyError."""
        for line in self.lines:
            if line.line_id == line_id:
                return line
        raise KeyError(line_id)

    def named(self, pattern: str) -> bool:
        """Whether the reference or the order number matches a shell pattern."""
        return fnmatch.fnmatchcase(self.reference, pattern) or fnmatch.fnmatchcase(self.order_number, pattern)


@dataclass
class Account:
    """A merchant's account at the 3PL. `secret` is `whsec_` and base64, as Standard Webhooks writes it."""

    name: str
    token: str
    callback_url: str | None
    secret: str
    old_secret: str | None = None
    idempotency: bool = False
    behaviour: Behaviour = field(default_factory=Behaviour)
    special: list[tuple[str, Behaviour]] = field(default_factory=list)  # (pattern, behaviour), the newest first
    faults: list[Fault] = field(default_factory=list)
    requests: dict[str, Request] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def behaviour_for(self, request: Request) -> Behaviour:
        """How this request is treated: by the newest pattern that names it, or as usual."""
        return next((how for pattern, how in self.special if request.named(pattern)), self.behaviour)
