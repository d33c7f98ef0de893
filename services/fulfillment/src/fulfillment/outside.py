"""One call to the outside, or one look at it, for a write that was claimed. Opens no transaction, raises nothing.

Whatever the other side does ends as one of four outcomes, decided by the type of the error and never by its text.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from crossdock.channels.errors import (
    AlreadyDone,
    AuthExpired,
    ChannelError,
    Permanent,
    RateLimited,
    Retryable,
    Unknown,
    Unsupported,
)
from crossdock.channels.protocols import (
    ChannelAccess,
    FulfillmentProvider,
    RequestAnswer,
    RequestLine,
    ShipmentLine,
    ShipmentNotice,
    ShipmentSink,
    ShipRequest,
    TagSink,
)
from crossdock.channels.registry import UnknownChannelKind, connector
from crossdock.channels.serving import ReplyState, RequestAnswerer, RequestReply
from crossdock.service.access import AccessClient
from fulfillment.domain.desk import Answer, reference_of
from fulfillment.domain.protocol import is_elsewhere, is_wanted
from fulfillment.domain.recipe import OddParcel, line_units
from fulfillment.domain.units import NONE, Units, units_of
from fulfillment.domain.writes import Again, Done, Doubt, Failed, Outcome, Withdrawn, after_look
from fulfillment.store.desks import order_of

TOKEN_REFUSED_SECONDS = 60.0
"""Wait after a fresh token was refused too: the channel's credentials need a person."""


async def send(access: AccessClient, write: Any, seconds: float) -> Outcome:
    """Carry out a write; at most so many seconds."""
    try:
        refusal = _refusal(write)
        if refusal is not None:
            return refusal
        async with asyncio.timeout(seconds):
            outcome: Outcome = await _with_fresh_token(access, write, _CALLS[write.kind])
            return outcome
    except TimeoutError:
        return Doubt(f"{write.channel_name} did not answer within {seconds:g} seconds")
    except Exception as error:
        return outcome_of(error, write)


async def look(access: AccessClient, write: Any, seconds: float, patience: float) -> Outcome:
    """Find out what became of a write in doubt. A look that fails leaves the doubt as it is."""
    try:
        async with asyncio.timeout(seconds):
            found, strong, note = await _with_fresh_token(access, write, _LOOKS[write.kind])
    except (ChannelError, UnknownChannelKind) as error:
        found, strong, note = None, False, f"{write.channel_name} could not be asked: {error}"
    except Exception as error:
        found, strong, note = None, False, f"{write.channel_name} could not be asked ({type(error).__name__})"
    return after_look(
        found, strong=strong, note=note, looks=write.look_count, doubted_for=write.doubted_for, patience=patience
    )


async def standing(access: AccessClient, where: Any, seconds: float) -> str | None:
    """How a request stands at its destination, in words; None when that cannot be found out now."""
    try:
        async with asyncio.timeout(seconds):
            said = await _with_fresh_token(access, where, _status)
    except (ChannelError, UnknownChannelKind, TimeoutError):
        return None
    name = where.channel_name
    return f"{name} knows no such request" if said is None else f"{name} says that the request is {said.state}"


def outcome_of(error: Exception, write: Any) -> Outcome:
    """What an error of a call means. One that has no type may have come after the bytes left: it is a doubt."""
    match error:
        case RateLimited(sentence, after):
            return Again(after, sentence, channel_waits=True)
        case Retryable(sentence, after):
            return Again(after, sentence)
        case AuthExpired(sentence):
            return Again(TOKEN_REFUSED_SECONDS, sentence, channel_waits=True)
        case AlreadyDone(sentence, external_id):
            answer = Answer("accepted", write.revision, external_id=external_id) if write.kind == "submit" else None
            return Done(external_id, sentence, adopted=True, answer=answer)
        case Permanent() | Unsupported():
            return Failed(error.sentence)
        case UnknownChannelKind():
            return Failed(f"{error}: install the connector, then retry.")
        case Unknown(sentence):
            return Doubt(sentence)
        case _:
            return Doubt(f"The call to {write.channel_name} broke off ({type(error).__name__})")


