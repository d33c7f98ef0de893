"""The reducer of one order: (desk, fact) → (desk, what to tell). Guards the rules of the order protocol by their names.

Every fact may come in any order and any number of times; what is not newer, or known by its id, changes nothing.
"""

from dataclasses import replace

from fulfillment.domain.desk import (
    NOTHING,
    Accepted,
    Answer,
    Delivered,
    Delivery,
    Desk,
    DestinationFound,
    Dismissed,
    Dispatched,
    Fact,
    Knowledge,
    OrderState,
    RecipientKnown,
    Rejected,
    Requested,
    Reservation,
    Revision,
    Settled,
    Settlement,
    Shipment,
    StopAsked,
    Tagging,
    Tell,
    Void,
    Voided,
)
from fulfillment.domain.recipe import recipes_for, recipes_learnt
from fulfillment.domain.units import Units, above, minus, most, over, plus, total


def react(desk: Desk, fact: Fact) -> tuple[Desk, list[Tell]]:
    """Learn a fact and do what the newest state then asks for."""
    learnt, told = learn(desk, fact)
    if learnt == desk:
        return desk, told
    learnt, more = advance(learnt)
    return learnt, told + more


def learn(desk: Desk, fact: Fact) -> tuple[Desk, list[Tell]]:
    """Take a fact in; a desk that is not changed means that the fact was known, or older than what is known."""
    match fact:
        case OrderState():
            if fact.order_version <= desk.order.order_version:
                return desk, []
            anew = fact.tag and fact.tag != desk.order.tag
            return replace(desk, order=fact), [Tagging(fact.tag)] if anew else []
        case Reservation():
            if fact.version <= desk.reservation.version:
                return desk, []
            return replace(desk, reservation=fact, recipes=recipes_learnt(desk.recipes, fact)), []
        case RecipientKnown():
            return learn_recipient(desk, fact), []
        case Answer():
            return learn_fate(desk, fact)
        case Shipment():
            return learn_shipment(desk, fact)
        case Void():
            return learn_void(desk, fact)
        case Delivery():
            if any(known.id == fact.id for known in desk.deliveries):
                return desk, []
            return replace(desk, deliveries=(*desk.deliveries, fact)), [Delivered(fact)]
        case DestinationFound():
            return replace(desk, destination=fact.destination), []
        case Dismissed():
            return replace(desk, doubted=tuple(one for one in desk.doubted if one.id != fact.id)), []


def learn_recipient(desk: Desk, fact: RecipientKnown) -> Desk:
    """The newest version wins; a redaction is final, whatever its version: its tombstone refuses personal data."""
    if fact.redacted:
        newest = max(fact.version, desk.recipient_version)
        return replace(forget_addresses(desk), recipient_version=newest, recipient=False, redacted=True)
    if desk.redacted or fact.version <= desk.recipient_version:
        return desk
    return replace(desk, recipient_version=fact.version, recipient=True, address=fact.address)


def forget_addresses(desk: Desk) -> Desk:
    """The desk without fingerprints: whoever guesses an address could prove by one that it was the recipient's."""
    return replace(
        desk,
        address="",
        revisions=tuple(replace(one, address="", asked_at=(*one.asked_at[:2], "")) for one in desk.revisions),
        settlement=replace(desk.settlement, refused_address=""),
    )


def learn_fate(desk: Desk, answer: Answer) -> tuple[Desk, list[Tell]]:
    """Take the destination's answer on a revision; `rejected` and `closed` are final."""
    number = answer.revision
    revision = desk.revisions[number - 1]
    revision = replace(revision, external_id=revision.external_id or answer.external_id)
    stopped = stopped_by(desk, answer)
    told: list[Tell] = []
    match answer.kind, revision.fate:
        case "accepted", "sent":
            revision, told = replace(revision, fate="accepted"), [Accepted(number, answer.evidence)]
        case "rejected", ("sent" | "accepted" | "cancelling"):
            revision, told = rejected(revision, number, revision.units, answer.reason)
        case "cancelled", ("sent" | "accepted" | "cancelling") if revision.asked_at == NOTHING:
            # Nobody asked for it. Asking again at once would go on for ever: it needs an answer, as a rejection does.
            reason = answer.reason or "it cancelled the request by itself"
            revision, told = rejected(revision, number, stopped, reason)
        case "cancelled", ("sent" | "accepted" | "cancelling"):
            revision = replace(revision, fate="closed", cancelled=stopped)
        case "withdrawn", "sent":
            revision = replace(revision, fate="closed", cancelled=revision.units)
        case "refused", "cancelling":
            revision = replace(revision, fate="accepted", reason=answer.reason)
    return with_revision(desk, number, revision), told


