"""Orders as the two JSON documents of their row and back; a document may lack what a later version of the code adds."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_ingest.domain.order import (
    Asked,
    Hold,
    Line,
    Match,
    Order,
    Package,
    Published,
    Rejection,
    Reply,
    Request,
    Reservation,
    Settlement,
    Shipment,
    Snapshot,
    Tracking,
    Verdict,
)
from order_ingest.domain.policy import TITLE
from order_ingest.domain.routing import Route, Routing, Shipped

Document = Mapping[str, Any]


def source_document(source: Snapshot) -> dict[str, Any]:
    """What the channel says."""
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
        "fulfillment_status": source.fulfillment_status,
        "routing": source.routing,
        "totals": source.totals,
        "lines": source.lines,
        "ship_by": source.ship_by,
        "deliver_by": source.deliver_by,
        "service": source.service,
        "service_from": source.service_from,
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
        ship_by=_moment(document.get("ship_by")),
        deliver_by=_moment(document.get("deliver_by")),
        service=document.get("service", ""),
        fulfillment_status=document.get("fulfillment_status", ""),
        routing=_routing(document.get("routing")),
        service_from=document.get("service_from", TITLE),
    )


def _routing(document: Document | None) -> Routing | None:
    if document is None:
        return None
    routes = tuple(_route(route) for route in document["routes"])
    return Routing(routes, tuple(Shipped(**one) for one in document["shipped"]))


def _route(route: Document) -> Route:
    times = {name: _moment(route.get(name)) for name in ("due_at", "ship_by", "deliver_by")}
    return Route(**{**route, **times, "reasons": tuple(route["reasons"])})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


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
        line.get("bundle", ""),
    )


START = Order()
BY_NUMBER = ("requested", "rejected")
"""Keyed by number, which JSON has not; all other fields are JSON as they are (orjson writes dataclasses)."""
NOT_IN_THE_DOCUMENT = ("refetching", "arrived_meanwhile", "terms")
"""The first two have columns of their own; the terms are the channel's."""


def progress_document(order: Order) -> dict[str, Any]:
    """What became of the order; what is still as it began is left out."""
    document: dict[str, Any] = {}
    values: tuple[Any, ...] = order
    for name, value, start in zip(Order._fields, values, START, strict=True):
        if value is start or value == start or name in NOT_IN_THE_DOCUMENT:
            continue
        document[name] = {str(key): one for key, one in value.items()} if name in BY_NUMBER else value
    return document


def order_of(progress: Document, *, refetching: bool, again: bool) -> Order:
    """The order in a row."""
    values = {name: READERS[name](value) if name in READERS else value for name, value in progress.items()}
    return START._replace(refetching=refetching, arrived_meanwhile=again, **values)


def _published(document: Document) -> Published:
    holds = tuple(document["holds"])
    return Published(document["order_version"], document["content_version"], holds, document["answered"])


def _hold(document: Document) -> Hold:
    return Hold(**{**document, "lines": tuple(document["lines"])})


def _verdict(document: Document) -> Verdict:
    refusal = None if document["refusal"] is None else _hold(document["refusal"])
    waits = tuple(_hold(hold) for hold in document["waits"])
    return Verdict(refusal, waits, document["unrouted"], document["cancelled_by"])


def _match(document: Document) -> Match:
    holds = tuple(_hold(hold) for hold in document["holds"])
    return Match(document["content_version"], document["match_version"], document["matched"], holds)


def _reservation(document: Document) -> Reservation:
    return Reservation(**{**document, "shortages": tuple(document["shortages"])})


def _shipment(document: Document) -> Shipment:
    packages = tuple(Package(**package) for package in document["packages"])
    return Shipment(document["revision"], datetime.fromisoformat(document["dispatched_at"]), packages)


READERS: dict[str, Callable[[Any], Any]] = {
    "verdict": _verdict,
    "imported_at": datetime.fromisoformat,
    "refunds": tuple,
    "refund_kinds": lambda document: {key: tuple(kinds) for key, kinds in document.items()},
    "published": _published,
    "match": _match,
    "reservation": _reservation,
    "settlement": lambda document: Settlement(**document),
    "requested": lambda document: {int(key): Request(**value) for key, value in document.items()},
    "accepted": tuple,
    "rejected": lambda document: {int(key): Rejection(**value) for key, value in document.items()},
    "shipments": lambda document: {key: _shipment(value) for key, value in document.items()},
    "delivered": tuple,
    "asked": lambda document: tuple(Asked(**one) for one in document),
    "replies": lambda document: {key: Reply(**value) for key, value in document.items()},
    "tracking": lambda document: {key: Tracking(**value) for key, value in document.items()},
    "tagging": lambda document: Tracking(**document),
}
