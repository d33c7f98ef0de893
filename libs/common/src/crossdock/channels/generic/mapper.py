"""Ship notices of a 3PL to canonical notices (pure): whatever arrives, an answer comes back, never an error."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.channels.generic.webhooks import NOTICES
from crossdock.channels.model import Ignored, NoticePackage, NoticePackageLine, Parsed, ShipNotice, Unreadable
from crossdock.channels.reading import Bad, identifier, key_text, moment, read_json, records, text, whole

ABOUT_A_SHIPMENT = frozenset({"dispatched", "voided", "delivered"})


def parse_webhook(topic: str, body: bytes) -> Sequence[Parsed]:
    """Read one notice; it must be of a known type, name one of our requests and say when it happened."""
    try:
        payload = read_json(body)
        if not isinstance(payload, Mapping):
            raise Bad("", "the body is JSON, but no notice")
        topic = topic or text(payload.get("type"), 100).lower()
        if not topic:
            raise Bad("type", "is missing: the notice does not say what happened")
        kind = NOTICES.get(topic)
        if kind is None:
            return (Ignored(f"nothing is taken from the topic {topic}"),)
        return (_notice(kind, payload),)
    except Bad as bad:
        return (Unreadable(str(bad)),)


def _notice(kind: str, payload: Mapping[str, Any]) -> ShipNotice:
    reference = key_text(payload.get("reference"), "reference")
    if not reference:
        raise Bad("reference", "is missing: the notice does not say which request it answers")
    occurred_at = moment(payload.get("occurred_at"), "occurred_at")
    if occurred_at is None:
        raise Bad("occurred_at", "is missing")
    shipment_id = key_text(payload.get("shipment_id"), "shipment_id")
    if kind in ABOUT_A_SHIPMENT and not shipment_id:
        raise Bad("shipment_id", "is missing: the notice does not say which shipment it is about")
    packages = _packages(payload)
    if kind == "dispatched" and not any(package.lines for package in packages):
        raise Bad("packages", "hold no lines: the notice does not say what left")
    return ShipNotice(
        kind=kind,
        reference=reference,
        request_id=key_text(payload.get("request_id"), "request_id"),
        occurred_at=occurred_at,
        shipment_id=shipment_id,
        packages=packages,
        reship=payload.get("reship") is True,
        reason=text(payload.get("reason"), 500),
        cancelled=_lines(payload.get("cancelled") or payload.get("lines"), "cancelled") if kind == "cancelled" else (),
    )


def _packages(payload: Mapping[str, Any]) -> tuple[NoticePackage, ...]:
    found = []
    for i, package in enumerate(records(payload.get("packages"), "packages")):
        where = f"packages[{i}]"
        found.append(
            NoticePackage(
                package_ref=key_text(package.get("package_ref"), f"{where}.package_ref") or str(i + 1),
                carrier=text(package.get("carrier"), 100).strip(),
                tracking_number=key_text(package.get("tracking_number"), f"{where}.tracking_number"),
                tracking_url=text(package.get("tracking_url"), 2000).strip(),
                lines=_lines(package.get("lines"), f"{where}.lines"),
            )
        )
    if len({package.package_ref for package in found}) < len(found):
        raise Bad("packages", "hold the same package_ref twice")
    return tuple(found)


def _lines(value: Any, path: str) -> tuple[NoticePackageLine, ...]:
    found = []
    for i, line in enumerate(records(value, path)):
        where = f"{path}[{i}]"
        line_id = identifier(line.get("line_id"), f"{where}.line_id")
        sku = key_text(line.get("sku"), f"{where}.sku")
        if line_id is None and not sku:
            raise Bad(where, "names neither a line_id nor a sku")
        quantity = whole(line.get("quantity"), f"{where}.quantity")
        if quantity is None:
            raise Bad(f"{where}.quantity", "is missing")
        if quantity:
            found.append(NoticePackageLine(line_id or "", sku, quantity))
    return tuple(found)


READ = frozenset(
    {"type", "reference", "request_id", "occurred_at", "shipment_id", "packages", "reship", "cancelled", "lines",
     "package_ref", "carrier", "tracking_number", "tracking_url", "line_id", "sku", "quantity"}
)  # fmt: skip
"""The fields that a notice is read for, without the words in which a destination says why."""


def without_people(body: bytes) -> bytes:
    """A notice without whatever it was not read for; empty when it cannot be read."""
    try:
        return json.dumps(_known(read_json(body)), default=str).encode()
    except Bad:
        return b""


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(inner) for key, inner in value.items() if key in READ}
    return [_known(item) for item in value] if isinstance(value, list) else value
