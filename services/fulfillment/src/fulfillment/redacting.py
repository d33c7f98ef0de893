"""Personal data leaves fulfillment: recipients, what outsiders wrote, notices in doubt, and messages that are kept."""

from collections.abc import Collection
from uuid import UUID

from crossdock.contracts.fulfillment import RequestsRedacted
from crossdock.contracts.gateway import FulfillmentWebhookReceived
from crossdock.messaging import redaction
from crossdock.messaging.redaction import Findings, Search
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from fulfillment.desks import Desks
from fulfillment.domain.desk import RecipientKnown
from fulfillment.store import desks, people


async def redact_requests(context: Context) -> bool:
    """Make the next search, and report it."""
    async with context.transaction() as tx:
        search = await redaction.pending(tx)
    if search is None:
        return False
    findings = Findings()
    await redaction.clean_all(context.transaction, search, findings)
    async with context.transaction() as tx:
        await _forget(tx, search, findings)
        await redaction.report(tx, search, findings, RequestsRedacted)
    return True


async def _forget(tx: Tx, search: Search, findings: Findings) -> None:
    """Recipients that `recipient.redacted` has not reached yet are forgotten here, so that the report is true."""
    held = await Desks.lock(tx, search.order_ids, create=False)
    left = await people.recipients_left(tx, search.order_ids)
    for order_id, version in left.items():
        if order_id in held.held:
            held.learn(order_id, RecipientKnown(version, redacted=True))
    if left:
        await desks.save_recipients(tx, {order_id: (version, None) for order_id, version in left.items()})
    await held.save()
    remaining = await people.recipients_left(tx, search.order_ids)
    findings.add("recipients", len(search.order_ids), len(search.order_ids) - len(remaining))
    writes, requests = await people.clean_words(tx, search.order_ids)
    findings.add("writes to the outside", len(search.order_ids), writes)
    findings.add("requests", len(search.order_ids), requests)
    findings.add("notices in doubt", *await clean_doubts(tx, search.order_ids))


async def clean_doubts(tx: Tx, order_ids: Collection[UUID]) -> tuple[int, int]:
    """Leave of notices in doubt what they are read for; how many there were, and how many held more."""
    cleaned = []
    rows = await people.doubts(tx, order_ids)
    for row in rows:
        event = FulfillmentWebhookReceived.model_validate_json(row.notice)
        body = redaction.cleaned_payload(event.channel_kind, event.topic, event.body)
        notice = replace_body(event, body)
        if notice != row.notice:
            cleaned.append((row.order_id, row.shipment_id, notice))
    if cleaned:
        await people.save_doubts(tx, cleaned)
    return len(rows), len(cleaned)


def replace_body(event: FulfillmentWebhookReceived, body: bytes) -> bytes:
    """The same delivery with another body, as it is stored."""
    changed = event.model_copy(update={"body": body})
    return bytes(changed.__pydantic_serializer__.to_json(changed))
