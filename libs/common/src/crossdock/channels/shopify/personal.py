"""Personal data in Shopify's payloads: whom a body names, the body without people, and requests about people (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from crossdock.channels.model import PrivacyRequest
from crossdock.channels.reading import Bad, identifier, record, text

PERSONAL = frozenset(
    {
        "attributed_staffs", "billing_address", "browser_ip", "buyer_accepts_marketing", "cart_token", "checkout_token",
        "client_details", "contact_email", "customer", "customer_locale", "default_address", "destination", "email",
        "landing_site", "landing_site_ref", "note", "note_attributes", "order_status_url", "payment_details", "phone",
        "properties", "receipt", "referring_site", "shipping_address", "token",
    }
)  # fmt: skip
"""Fields that hold, or lead to, personal data, wherever they stand (Shopify: "Protected customer data"; an
`order_status_url` opens a page with the address)."""

REQUESTS = {
    "customers/data_request": "export",
    "customers/redact": "redact_customer",
    "shop/redact": "redact_shop",
}
"""The mandatory compliance topics (shopify.dev, "Privacy law compliance")."""


def people_named(body: bytes) -> frozenset[str] | None:
    """The ids of the orders and customers that a body is about; None when it cannot be read."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return frozenset(_named(payload, top=True))


def _named(value: Any, *, top: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _named(item, top=top)
    elif isinstance(value, dict):
        if top and value.get("id") is not None:
            yield str(value["id"])
        for key, inner in value.items():
            if key == "order_id":
                yield str(inner)
            elif key in ("orders_requested", "orders_to_redact") and isinstance(inner, list):
                yield from (str(one) for one in inner)
            elif isinstance(inner, dict | list):
                yield from _named(inner, top=key == "customer" or (top and key in ("order", "orders")))


def without_people(body: bytes) -> bytes:
    """The body without personal data; empty when it cannot be read."""
    try:
        return orjson.dumps(_without(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return b""


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in PERSONAL}
    return [_without(item) for item in value] if isinstance(value, list) else value


def request_of(topic: str, payload: Mapping[str, Any]) -> PrivacyRequest:
    """A compliance request. Raises Bad when an id is none."""
    customer = record(payload.get("customer"), "customer")
    listed = payload.get("orders_requested") or payload.get("orders_to_redact") or []
    if not isinstance(listed, list):
        raise Bad("orders", "is not a list")
    orders = [identifier(one, f"orders[{i}]") for i, one in enumerate(listed)]
    return PrivacyRequest(
        kind=REQUESTS[topic],
        orders=tuple(dict.fromkeys(one for one in orders if one)),
        customer_id=identifier(customer.get("id"), "customer.id") or "",
        email=text(customer.get("email"), 320),
        phone=text(customer.get("phone"), 50),
    )
