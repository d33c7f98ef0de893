"""The named rules that keep the protocol sound (DESIGN.md §3.1), each with a way to leave it out of the services.

A rule is left out by wrapping the one function of a service that keeps it; all else stays as it is. A rule whose
absence breaks nothing in the world named here is either not a rule or not kept where this says.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from protocol.search import Found, bfs, shortened, walk
from protocol.worlds import STORIES, world_of

import inventory.handlers
from crossdock.channels.shopify import quantities
from crossdock.contracts.fulfillment import FulfillmentCancelRefused
from fulfillment.domain import protocol
from fulfillment.domain.units import NONE
from inventory.domain import claims
from inventory.domain.stock import Movement
from order_ingest.domain import fold, milestones, steps

Patch = Callable[[pytest.MonkeyPatch], None]


class Rule(NamedTuple):
    """What the rule says, where it is kept, how it is left out, and a world that does not bear that."""

    sentence: str
    kept_in: str
    leave_out: Patch
    world: str


def _wrap(module: Any, name: str, wrapper: Callable[..., Any]) -> Patch:
    """Replace a function by one that is called with the original first."""
    original = getattr(module, name)
    return lambda patch: patch.setattr(module, name, lambda *args, **named: wrapper(original, *args, **named))


# ------------------------------------------------------------------ fulfillment
def _settle_only_requests(settle: Any, desk: Any, firm: Any, *, refused: bool) -> Any:
    return settle(desk, firm, refused=refused) if desk.revisions else (desk, [])


def _settle_at_wanted(settle: Any, desk: Any, firm: Any, *, refused: bool) -> Any:
    return settle(desk, NONE, refused=refused)


def _mark_when_refused(learn_fate: Any, desk: Any, answer: Any) -> Any:
    after, told = learn_fate(desk, answer)
    if answer.kind != "refused":
        return after, told
    revision = replace(after.revisions[answer.revision - 1], asked_at=protocol.knowledge(desk))
    return protocol.with_revision(after, answer.revision, revision), told


def _without_rejections(lacks: Any, desk: Any) -> Any:
    return lacks(replace(desk, order=replace(desk.order, answered=len(desk.revisions))))


def _any_reservation(lacks: Any, desk: Any) -> Any:
    if not desk.reservation.content_version:
        return lacks(desk)
    same = replace(desk.reservation, content_version=desk.order.content_version)
    return lacks(replace(desk, reservation=same))


def _closed_is_what_shipped(committed_under: Any, desk: Any, number: int) -> Any:
    closed = desk.revisions[number - 1].fate == "closed"
    return protocol.shipped_under(desk, number) if closed else committed_under(desk, number)


def _hasty(advance: Any, desk: Any) -> Any:
    """Treat what was sent as if it had been accepted."""
    shown = tuple(replace(one, fate="accepted") if one.fate == "sent" else one for one in desk.revisions)
    after, told = advance(replace(desk, revisions=shown))
    back = [
        replace(new, fate="sent") if old is not None and old.fate == "sent" and new.fate == "accepted" else new
        for new, old in zip(after.revisions, (*desk.revisions, *[None] * len(after.revisions)), strict=False)
    ]
    return replace(after, revisions=tuple(back)), told


# ------------------------------------------------------------------ inventory
def _deaf_to_refusals(learn: Any, claim: Any, event: Any) -> Any:
    return (claim, "") if isinstance(event, FulfillmentCancelRefused) else learn(claim, event)


def _newer_content_only(learn_settlement: Any, claim: Any, settlement: Any) -> Any:
    newer = settlement.content_version > claim.settlement.content_version
    return claim._replace(settlement=settlement) if newer else claim


def _give_back_whatever_the_match(give_back: Any, claim: Any, at: Any, cause: str) -> Any:
    if not claim.settlement.settlement_version:
        return give_back(claim, at, cause)
    newest = max(claim.settlement.content_version, claim.match[0])
    shown = claim._replace(settlement=replace(claim.settlement, content_version=newest))
    after, given, moves = give_back(shown, at, cause)
    return after._replace(settlement=claim.settlement), given, moves


def _take_whatever_the_settlement(take: Any, claim: Any, available: Any, at: Any, cause: str) -> Any:
    after, answer, moves = take(claim._replace(settlement=claims.Settlement()), available, at, cause)
    return after._replace(settlement=claim.settlement), answer, moves


def _silent_when_nothing_is_missing(take: Any, claim: Any, available: Any, at: Any, cause: str) -> Any:
    missing = any(item.wanted > item.held + item.consumed for item in claim.items)
    silent = claim.answered != claim.match and claim.reserved and not missing
    return (claim, None, ()) if silent else take(claim, available, at, cause)


def _consume_without_bounds(consume: Any, claim: Any, at: Any, cause: str) -> Any:
    shipped: dict[str, int] = {}
    for shipment in (claim.shipments or {}).values():
        for line, units in shipment.lines.items():
            shipped[line] = shipped.get(line, 0) + units * (shipment.dispatched - shipment.voided)
    items, moves = [], []
    for item in claim.items:
        moved = shipped.get(item.line_id, 0) * item.per_unit - item.consumed
        items.append(replace(item, held=item.held - moved, consumed=item.consumed + moved))
        if moved:
            moves.append(Movement(item.sku, "shipped" if moved > 0 else "voided", cause, at, -moved, -moved))
    return claim._replace(items=tuple(items)), tuple(moves)


# ------------------------------------------------------------------ order-ingest and the connector
def _newest_content_only(take_settlement: Any, order: Any, settlement: Any) -> Any:
    newer = settlement.content_version > order.settlement.content_version
    return take_settlement(order, settlement) if newer else steps.Step(order)


def _believe_the_answer(take_answer: Any, order: Any, *rest: Any) -> Any:
    return take_answer(order._replace(arrived_meanwhile=False), *rest)


def _returns_lower_wanted(settle_line: Any, counts: Any, refunds: Any, shipped: Any) -> Any:
    units = settle_line(counts, refunds, shipped)
    return replace(units, kept=max(units.kept - sum(one.quantity for one in refunds), 0))


def _both(first: Patch, second: Patch) -> Patch:
    def leave_out(patch: pytest.MonkeyPatch) -> None:
        first(patch)
        second(patch)

    return leave_out


RULES = {
    "settle_every_version": Rule(
        "fulfillment settles every content_version above the first, whatever it had seen before",
        "fulfillment protocol.settle", _wrap(protocol, "settle", _settle_only_requests), "unpaid"),
    "standing_not_wanted": Rule(
        "a settlement carries the larger of wanted and of what has left or may yet leave, not the quantity wanted",
        "fulfillment protocol.settle", _wrap(protocol, "settle", _settle_at_wanted), "reduce"),
    "refusal_settles": Rule(
        "a refused cancellation is a settlement too, and inventory consumes it",
        "inventory handlers.learn",
        _wrap(inventory.handlers, "learn", _deaf_to_refusals), "at the 3PL: raise, reduce twice"),
    "settlement_version": Rule(
        "settlements are ordered by settlement_version: one content_version can be settled twice",
        "inventory claims.learn_settlement, order-ingest milestones.take_settlement",
        _both(_wrap(claims, "learn_settlement", _newer_content_only),
              _wrap(milestones, "take_settlement", _newest_content_only)), "void, cancel refused"),
    "settlement_not_older": Rule(
        "inventory gives nothing back on a settlement older than its newest match",
        "inventory claims.give_back", _wrap(claims, "give_back", _give_back_whatever_the_match), "reduce, raise"),
    "settlement_caps_match": Rule(
        "a match older than the settlement takes no more than the settlement leaves standing",
        "inventory claims.take", _wrap(claims, "take", _take_whatever_the_settlement), "cancel"),
    "answer_every_match": Rule(
        "inventory answers every newer match, changed or not",
        "inventory claims.take", _wrap(claims, "take", _silent_when_nothing_is_missing), "reduce"),
    "shipments_stay_inside": Rule(
        "shipments and voids only move units between held and consumed, whose sum they never change",
        "inventory claims.consume", _wrap(claims, "consume", _consume_without_bounds), "void"),
    "void_retries_cancel": Rule(
        "a void after a refused cancellation is a reason to ask again",
        "fulfillment protocol.knowledge",
        _wrap(protocol, "knowledge", lambda known, desk: (known(desk)[0], 0, known(desk)[2])), "void, cancel refused"),
    "old_address_stops": Rule(
        "a request that may yet leave for an address that the order no longer has is stopped, and asked for anew",
        "fulfillment protocol.is_misdirected",
        _wrap(protocol, "is_misdirected", lambda known, desk, number: False), "at the 3PL: move"),
    "address_is_news": Rule(
        "an address learnt since a cancellation was refused is a reason to ask again",
        "fulfillment protocol.knowledge",
        _wrap(protocol, "knowledge", lambda known, desk: (*known(desk)[:2], "")), "at the 3PL: move twice"),
    "mark_when_asked": Rule(
        "what was known when the cancellation was sent decides whether to ask again, not when refused",
        "fulfillment protocol.advance", _wrap(protocol, "learn_fate", _mark_when_refused), "at the 3PL: void, cancel"),
    "rejection_answered": Rule(
        "after a rejection fulfillment asks again only when an order state answers that revision",
        "fulfillment protocol.lacks", _wrap(protocol, "lacks", _without_rejections), "plain"),
    "close_counts": Rule(
        "a cancellation's answer carries, per line, what it cancelled; the rest left or will leave",
        "fulfillment protocol.committed_under",
        _wrap(protocol, "committed_under", _closed_is_what_shipped), "reduce, 3 units"),
    "one_write": Rule(
        "one write per order to the 3PL at a time: no cancel before the request's fate is known",
        "fulfillment protocol.is_writing", _wrap(protocol, "advance", _hasty), "cancel"),
    "returns_keep_wanted": Rule(
        "a refund of shipped units does not lower the wanted quantity",
        "channels.shopify quantities.settle_line",
        _wrap(quantities, "settle_line", _returns_lower_wanted), "return"),
    "refetch_again": Rule(
        "a state that arrives during a re-fetch voids the answer: fetch again",
        "order-ingest fold.take_answer", _wrap(fold, "take_answer", _believe_the_answer), "same second"),
    "reservation_same_version": Rule(
        "request only with a reservation of the order state's own content_version",
        "fulfillment protocol.lacks", _wrap(protocol, "lacks", _any_reservation), "raise"),
}  # fmt: skip


def without(rule: Rule, walks: int, states: int) -> Found:
    """Leave a rule out of its world: walk through it at random, then search it breadth first, till something breaks."""
    with pytest.MonkeyPatch.context() as patch:
        rule.leave_out(patch)
        model, first = world_of(STORIES[rule.world])
        for seed in range(walks):
            found = walk(model, first, random.Random(seed))
            if found.reason:
                return shortened(model, first, found)
        return bfs(model, first, states)
