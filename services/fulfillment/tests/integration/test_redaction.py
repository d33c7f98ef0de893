"""Personal data leaves fulfillment: recipients, what destinations wrote, notices in doubt, and parked messages."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from crossdock.contracts.fulfillment import RequestsRedacted
from crossdock.contracts.gateway import FulfillmentWebhookReceived
from crossdock.contracts.order_ingest import Address, Recipient, RecipientRecorded, RecipientRedacted, RedactionOrdered
from crossdock.messaging.transaction import transaction
from crossdock.testing.bench import HandlerBench, event_of, message_of
from crossdock.testing.planted import planted_in
from fulfillment.redacting import redact_requests

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLANTED = "7 Planted Street"
ORDER, OTHER = UUID(int=1), UUID(int=2)
STORE, DEPOT = UUID(int=7), UUID(int=8)


class Around:
    """What a worker needs of a running service."""

    def __init__(self, bench: HandlerBench) -> None:
        self._bench = bench

    def transaction(self) -> Any:
        return transaction(self._bench.database)


def recorded(order_id: UUID, version: int = 1) -> RecipientRecorded:
    recipient = Recipient(address=Address(name="Test Person", street=(PLANTED,)))
    return RecipientRecorded(order_id=order_id, recipient_version=version, recipient=recipient)


def notice(**changes: Any) -> FulfillmentWebhookReceived:
    body = {"type": "request.accepted", "reference": f"{ORDER}:1", "ship_to": PLANTED} | changes
    return FulfillmentWebhookReceived.model_construct(
        delivery_id=uuid4(),
        channel_id=DEPOT,
        channel_kind="generic",
        topic="request.accepted",
        external_delivery_id=str(uuid4()),
        received_at=NOON,
        occurred_at=NOON,
        body=json.dumps(body).encode(),
    )


async def search(bench: HandlerBench) -> list[Any]:
    event = RedactionOrdered(
        page_id=uuid4(),
        request_id=uuid4(),
        channel_id=STORE,
        channel_kind="shopify",
        order_ids=(ORDER,),
        names=("501",),
    )
    await bench.handle("keep_redactions", [event])
    bench.published.clear()
    while await redact_requests(Around(bench)):  # type: ignore[arg-type]
        pass
    return [event_of(row) for row in bench.published]


async def test_a_search_leaves_nothing_of_the_person_whatever_came_first(bench: HandlerBench) -> None:
    await bench.handle("follow_orders", [recorded(ORDER), recorded(OTHER)])
    async with transaction(bench.database) as tx:
        await tx.run(
            text("""
                INSERT INTO write_back (id, kind, target, order_id, channel_id, revision, payload, traceparent, state,
                                        reason, evidence)
                SELECT gen_random_uuid(), 'submit', 't' || o, o, :depot, 1, '{}', '', 'failed', :words,
                       jsonb_build_array(jsonb_build_object('at', 'now', 'how', 'call', 'note', CAST(:words AS text)))
                FROM unnest(CAST(:orders AS uuid[])) AS o
            """),
            depot=DEPOT,
            words=f"No service to {PLANTED}",
            orders=[ORDER],
        )
        await tx.run(
            text("""
                INSERT INTO request (order_id, revision, destination, units, recipes, fate, cancelled, asked_content,
                                     asked_voids, written_off, external_id, reason)
                VALUES (:order, 1, :depot, '{}', '{}', 'rejected', '{}', 0, 0, '{}', '', :words)
            """),
            order=ORDER,
            depot=str(DEPOT),
            words=f"No service to {PLANTED}",
        )
        doubted = notice(type="shipment.dispatched", shipment_id="S1")
        await tx.run(
            text("INSERT INTO doubt (order_id, shipment_id, notice, look_at) VALUES (:order, 'S1', :notice, now())"),
            order=ORDER,
            notice=doubted.__pydantic_serializer__.to_json(doubted),
        )
    await bench.deliver("receive_notices", [message_of(notice(occurred_at="never"))])
    assert set(await planted_in(bench.database, [PLANTED])) >= {
        "recipient",
        "write_back",
        "request",
        "doubt",
        "parked_message",
    }
    [report] = await search(bench)
    assert isinstance(report, RequestsRedacted)
    assert report.removed["recipients"] == 1
    assert report.removed["parked messages"] == 1
    assert report.removed["notices in doubt"] == 1
    async with transaction(bench.database) as tx:
        await tx.run(text("DELETE FROM recipient WHERE order_id = :other"), other=OTHER)
        [kept] = await tx.rows(text("SELECT notice FROM doubt"))
    assert set(await planted_in(bench.database, [PLANTED])) == set()
    event = FulfillmentWebhookReceived.model_validate_json(kept.notice)
    assert json.loads(event.body)["shipment_id"] == "S1", "what left is still known"


async def test_a_recipient_that_comes_late_or_again_is_refused(bench: HandlerBench) -> None:
    await bench.handle("follow_orders", [recorded(ORDER)])
    await search(bench)
    await bench.handle("follow_orders", [recorded(ORDER, version=9)])
    assert set(await planted_in(bench.database, [PLANTED])) == set()
    await bench.handle("follow_orders", [RecipientRedacted(order_id=ORDER, recipient_version=2)])
    assert set(await planted_in(bench.database, [PLANTED])) == set()
