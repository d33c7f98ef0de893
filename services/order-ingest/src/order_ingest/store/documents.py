"""Orders as the two JSON documents of their row and back; a document may lack what a later version of the code adds."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_ingest.domain.order import (
    Hold,
    Line,
    Match,
    Order,
    Package,
    Published,
    Rejection,
    Request,
    Reservation,
    Settlement,
    Shipment,
    Snapshot,
    Tracking,
)

Document = Mapping[str, Any]


def source_document(source: Snapshot | None) -> dict[str, Any] | None:
    """What the channel says."""
    if source is None:
        return None
    return {
        "updated_at": source.updated_at,
        "number": source.number,
        "placed_at": source.placed_at,
        "paid": source.paid,
        "cancelled": source.cancelled,
        "test": source.test,
        "addressed": source.addressed,
        "total": source.total,
        "currency": source.currency,
        "financial_status": source.financial_status,
        "totals": source.totals,
        "lines": source.lines,
    }


def source_of(document: Document) -> Snapshot:
    """The reverse of `source_document`."""
    return Snapshot(
        updated_at=datetime.fromisoformat(document["updated_at"]),
        number=document["number"],
        placed_at=datetime.fromisoformat(document["placed_at"]),
        paid=document["paid"],
        cancelled=document["cancelled"],
        test=document["test"],
        addressed=document["addressed"],
        total=Decimal(document["total"]),
        currency=document["currency"],
        lines=tuple(_line(line) for line in document["lines"]),
        financial_status=document["financial_status"],
        totals=document["totals"],
    )


def _line(line: Document) -> Line:
    return Line(
        line["line_id"],
        line["position"],
        line["listing_id"],
        line["sku"],
        line["title"],
        line["quantity"],
        line["kept"],
        line["requires_shipping"],
        Decimal(line["unit_price"]),
        Decimal(line["discount"]),
        Decimal(line["tax"]),
    )


PLAIN = (
    "before_import",
    "ever_wanted",
    "cancelled",
    "observing",
    "recipient_version",
    "refunds",
    "published",
    "match",
    "reservation",
    "settlement",
    "accepted",
    "shipments",
    "voids",
    "delivered",
    "tracking",
    "answered",
)
"""Fields that are JSON as they are (orjson writes dataclasses); `requested` and `rejected` are keyed by number."""


def progress_document(order: Order) -> dict[str, Any]:
    """What became of the order; empty fields are left out."""
    document = {name: value for name in PLAIN if (value := getattr(order, name))}
    for name in ("requested", "rejected"):
        by_revision = getattr(order, name)
        if by_revision:
            document[name] = {str(revision): value for revision, value in by_revision.items()}
    return document


def order_of(source: Document | None, progress: Document, *, refetching: bool, again: bool) -> Order:
    """The order in a row."""
    get = progress.get
    return Order(
        source=None if source is None else source_of(source),
        before_import=get("before_import") or {},
        ever_wanted=get("ever_wanted", False),
        cancelled=get("cancelled", False),
        observing=get("observing", ""),
        refetching=refetching,
        arrived_meanwhile=again,
        recipient_version=get("recipient_version", 0),
        refunds=tuple(get("refunds", ())),
        published=_published(get("published")),
        match=_match(get("match")),
        reservation=_reservation(get("reservation")),
        settlement=Settlement(**get("settlement", {})),
        requested={int(key): Request(**value) for key, value in get("requested", {}).items()},
        accepted=tuple(get("accepted", ())),
        rejected={int(key): Rejection(**value) for key, value in get("rejected", {}).items()},
        shipments={key: _shipment(value) for key, value in get("shipments", {}).items()},
        voids=get("voids") or {},
        delivered=tuple(get("delivered", ())),
        tracking={key: Tracking(**value) for key, value in get("tracking", {}).items()},
        answered=get("answered", 0),
    )


def _published(document: Document | None) -> Published:
    if document is None:
        return Published()
    holds = tuple(document["holds"])
    return Published(document["order_version"], document["content_version"], holds, document["answered"])


def _match(document: Document | None) -> Match:
    if document is None:
        return Match()
    holds = tuple(Hold(**(hold | {"lines": tuple(hold["lines"])})) for hold in document["holds"])
    return Match(document["content_version"], document["match_version"], document["matched"], holds)


def _reservation(document: Document | None) -> Reservation:
    return Reservation() if document is None else Reservation(**{**document, "shortages": tuple(document["shortages"])})


def _shipment(document: Document) -> Shipment:
    packages = tuple(Package(**package) for package in document["packages"])
    return Shipment(document["revision"], datetime.fromisoformat(document["dispatched_at"]), packages)
