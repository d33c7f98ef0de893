"""Which service answers for which path below /v1."""

from urllib.parse import unquote

SERVICES = ("order-ingest", "sku-matcher", "inventory", "fulfillment")
OWNERS = {
    "orders": "order-ingest",
    "privacy": "order-ingest",
    "imports": "order-ingest",
    "backlog": "order-ingest",
    "skus": "sku-matcher",
    "listings": "sku-matcher",
    "mappings": "sku-matcher",
    "stock": "inventory",
    "reservations": "inventory",
    "requests": "fulfillment",
    "write-backs": "fulfillment",
}
WITH_RUNS = ("order-ingest", "sku-matcher")
"""Services that have integrations and runs: /v1/services/{service}/integrations."""
OF_AN_ORDER = {"match": "sku-matcher", "fulfillment": "fulfillment"}
"""What other services tell of an order: /v1/orders/{id}/fulfillment."""
OF_A_CHANNEL = {"policy": "order-ingest"}
"""What other services keep of a channel: /v1/channels/{id}/policy."""


def target_of(path: str) -> tuple[str, str] | None:
    """The service that owns a path below /v1 (still percent-encoded, without /v1), and its path there; None if no
    service does, or if the path climbs (`..`)."""
    segments = path.strip("/").split("/")
    if "" in segments or {".", ".."} & set(unquote(path).split("/")):
        return None
    match segments:
        case ["services", service, "parked", *rest] if service in SERVICES:
            return service, "/" + "/".join(["parked", *rest])
        case ["services", service, "integrations" | "runs" as what, *rest] if service in WITH_RUNS:
            return service, "/" + "/".join([what, *rest])
        case ["orders", _, about, *_] if about in OF_AN_ORDER:
            return OF_AN_ORDER[about], "/" + "/".join(segments)
        case ["channels", _, about, *_] if about in OF_A_CHANNEL:
            return OF_A_CHANNEL[about], "/" + "/".join(segments)
        case [first, *_] if first in OWNERS:
            return OWNERS[first], "/" + "/".join(segments)
    return None


def is_upload(method: str, path: str) -> bool:
    """Whether the body of a call to a service may be a large file, which is passed on as it comes."""
    return method == "POST" and path == "/imports"
