"""The 3PL's REST API as a fulfillment provider; a look-up by our own reference is strong evidence."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from crossdock.channels.errors import AuthExpired, Permanent, Unknown
from crossdock.channels.http import Answer, call, raise_for_server_trouble
from crossdock.channels.protocols import ChannelAccess, RequestAnswer, RequestLine, ShipRequest
from crossdock.channels.reading import Bad, identifier, key_text, records, text, whole

WHO = "the 3PL"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
_STATES = {"accepted": "accepted", "rejected": "rejected", "cancelled": "cancelled", "refused": "refused"}


async def submit_request(access: ChannelAccess, request: ShipRequest) -> RequestAnswer:
    """Ask to ship. The reference goes along as Idempotency-Key too, for destinations that honour it."""
    body = {
        "reference": request.reference,
        "order_number": request.order_number,
        "recipient": request.recipient,
        "lines": [{"line_id": line.line_id, "sku": line.sku, "quantity": line.quantity} for line in request.lines],
        "note": text(request.recipient.get("note"), 5000),
    } | _promised(request)
    headers = _headers(access) | {"idempotency-key": request.reference}
    answer = await call(access, "POST", "/v1/requests", headers=headers, body=body, write=True, who=WHO)
    _raise_for(answer, write=True)
    if answer.status not in (200, 201, 202):
        raise Permanent(f"{WHO} refused the request with HTTP {answer.status}", f"http_{answer.status}")
    return _answer(answer.json(), write=True)


async def cancel_request(access: ChannelAccess, external_id: str) -> RequestAnswer:
    """Ask to stop whatever has not left; `refused` when the 3PL will not, which is an answer and no error."""
    path = f"/v1/requests/{_path_part(external_id)}/cancel"
    answer = await call(access, "POST", path, headers=_headers(access), body={}, write=True, who=WHO)
    _raise_for(answer, write=True)
    payload = answer.json()
    if answer.status == 409:
        reason = payload.get("reason") if isinstance(payload, Mapping) else None
        told = text(reason, 500) if isinstance(reason, str) else ""
        return RequestAnswer("refused", external_id, told or f"{WHO} refused the cancellation")
    if answer.status not in (200, 202):
        raise Permanent(f"{WHO} answered the cancellation with HTTP {answer.status}", f"http_{answer.status}")
    if not isinstance(payload, Mapping) or payload.get("state") not in _STATES:
        raise Unknown(f"{WHO} answered the cancellation with something else than a state")
    try:
        return RequestAnswer(
            _STATES[payload["state"]],
            external_id,
            text(payload.get("reason"), 500),
            _cancelled(payload.get("cancelled"), "quantity"),
        )
    except Bad as bad:
        raise Unknown(f"{WHO} answered the cancellation with something unreadable: {bad}") from None


async def request_status(access: ChannelAccess, reference: str) -> RequestAnswer | None:
    """How the request of a reference stands, or None when the 3PL does not know it.

    A reference that was taken twice is told by its first living request, and the reason says how many there are.
    """
    answer = await call(
        access, "GET", "/v1/requests", headers=_headers(access), query={"reference": reference}, write=False, who=WHO
    )
    _raise_for(answer, write=False)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Permanent(f"{WHO} answered the look-up with HTTP {answer.status}", f"http_{answer.status}")
    payload = answer.json()
    members = payload.get("requests") if isinstance(payload, Mapping) else payload
    if not isinstance(members, list):
        raise Permanent(f"{WHO} answered the look-up with something else than a list", "unreadable")
    ours = [one for one in members if isinstance(one, Mapping) and one.get("reference") == reference]
    if not ours:
        return None
    found = [_answer(one, write=False) for one in ours]
    first = next((one for one in found if one.state == "accepted"), found[0])
    if len(found) == 1:
        return first
    note = f"{WHO} holds {len(found)} requests with this reference"
    reason = f"{first.reason}; {note}" if first.reason else note
    return RequestAnswer(first.state, first.external_id, reason, first.cancelled)


def _promised(request: ShipRequest) -> dict[str, str]:
    """What was promised to the buyer, as far as it is known; times are ISO 8601 in UTC."""
    times = {"ship_by": request.ship_by, "deliver_by": request.deliver_by}
    told = {name: at.astimezone(UTC).isoformat() for name, at in times.items() if at is not None}
    return {"service": request.service, **told} if request.service else told


def _headers(access: ChannelAccess) -> dict[str, str]:
    return {"authorization": f"Bearer {access.token}"}


def _path_part(external_id: str) -> str:
    if not _ID.fullmatch(external_id) or ".." in external_id:
        raise Permanent(f"the id of the request is none that {WHO} gave", "bad_id")
    return external_id


def _raise_for(answer: Answer, *, write: bool) -> None:
    if answer.status == 401:
        raise AuthExpired(f"{WHO} does not accept the access token: renew it")
    if answer.status == 403:
        raise Permanent(f"{WHO} does not allow this to our account", "forbidden")
    raise_for_server_trouble(answer, write=write, who=WHO)


def _answer(payload: Any, *, write: bool) -> RequestAnswer:
    """One request as the 3PL shows it; `shipped` and the like count as accepted."""
    trouble = Unknown if write else Permanent
    try:
        if not isinstance(payload, Mapping):
            raise Bad("", "the answer is no object")
        external_id = identifier(payload.get("id"), "id")
        if external_id is None:
            raise Bad("id", "is missing")
        state = text(payload.get("state"), 50).lower()
        return RequestAnswer(
            _STATES.get(state, "accepted"),
            external_id,
            text(payload.get("reason"), 500),
            _cancelled(payload.get("lines"), "cancelled"),
        )
    except Bad as bad:
        raise trouble(f"{WHO} answered with something unreadable: {bad}") from None


def _cancelled(value: Any, field: str) -> tuple[RequestLine, ...]:
    lines: list[RequestLine] = []
    for i, line in enumerate(_objects(value)):
        quantity = whole(line.get(field), f"lines[{i}].{field}") or 0
        line_id = identifier(line.get("line_id"), f"lines[{i}].line_id")
        if quantity and line_id:
            lines.append(RequestLine(line_id, key_text(line.get("sku"), f"lines[{i}].sku"), quantity))
    return tuple(lines)


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return records(value, "lines")
