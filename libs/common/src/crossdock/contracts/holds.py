"""The one catalogue of holds: why an order is not moving, in a sentence, with the next action and who acts."""

from enum import StrEnum
from typing import Literal, NamedTuple

from crossdock.contracts.base import Value

Actor = Literal["operator", "customer", "platform", "nobody"]


class HoldCode(StrEnum):
    """Every reason for which an order may wait. A code is never reused for another meaning."""

    OBSERVING = "observing"
    WAREHOUSE_OBSERVING = "warehouse_observing"
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
    AGE = "age"
    CURRENCY = "currency"
    ROUTING = "routing"
    SCHEDULED = "scheduled"
    CHANNEL_HOLD = "channel_hold"
    NOT_REQUESTED = "not_requested"


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
    HoldCode.WAREHOUSE_OBSERVING: HoldKind(
        "Warehouse {warehouse} only observes: no request is sent to it",
        "Take it live with `crossdock channel go-live`; the order goes on by itself.",
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
    HoldCode.AGE: HoldKind(
        "Placed {days} days before it was imported, and the channel's policy takes {limit} at most",
        "Look whether it is still to be shipped, then approve it with `crossdock order approve`.",
        "operator",
    ),
    HoldCode.CURRENCY: HoldKind(
        "Sold in {currency}, and the channel's policy expects {expected}",
        "Look whether the order is right, then approve it with `crossdock order approve`.",
        "operator",
    ),
    HoldCode.ROUTING: HoldKind(
        "Waiting for the store to say which location ships it",
        "Nothing to do: it is read again; if it lasts, look at the order's locations in the store.",
        "platform",
    ),
    HoldCode.SCHEDULED: HoldKind(
        "Scheduled in the store for {when}",
        "Nothing to do: the order goes on when the store says that it is due.",
        "nobody",
    ),
    HoldCode.CHANNEL_HOLD: HoldKind(
        "Held in the store: {reason}",
        "Release the hold in the store; the order goes on by itself.",
        "operator",
    ),
    HoldCode.NOT_REQUESTED: HoldKind(
        "The store has not requested its fulfillment yet",
        "Request the fulfillment in the store; the order goes on by itself.",
        "operator",
    ),
}


class RefusalCode(StrEnum):
    """Every reason for which an order is not ours. A code is never reused for another meaning."""

    TEST = "test"
    LEFT_OUT = "left_out"
    TOO_OLD = "too_old"
    STATUS_EXCLUDED = "status_excluded"
    OTHER_LOCATION = "other_location"
    NO_LOCATION = "no_location"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"


REFUSALS: dict[RefusalCode, str] = {
    RefusalCode.TEST: "It is a test order",
    RefusalCode.LEFT_OUT: "It was left out when the channel went live",
    RefusalCode.TOO_OLD: "It was placed {days} days before its import, and the first import reaches back {limit}",
    RefusalCode.STATUS_EXCLUDED: "The channel's policy imports no orders that are {status}",
    RefusalCode.OTHER_LOCATION: "The store assigned it to a location that is not ours",
    RefusalCode.NO_LOCATION: "The store assigned it to no location",
    RefusalCode.WITHDRAWN: "The store took its request back",
    RefusalCode.DECLINED: "The store's request was rejected",
}
BRING_IN = "Bring it in with `crossdock order bring-in`, or change the channel's policy."


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


class Refusal(Value):
    """Why an order is stored and not ours, as the operator reads it."""

    code: RefusalCode
    sentence: str
    next_action: str


def refusal(code: RefusalCode, **quantities: object) -> Refusal:
    """Make a refusal from the catalogue. Raises KeyError when a quantity that its sentence needs is missing."""
    return Refusal(code=code, sentence=REFUSALS[code].format(**quantities), next_action=BRING_IN)
