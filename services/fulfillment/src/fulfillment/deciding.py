"""What a person decides of a write that nobody else can settle."""

from typing import Any, Literal
from uuid import UUID

from crossdock.messaging.transaction import Tx
from crossdock.service.errors import Problem, not_found
from fulfillment.desks import Desks
from fulfillment.domain.desk import Answer
from fulfillment.domain.writes import Done, Failed, Outcome
from fulfillment.recording import tell
from fulfillment.store import writes

Decision = Literal["done", "retry", "give_up"]
STATES: dict[Decision, str] = {"done": "done", "retry": "pending", "give_up": "failed"}
SAID: dict[Decision, str] = {
    "done": "a person found that it had happened",
    "retry": "a person found that it had not happened",
    "give_up": "a person gave it up",
}


async def decide(tx: Tx, write_id: UUID, decision: Decision, external_id: str) -> dict[str, Any]:
    """Settle a write in doubt, or one that failed, as a person says.

    Raises Problem: 404 for an unknown write, 409 when there is nothing to decide, 422 when only the destination can
    tell how many units it stopped.
    """
    order_id = await writes.order_of(tx, write_id)
    if order_id is None:
        raise not_found("write-back", write_id, "List those to decide with GET /write-backs?state=in_doubt.")
    held = await Desks.lock(tx, [order_id], create=False)
    write = await writes.lock_write(tx, write_id)
    allowed = ("in_doubt", "failed") if write.kind in ("tracking", "tag", "answer") else ("in_doubt",)
    if write.state not in allowed:
        next_step = "Answer the rejection with `crossdock order retry`." if write.state == "failed" else ""
        raise Problem(409, "nothing_to_decide", f"Write-back {write_id} is {write.state}.", next_step)
    if write.kind == "cancel" and decision == "done":
        raise Problem(
            422,
            "quantities_unknown",
            "Only the destination can say how many units a cancellation stopped.",
            "Choose retry: it is asked again, and its answer counts.",
        )
    evidence = {"at": tx.now.isoformat(), "how": "person", "note": SAID[decision]}
    await writes.decide(tx, write_id, STATES[decision], "" if decision == "done" else SAID[decision], evidence)
    outcome = _outcome(write, decision, external_id)
    if outcome is not None:
        tell(tx, held, write, outcome, write.traceparent)
    await held.save()
    return {"id": write_id, "state": STATES[decision]}


def _outcome(write: Any, decision: Decision, external_id: str) -> Outcome | None:
    if decision == "retry":
        return None
    if decision == "give_up":
        return Failed(f"{SAID[decision].capitalize()}.")
    answer = Answer("accepted", write.revision, external_id=external_id, evidence=SAID[decision])
    return Done(external_id, SAID[decision], adopted=True, answer=answer if write.kind == "submit" else None)