def stopped_by(desk: Desk, answer: Answer) -> Units:
    """What a cancellation stopped, per line, without what had come back for good before: that is counted already."""
    known = voided_for_good(desk, answer.revision) if answer.in_all else desk.revisions[answer.revision - 1].written_off
    return above(answer.cancelled, known)


def rejected(revision: Revision, number: int, stopped: Units, reason: str) -> tuple[Revision, list[Tell]]:
    """A revision that its destination will not ship, and the word that somebody must answer."""
    return replace(revision, fate="rejected", cancelled=stopped, reason=reason), [Rejected(number, reason)]


def learn_shipment(desk: Desk, shipment: Shipment) -> tuple[Desk, list[Tell]]:
    """Count a shipment, or doubt it while it says more than was asked: its void may be on its way."""
    if any(known.id == shipment.id for known in (*desk.shipments, *desk.doubted)):
        return desk, []
    doubted = tuple(sorted((*desk.doubted, shipment), key=lambda one: one.id))
    return count_what_fits(replace(desk, doubted=doubted))


def learn_void(desk: Desk, void: Void) -> tuple[Desk, list[Tell]]:
    """Note a void, known by the id of its shipment, which may come later."""
    if any(known.id == void.id for known in desk.voids):
        return desk, []
    desk, told = count_what_fits(replace(desk, voids=(*desk.voids, void)))
    return desk, [Voided(void), *told]


def count_what_fits(desk: Desk) -> tuple[Desk, list[Tell]]:
    """Count every doubted shipment that, with those counted, stays within what was asked and not cancelled."""
    told: list[Tell] = []
    gone = {void.id for void in desk.voids}
    for shipment in desk.doubted:
        if shipment.id in gone or not over(
            minus(plus(shipped_under(desk, shipment.revision), shipment.units), may_leave(desk, shipment.revision))
        ):
            desk = replace(
                desk,
                shipments=(*desk.shipments, shipment),
                doubted=tuple(one for one in desk.doubted if one.id != shipment.id),
            )
            told.append(Dispatched(shipment, voided=shipment.id in gone))
    return desk, told


def committed(desk: Desk) -> Units:
    """Per line: what has left or may yet leave under any revision."""
    return total(committed_under(desk, number) for number in range(1, len(desk.revisions) + 1))


def committed_under(desk: Desk, number: int) -> Units:
    """Per line: what was asked and not cancelled, less what came back for good, and never less than what has left."""
    revision = desk.revisions[number - 1]
    stands = minus(minus(revision.units, revision.cancelled), voided_for_good(desk, number))
    return most(stands, shipped_under(desk, number))


def may_leave(desk: Desk, number: int) -> Units:
    """Per line: how much the destination may ship under a revision. One that rejected may yet say that goods left."""
    revision = desk.revisions[number - 1]
    return revision.units if revision.fate == "rejected" else committed_under(desk, number)


def shipped_under(desk: Desk, number: int) -> Units:
    """Per line: what has left under a revision and was not voided."""
    gone = {void.id for void in desk.voids}
    return total(s.units for s in desk.shipments if s.revision == number and s.id not in gone)


def voided_for_good(desk: Desk, number: int) -> Units:
    """Per line: what left under a revision, came back, and will not be shipped again."""
    gone = {void.id for void in desk.voids if not void.reship}
    return total(s.units for s in desk.shipments if s.revision == number and s.id in gone)


def knowledge(desk: Desk) -> Knowledge:
    """What is known when a cancellation is asked: news of any kind is a reason to ask again."""
    return desk.order.content_version, len(desk.voids), desk.address


def is_elsewhere(asked: str, known: str) -> bool:
    """Does a request for one address (fingerprints) not go where the order goes by now? Not if either is unknown."""
    return bool(asked and known) and asked != known


