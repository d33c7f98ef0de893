"""The fates of calls and looks become rows, facts of the protocol and events, in one transaction."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from crossdock.contracts.fulfillment import (
    ChannelRequestAnswered,
    ChannelRequestFailed,
    OrderTagFailed,
    OrderTagged,
    TrackingFailed,
    TrackingWritten,
)
from crossdock.messaging.transaction import Tx
from fulfillment.desks import Desks, removal_needed
from fulfillment.domain.desk import Answer
from fulfillment.domain.writes import Again, Done, Doubt, Failed, Outcome, Withdrawn, wait_before
from fulfillment.store import channels, writes
from fulfillment.store.writes import Fate


class Result(NamedTuple):
    """A claimed write, what was done about it, what came of it, and the trace of the call."""

    write: Any
    how: Literal["call", "look"]
    outcome: Outcome
    trace: str


async def record(tx: Tx, results: Sequence[Result]) -> None:
    """Write the fates whose lease still holds, and tell what follows from them."""
    held = await Desks.lock(tx, (result.write.order_id for result in results), create=False)
    await held.protect(result.write.order_id for result in results if _quotes(result.outcome))
    kept = await writes.record(tx, [fate_of(tx, result) for result in results])
    waits: dict[bool, dict[Any, float]] = {True: {}, False: {}}
    for result in results:
        if result.write.id in kept:
            tell(tx, held, result.write, result.outcome, result.trace)
        if isinstance(result.outcome, Again) and result.outcome.channel_waits:
            resting, channel_id = waits[result.write.kind == "tag"], result.write.channel_id
            resting[channel_id] = max(resting.get(channel_id, 0.0), result.outcome.after)
    await held.save()
    for tags, resting in waits.items():
        if resting:
            await channels.rest(tx, resting.items(), tags_alone=tags)


def _quotes(outcome: Outcome) -> bool:
    """Whether an outcome may hold what the other side wrote."""
    return isinstance(outcome, Failed) or (
        isinstance(outcome, Done) and outcome.answer is not None and bool(outcome.answer.reason)
    )


def fate_of(tx: Tx, result: Result) -> Fate:
    """An outcome as a row keeps it."""
    write, how, outcome, _ = result
    at = {"at": tx.now.isoformat(), "how": how}
    match outcome:
        case Done(external_id, note):
            evidence = at | {"note": note} if note else None
            return Fate(write.id, write.lease_token, "done", 0.0, "", external_id, evidence)
        case Again(after, note, channel_waits):
            seconds = after if channel_waits or how == "look" else wait_before(write.attempt, after)
            evidence = at | {"note": note} if how == "look" else None
            return Fate(write.id, write.lease_token, "pending", seconds, note, "", evidence)
        case Doubt(note, after, needs_person):
            return Fate(write.id, write.lease_token, "in_doubt", after, note, "", at | {"note": note}, needs_person)
        case Failed(reason) | Withdrawn(reason):
            return Fate(write.id, write.lease_token, "failed", 0.0, reason, "", at | {"note": reason})


def tell(tx: Tx, held: Desks, write: Any, outcome: Outcome, trace: str) -> None:
    """Let the desk learn what a destination answered, and tell how the tracking of a parcel stands; all in `trace`."""
    if write.kind == "answer":
        return tell_answer(tx, held, write, outcome, trace)
    if write.kind == "tracking":
        return tell_tracking(tx, held, write, outcome, trace)
    if write.kind == "tag":
        return tell_tag(tx, held, write, outcome, trace)
    match outcome:
        case Withdrawn():
            held.learn(write.order_id, Answer("withdrawn", write.revision), trace=trace)
        case Done(answer=Answer() as answer):
            held.learn(write.order_id, answer, trace=trace)
        case Failed(reason):
            kind: Literal["rejected", "refused"] = "rejected" if write.kind == "submit" else "refused"
            held.learn(write.order_id, Answer(kind, write.revision, reason=reason), trace=trace)
    return None


def tell_tracking(tx: Tx, held: Desks, write: Any, outcome: Outcome, trace: str) -> None:
    """How the tracking of one parcel stands, for the order's timeline."""
    about = {"order_id": write.order_id, "shipment_id": write.shipment_id, "package_ref": write.package_ref}
    if isinstance(outcome, Done):
        told = {"external_fulfillment_id": outcome.external_id, "adopted": outcome.adopted, "evidence": outcome.note}
        tx.publish(TrackingWritten(**about, **told), trace=trace)
        if any(void.id == write.shipment_id for void in held.held[write.order_id].voids):
            tx.publish(removal_needed(write), trace=trace)
    elif (why := trouble(held, write, outcome, "the channel knows the parcel")) is not None:
        tx.publish(TrackingFailed(reason=why, **about), trace=trace)


def tell_tag(tx: Tx, held: Desks, write: Any, outcome: Outcome, trace: str) -> None:
    """How the tag of an order stands, for its timeline; it holds nothing up."""
    about = {"order_id": write.order_id, "tag": write.payload["tag"]}
    if isinstance(outcome, Done):
        tx.publish(OrderTagged(adopted=outcome.adopted, evidence=outcome.note, **about), trace=trace)
    elif (why := trouble(held, write, outcome, "the order has the tag")) is not None:
        tx.publish(OrderTagFailed(reason=why, **about), trace=trace)


def tell_answer(tx: Tx, held: Desks, write: Any, outcome: Outcome, trace: str) -> None:
    """How our answer to a merchant's request stands, for the order's timeline."""
    about = {"order_id": write.order_id} | {name: write.payload[name] for name in ("route_id", "request_id", "answer")}
    if isinstance(outcome, Done):
        told = {"adopted": outcome.adopted, "overtaken": outcome.overtaken, "evidence": outcome.note}
        tx.publish(ChannelRequestAnswered(**about, **told), trace=trace)
    elif (why := trouble(held, write, outcome, "the channel knows the answer")) is not None:
        tx.publish(ChannelRequestFailed(reason=why, **about), trace=trace)


def trouble(held: Desks, write: Any, outcome: Outcome, unknown: str) -> str | None:
    """Why a person has to look at a write, if this outcome is the first to say so; `unknown` is what nobody can tell
    of one in doubt."""
    match outcome:
        case Failed(reason):
            return held.private(write.order_id, reason)
        case Doubt(note, needs_person=True) if not write.needs_person:
            return f"Nobody can tell whether {unknown}: {note}. Look there, then decide."
    return None