def _refusal(write: Any) -> Outcome | None:
    """Why a write is not sent at all, if there is a reason."""
    if not write.connected:
        return Failed(f"Channel {write.channel_name} was disconnected: connect it again, then retry.")
    if write.kind != "submit":
        return None
    if not is_wanted(order_of(write.order_state), units_of(write.units)):
        return Withdrawn("It was not sent: the order was cancelled, held or reduced before.")
    if is_elsewhere(write.asked_address, write.address):
        return Withdrawn("It was not sent: the delivery address changed before.")
    if write.recipient is None:
        return Failed("The recipient was redacted before the request was sent.")
    return None


async def _with_fresh_token(
    access: AccessClient, write: Any, call: Callable[[ChannelAccess, Any, Any], Awaitable[Any]]
) -> Any:
    """Do it, and once more with another token when the first one is no longer accepted."""
    channel = connector(write.channel_kind)
    try:
        return await call(await access.channel(write.channel_id), channel, write)
    except AuthExpired:
        access.forget(write.channel_id)
        return await call(await access.channel(write.channel_id), channel, write)


async def _status(access: ChannelAccess, channel: Any, where: Any) -> RequestAnswer | None:
    answer: RequestAnswer | None = await _able(channel, FulfillmentProvider, where).status(access, where.reference)
    return answer


async def _submit(access: ChannelAccess, channel: Any, write: Any) -> Outcome:
    provider = _able(channel, FulfillmentProvider, write)
    lines = tuple(RequestLine(**line) for line in write.payload["lines"])
    recipient = flat_recipient(write.recipient)
    request = ShipRequest(
        reference_of(write.order_id, write.revision),
        write.payload["number"],
        recipient,
        lines,
        **_promised(write.payload),
    )
    return _submitted(write, await provider.submit(access, request))


def _promised(payload: dict[str, Any]) -> dict[str, Any]:
    """What was promised to the buyer, as a request keeps it; an older one keeps nothing of it."""
    told: dict[str, Any] = {"service": payload.get("service", "")}
    for name in ("ship_by", "deliver_by"):
        if name in payload:
            told[name] = datetime.fromisoformat(payload[name])
    return told


async def _cancel(access: ChannelAccess, channel: Any, write: Any) -> Outcome:
    provider = _able(channel, FulfillmentProvider, write)
    said = await provider.cancel(access, write.request_id, reference_of(write.order_id, write.revision))
    if said.state == "refused":
        return Done(said.external_id, answer=Answer("refused", write.revision, reason=said.reason))
    if said.state == "cancelled" and said.cancelled:
        return _cancelled(write, said)
    return Doubt(f"{write.channel_name} did not say which units it stopped")


async def _push(access: ChannelAccess, channel: Any, write: Any) -> Outcome:
    receipt = await _able(channel, ShipmentSink, write).push_shipment(access, notice_of(write))
    return Done(receipt.external_id, adopted=receipt.adopted)


async def _tag(access: ChannelAccess, channel: Any, write: Any) -> Outcome:
    sink = _able(channel, TagSink, write)
    await sink.add_tag(access, write.payload["order_external_id"], write.payload["tag"])
    return Done()


async def _answer_request(access: ChannelAccess, channel: Any, write: Any) -> Outcome:
    return _answered(await _able(channel, RequestAnswerer, write).answer_request(access, RequestReply(**write.payload)))


async def _look_for_request(access: ChannelAccess, channel: Any, write: Any) -> tuple[Done | None, bool, str]:
    reference = reference_of(write.order_id, write.revision)
    said = await _able(channel, FulfillmentProvider, write).status(access, reference)
    if said is None:
        return None, True, f"{write.channel_name} knows no request {reference}: it is sent again"
    note = f"{write.channel_name} has request {reference}: {said.state}"
    return _submitted(write, said, note), True, note


async def _look_for_cancellation(access: ChannelAccess, channel: Any, write: Any) -> tuple[Done | None, bool, str]:
    reference = reference_of(write.order_id, write.revision)
    said = await _able(channel, FulfillmentProvider, write).status(access, reference)
    if said is None:
        reason = f"{write.channel_name} knows no request {reference}"
        return Done(note=reason, answer=Answer("refused", write.revision, reason=reason)), True, reason
    note = f"{write.channel_name} has request {reference}: {said.state}"
    if said.state == "cancelled":
        return _cancelled(write, said, note), True, note
    if said.state == "rejected":
        return _submitted(write, said, note), True, note
    return None, True, f"{note}: it is asked again to stop"


