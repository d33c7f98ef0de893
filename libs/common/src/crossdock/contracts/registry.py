"""Every event by its type: the one place in which a consumer or a document generator looks one up."""

from crossdock.contracts import fulfillment, gateway, inventory, order_ingest, sku_matcher
from crossdock.contracts.base import Event

EVENTS: dict[str, type[Event]] = {
    event.type: event
    for module in (gateway, order_ingest, sku_matcher, inventory, fulfillment)
    for event in module.EVENTS
}
