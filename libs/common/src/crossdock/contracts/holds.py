"""The one catalogue of holds: why an order is not moving, in a sentence, with the next action and who acts."""

from enum import StrEnum
from typing import Literal, NamedTuple

from crossdock.contracts.base import Value

Actor = Literal["operator", "customer", "platform", "nobody"]


class HoldCode(StrEnum):
    """Every reason for which an order may wait. A code is never reused for another meaning."""

    OBSERVING = "observing"
    PAYMENT = "payment"
    SKU_BLANK = "sku_blank"
    SKU_UNKNOWN = "sku_unknown"
    SKU_AMBIGUOUS = "sku_ambiguous"
    SKU_UNHEARD = "sku_unheard"
    SKU_DOUBLED = "sku_doubled"
    STOCK = "stock"
    ADDRESS_MISSING = "address_missing"
    RECIPIENT_REDACTED = "recipient_redacted"
    REJECTED = "rejected"


class HoldKind(NamedTuple):
    """How a code is told: a template for the sentence, what to do next, and who does it."""

    sentence: str
    next_action: str
    actor: Actor


CATALOGUE: dict[HoldCode, HoldKind] = {
    HoldCode.OBSERVING: HoldKind(
        "Channel {channel} only observes: nothing is sent to the warehouse",
        "Take the channel live when its orders look right.",
        "operator",
    ),
    HoldCode.PAYMENT: HoldKind(
        "Waiting for payment",
        "Nothing to do: the order goes on when the channel reports the payment.",
        "customer",
    ),
    HoldCode.SKU_BLANK: HoldKind(
        "Line {line} ({title}) has no SKU",
        "Give the variant a SKU in the store, or say what the line is (`crossdock order assign`).",
        "operator",
    ),
    HoldCode.SKU_UNKNOWN: HoldKind(
        "Line {line} ({title}): SKU {sku} is not among the channel's listings",
        "Give a variant in the store the SKU, or say what it is: `crossdock sku add`, `mapping set`, `order assign`.",
        "operator",
    ),
    HoldCode.SKU_AMBIGUOUS: HoldKind(
        "Line {line} ({title}): SKU {sku} is carried by {count} listings of the channel",
        "Leave the SKU on one variant only, or map the variant (`crossdock mapping set`).",
        "operator",
    ),
    HoldCode.SKU_DOUBLED: HoldKind(
        "Line {line} ({title}): {count} listings carried SKU {sku} when the order was placed",
        "Look which goods were sold, then say so: `crossdock order assign`, or for all orders `crossdock mapping set`.",
        "operator",
    ),
    HoldCode.SKU_UNHEARD: HoldKind(
        "Line {line} ({title}): no channel lists SKU {sku}, and nobody has added it",
        "Add it with `crossdock sku add`; the order goes on by itself. A wrong order is cancelled and made anew.",
        "operator",
    ),
    HoldCode.STOCK: HoldKind(
        "Unable to reserve inventory: {shortages}",
        "Receive or correct stock; the oldest waiting order is served first.",
        "operator",
    ),
    HoldCode.ADDRESS_MISSING: HoldKind(
        "No delivery address",
        "Add the address in the store; the order goes on when the change arrives.",
        "operator",
    ),
    HoldCode.RECIPIENT_REDACTED: HoldKind(
        "The recipient was redacted on request",
        "Cancel the order in the store: it can no longer be delivered.",
        "operator",
    ),
    HoldCode.REJECTED: HoldKind(
        "{destination} rejected request {revision}: {reason}",
        "Correct what it names, then ask again with `crossdock order retry`.",
        "operator",
    ),
}


class Hold(Value):
    """An open hold as the operator reads it. `lines` are the channel's line ids that it concerns, empty for all."""

    code: HoldCode
    sentence: str
    next_action: str
    actor: Actor
    lines: tuple[str, ...] = ()


def hold(code: HoldCode, lines: tuple[str, ...] = (), **quantities: object) -> Hold:
    """Make a hold from the catalogue. Raises KeyError when a quantity that its sentence needs is missing."""
    kind = CATALOGUE[code]
    return Hold(
        code=code,
        sentence=kind.sentence.format(**quantities),
        next_action=kind.next_action,
        actor=kind.actor,
        lines=lines,
    )