async def _look_for_parcel(access: ChannelAccess, channel: Any, write: Any) -> tuple[Done | None, bool, str]:
    evidence = await _able(channel, ShipmentSink, write).find_shipment(access, notice_of(write))
    if evidence.found is None:
        return None, evidence.strong, evidence.note
    if not evidence.strong and evidence.found.external_id in write.taken:
        return None, False, f"{evidence.note}; what was found belongs to another parcel of the order"
    return Done(evidence.found.external_id, evidence.note, adopted=True), evidence.strong, evidence.note


async def _look_for_tag(access: ChannelAccess, channel: Any, write: Any) -> tuple[Done | None, bool, str]:
    sink = _able(channel, TagSink, write)
    evidence = await sink.find_tag(access, write.payload["order_external_id"], write.payload["tag"])
    found = None if evidence.found is None else Done(note=evidence.note, adopted=True)
    return found, evidence.strong, evidence.note


async def _look_for_answer(access: ChannelAccess, channel: Any, write: Any) -> tuple[Done | None, bool, str]:
    found = await _able(channel, RequestAnswerer, write).find_answer(access, RequestReply(**write.payload))
    return None if found.state == "open" else _answered(found), True, found.note


def _answered(found: ReplyState) -> Done:
    overtaken = found.state == "overtaken"
    return Done(note=found.note, adopted=found.state == "found", overtaken=overtaken)


_CALLS: dict[str, Callable[[ChannelAccess, Any, Any], Awaitable[Outcome]]] = {
    "submit": _submit,
    "cancel": _cancel,
    "tracking": _push,
    "tag": _tag,
    "answer": _answer_request,
}
_LOOKS: dict[str, Callable[[ChannelAccess, Any, Any], Awaitable[tuple[Done | None, bool, str]]]] = {
    "submit": _look_for_request,
    "cancel": _look_for_cancellation,
    "tracking": _look_for_parcel,
    "tag": _look_for_tag,
    "answer": _look_for_answer,
}


def notice_of(write: Any) -> ShipmentNotice:
    """What the channel that sold is told of a parcel; whether it tells the customer is as the policy says by now."""
    lines = tuple(ShipmentLine(**line) for line in write.payload["lines"])
    return ShipmentNotice(**(write.payload | {"lines": lines, "notify_customer": write.notify_customer}))


def flat_recipient(recipient: dict[str, Any]) -> dict[str, Any]:
    """A recipient as a destination reads it: the address and how to reach the customer, nothing else."""
    address = recipient.get("address") or {}
    return address | {"email": recipient.get("email", ""), "note": recipient.get("note", "")}


def _able(channel: Any, protocol: type, write: Any) -> Any:
    if not isinstance(channel, protocol):
        raise Unsupported(f"Channels of kind {write.channel_kind} cannot do this: do it by hand, then decide.")
    return channel


def _submitted(write: Any, said: RequestAnswer, note: str = "") -> Done:
    kind = {"accepted": "accepted", "cancelled": "cancelled"}.get(said.state, "rejected")
    reason = said.reason or ("no reason was given" if kind == "rejected" else "")
    answer = _answer(write, kind, said, reason, note)
    return Done(said.external_id, note, adopted=bool(note), answer=answer)


def _cancelled(write: Any, said: RequestAnswer, note: str = "") -> Done:
    answer = _answer(write, "cancelled", said, said.reason, note)
    return Done(said.external_id, note, adopted=bool(note), answer=answer)


def _answer(write: Any, kind: Any, said: RequestAnswer, reason: str, note: str) -> Answer:
    """What a destination said, in order-line units; with a `note` it was read by a look, as totals."""
    stopped = _units(write, said.cancelled)
    return Answer(kind, write.revision, stopped, reason, said.external_id, evidence=note, in_all=bool(note))


def _units(write: Any, lines: tuple[RequestLine, ...]) -> Units:
    """SKU units of an answer as order-line units. Raises Unknown when they cannot be read: a person must look."""
    recipes = tuple((line, tuple(sorted(recipe.items()))) for line, recipe in sorted((write.recipes or {}).items()))
    try:
        return line_units(((line.line_id, line.sku, line.quantity) for line in lines), recipes) if lines else NONE
    except OddParcel as odd:
        raise Unknown(f"{write.channel_name} named units that cannot be read: {odd}") from None