def is_misdirected(desk: Desk, number: int) -> bool:
    """May goods yet leave under a revision to an address that the order no longer has?"""
    revision = desk.revisions[number - 1]
    if revision.fate != "accepted" or desk.order.cancelled or not is_elsewhere(revision.address, desk.address):
        return False
    return bool(over(minus(committed_under(desk, number), shipped_under(desk, number))))


def is_wanted(order: OrderState, units: Units) -> bool:
    """May a request that has not left yet still go? Not when its order is cancelled, held, or wants less by now."""
    return not order.cancelled and not order.holds and not over(minus(units, order.wanted))


def is_writing(desk: Desk) -> bool:
    """Is a write to the destination under way? One at a time: no cancel before the request's fate is known."""
    return any(revision.fate in ("sent", "cancelling") for revision in desk.revisions)


def advance(desk: Desk) -> tuple[Desk, list[Tell]]:
    """Do what the newest state asks for: cancel what is too much or goes to an old address, settle, request what is
    missing."""
    order = desk.order
    if order.order_version == 0 or is_writing(desk):
        return desk, []
    firm = committed(desk)
    excess = over(minus(firm, order.wanted))
    for number in range(len(desk.revisions), 0, -1):  # newest revision first
        revision = desk.revisions[number - 1]
        if revision.fate != "accepted" or revision.asked_at == knowledge(desk):
            continue
        if excess & over(minus(revision.units, shipped_under(desk, number))) or is_misdirected(desk, number):
            asked = replace(
                revision, fate="cancelling", asked_at=knowledge(desk), written_off=voided_for_good(desk, number)
            )
            return with_revision(desk, number, asked), [StopAsked(number)]
    desk, told = settle(desk, firm, refused=bool(excess))
    missing = above(order.wanted, firm)
    if missing and may_request(desk):
        new = Revision(missing, desk.destination, recipes=recipes_for(missing, desk), address=desk.address)
        desk = replace(desk, revisions=(*desk.revisions, new))
        told.append(Requested(len(desk.revisions)))
    return desk, told


def settle(desk: Desk, firm: Units, *, refused: bool) -> tuple[Desk, list[Tell]]:
    """Settle every cancellation and every content version above the first, again whenever what stands has changed; and
    every address to which a request that was asked to stop will not go."""
    order = desk.order
    standing = most(order.wanted, firm)
    known = desk.settlement
    misdirected = tuple(number for number in range(1, len(desk.revisions) + 1) if is_misdirected(desk, number))
    address = desk.address if misdirected else known.refused_address
    due = order.cancelled or order.content_version > 1
    stands_anew = due and (order.content_version, standing) != (known.content_version, known.standing)
    if not stands_anew and address == known.refused_address:
        return desk, []
    new = Settlement(known.settlement_version + 1, order.content_version, standing, address)
    return replace(desk, settlement=new), [Settled(new, refused or bool(misdirected), misdirected)]


def may_request(desk: Desk) -> bool:
    """Is everything there that a request needs, and is every rejection answered?"""
    return lacks(desk) == "" and desk.destination != ""


def lacks_only_destination(desk: Desk) -> bool:
    """Would a request go out if there were a destination for it?"""
    if desk.destination or lacks(desk) or is_writing(desk):
        return False
    return bool(over(minus(desk.order.wanted, committed(desk))))


def lacks(desk: Desk) -> str:
    """What a request of this order still waits for besides a destination, in words; blank when nothing."""
    order = desk.order
    rejections = [number for number, revision in enumerate(desk.revisions, 1) if revision.fate == "rejected"]
    if order.order_version == 0:
        return "the order itself"
    if order.cancelled:
        return "nothing: the order is cancelled"
    if order.holds:
        return "its holds to be released"
    if max(rejections, default=0) > order.answered:
        return f"somebody to answer the rejection of request {max(rejections)}"
    if desk.reservation.content_version != order.content_version:
        return "its stock to be reserved"
    return "" if desk.recipient else "its recipient"


def with_revision(desk: Desk, number: int, revision: Revision) -> Desk:
    """The desk with one revision replaced."""
    revisions = (*desk.revisions[: number - 1], revision, *desk.revisions[number:])
    return replace(desk, revisions=revisions)
