"""Requests about people, carried out: whom they concern, the redaction page by page, and the proof of it.

Everything that a page of orders needs (recipients, search terms, tombstones, what others are told) is one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from crossdock.channels.model import PrivacyRequest, Unreadable
from crossdock.contracts.base import RedactionReport, utc_now
from crossdock.contracts.gateway import ChannelWebhookReceived
from crossdock.contracts.order_ingest import RedactionOrdered
from crossdock.messaging import redaction
from crossdock.messaging.envelope import new_id
from crossdock.messaging.failures import Poison
from crossdock.messaging.redaction import NOBODY, Findings
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from order_ingest.book import Book, Cause
from order_ingest.domain import rulings
from order_ingest.domain.search import email_query, phone_query
from order_ingest.store import channels, privacy
from order_ingest.store.orders import Row
from order_ingest.store.privacy import Asked, Report

SERVICE = "order-ingest"
PAGE = 200
DUE_AT_ONCE = 20_000
"""Orders that the clock redacts in one request: copies of all of them are searched for together."""


async def remember(tx: Tx, told: Sequence[tuple[ChannelWebhookReceived, PrivacyRequest]]) -> None:
    """Take what channels ask about people. Whom an e-mail address or phone names is looked up at once, so that neither
    is stored with the request."""
    if not told:
        return
    people = {event.delivery_id: (event.channel_id, query_of(asked)) for event, asked in told}
    found = await privacy.of_people(tx, people)
    await privacy.add(
        tx,
        [
            Asked(
                request_id=event.delivery_id,
                channel_id=event.channel_id,
                kind=asked.kind,
                source="channel",
                external_ids=asked.orders,
                customer_id=asked.customer_id,
                order_ids=found[event.delivery_id],
            )
            for event, asked in told
        ],
    )


def query_of(asked: PrivacyRequest) -> str:
    """Whom a request means beside the orders that it names: its e-mail address, or else its phone."""
    return email_query(asked.email) or phone_query(asked.phone)


def requests_in(event: ChannelWebhookReceived, parsed: Sequence[Any]) -> list[PrivacyRequest]:
    """The requests about people in a delivery. Raises Poison when it cannot be read."""
    for one in parsed:
        if isinstance(one, Unreadable):
            raise Poison(event, f"The {event.topic} webhook cannot be read: {one.reason}")
    return [one for one in parsed if isinstance(one, PrivacyRequest)]


async def keep_reports(tx: Tx, events: Sequence[RedactionReport]) -> None:
    """Keep what other services reported; a report that nobody waits for changes nothing."""
    reports = [
        one
        for event in events
        if event.request_id != NOBODY
        for one in reports_of(event.publisher, event.request_id, event.page_ids, event.searched, event.removed)
    ]
    if reports:
        await privacy.report(tx, reports)


def reports_of(
    service: str, request_id: UUID, pages: Sequence[UUID], searched: Mapping[str, int], removed: Mapping[str, int]
) -> list[Report]:
    """What a service found in one search of several pages: counted once, with the first of them."""
    return [
        Report(page_id, service, request_id, {} if number else searched, {} if number else removed)
        for number, page_id in enumerate(pages)
    ]


# ------------------------------------------------------------------ workers
async def redact(context: Context) -> bool:
    """Redact the next page of orders of the oldest open request."""
    async with context.transaction() as tx:
        request = await privacy.next_open(tx)
        if request is None:
            return False
        channel = (await channels.lock(tx, [request.channel_id]))[request.channel_id]
        if not await privacy.hold(tx, request):
            return True
        if request.kind == "export":
            await privacy.advance(tx, request.request_id, None, 0, more=False)
            return True
        whole = request.kind == "redact_shop"
        first = request.pages == 0
        if first and request.external_ids:
            await privacy.bury(tx, request.channel_id, request.external_ids)
        if whole:
            until = channel.redacted_before
            if first or until is None:
                until = await privacy.bury_channel(tx, request.channel_id)
            rows = await privacy.channel_page(tx, request, until, PAGE)
        else:
            rows = await privacy.page(tx, request, PAGE)
        await _redact(tx, rows)
        names = {row.external_id for row in rows}
        if first:
            names |= {*request.external_ids, request.customer_id} - {""}
        await _search(tx, request, rows, names, deliveries=[request.request_id] if request.source == "channel" else [])
        more = len(rows) == PAGE
        await privacy.advance(tx, request.request_id, rows[-1].order_id if rows else None, len(rows), more=more)
    return True


async def _redact(tx: Tx, rows: Sequence[Row]) -> None:
    book = Book(tx, rows)
    cause = Cause(utc_now(), "privacy")
    reasons = [(row.order_id, reason) for row in rows for reason in rulings.words_of_outsiders(row.order)]
    for row in rows:
        book.take(row.order_id, rulings.take_redaction(row.order), cause)
    if reasons:
        await privacy.clean_timelines(tx, reasons, rulings.REMOVED)
    await book.save(whole=False)


async def _search(tx: Tx, request: Any, rows: Sequence[Row], names: set[str], deliveries: Sequence[UUID]) -> None:
    """Tell every service to look for copies, and remember to look here."""
    event = RedactionOrdered(
        page_id=uuid5(request.request_id, str(request.pages)),
        request_id=request.request_id,
        channel_id=request.channel_id,
        channel_kind=request.channel_kind or "",
        whole_channel=request.kind == "redact_shop",
        order_ids=tuple(row.order_id for row in rows),
        names=tuple(sorted(names)),
        delivery_ids=tuple(deliveries),
    )
    tx.publish(event)
    await redaction.keep(tx, [event])


async def search_messages(context: Context) -> bool:
    """Remove redacted people from the messages that are kept here, and report it."""
    async with context.transaction() as tx:
        search = await redaction.pending(tx)
    if search is None:
        return False
    findings = Findings()
    await redaction.clean_all(context.transaction, search, findings)
    async with context.transaction() as tx:
        if pages := await redaction.finish(tx, search):
            left = await privacy.recipients_left(tx, search.order_ids)
            findings.add("recipients", len(search.order_ids), len(search.order_ids) - left)
            await privacy.report(tx, reports_of(SERVICE, search.request_id, pages, findings.searched, findings.removed))
    return True


async def retain(context: Context) -> bool:
    """Ask for the redaction of orders whose channel keeps personal data no longer, once some are due."""
    async with context.transaction() as tx:
        asked = []
        for channel_id, days in await privacy.keeping(tx):
            if orders := await privacy.due(tx, channel_id, days, DUE_AT_ONCE):
                asked.append(Asked(new_id(), channel_id, "retention", "clock", f"{days} days", order_ids=orders))
        if asked:
            await privacy.add(tx, asked)
    return False
