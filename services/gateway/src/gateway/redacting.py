"""Bodies of deliveries that tell of redacted people are deleted; the deliveries themselves stay known as duplicates."""

from crossdock.contracts.gateway import DeliveriesRedacted
from crossdock.messaging import redaction
from crossdock.messaging.redaction import Findings, Search
from crossdock.service.app import Context
from gateway import store, telling

BODIES_AT_ONCE = 50


async def redact_deliveries(context: Context) -> bool:
    """Make the next search: through bodies, parked, scheduled and unpublished messages. Report it."""
    async with context.transaction() as tx:
        search = await redaction.pending(tx)
    if search is None:
        return False
    findings = Findings()
    if search.order_ids or search.names or search.whole_channel:
        await _search_bodies(context, search, findings)
        await redaction.clean_all(context.transaction, search, findings)
    else:
        async with context.transaction() as tx:
            removed = await telling.drop_bodies(tx, list(search.delivery_ids))
        findings.add("deliveries", len(search.delivery_ids), removed)
    async with context.transaction() as tx:
        await redaction.report(tx, search, findings, DeliveriesRedacted)
    return True


async def _search_bodies(context: Context, search: Search, findings: Findings) -> None:
    """A body holds personal data and nothing that is still needed: it is deleted whole."""
    after = redaction.FIRST
    while True:
        async with context.transaction() as tx:
            rows = await store.bodies(tx, after, BODIES_AT_ONCE)
            found = [
                row.delivery_id
                for row in rows
                if redaction.is_about(str(row.delivery_id), str(row.channel_id), row.kind, row.topic, row.body, search)
            ]
            removed = await telling.drop_bodies(tx, found) if found else 0
        findings.add("deliveries", len(rows), removed)
        if len(rows) < BODIES_AT_ONCE:
            return
        after = rows[-1].delivery_id
