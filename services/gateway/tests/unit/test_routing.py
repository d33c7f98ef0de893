"""Which service answers for which path."""

import pytest

from gateway.domain.routing import target_of


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/orders", ("order-ingest", "/orders")),
        ("/imports/7/result", ("order-ingest", "/imports/7/result")),
        ("/orders/%231001", ("order-ingest", "/orders/%231001")),
        ("/orders/7/retry", ("order-ingest", "/orders/7/retry")),
        ("/orders/7/fulfillment", ("fulfillment", "/orders/7/fulfillment")),
        ("/orders/7/match", ("sku-matcher", "/orders/7/match")),
        ("/stock/SHIRT-M/ledger", ("inventory", "/stock/SHIRT-M/ledger")),
        ("/stock/HAT%2FRED", ("inventory", "/stock/HAT%2FRED")),
        ("/channels/7/policy", ("order-ingest", "/channels/7/policy")),
        ("/channels/7/policy/history", ("order-ingest", "/channels/7/policy/history")),
        ("/write-backs", ("fulfillment", "/write-backs")),
        ("/services/inventory/parked/7/replay", ("inventory", "/parked/7/replay")),
        ("/services/order-ingest/integrations/7/start", ("order-ingest", "/integrations/7/start")),
        ("/services/sku-matcher/runs", ("sku-matcher", "/runs")),
    ],
)
def test_a_path_goes_to_the_service_that_owns_it(path: str, target: tuple[str, str]) -> None:
    assert target_of(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/internal/channels",
        "/services/inventory/internal",
        "/services/nobody/parked",
        "/services/inventory/runs",
        "/orders/../internal",
        "/orders/%2e%2e/internal",
        "/orders/..%2finternal",
        "/orders//7",
        "/channels/7",
        "/channels/7/secrets",
        "/parked",
    ],
)
def test_a_path_that_nobody_owns_or_that_climbs_leads_nowhere(path: str) -> None:
    assert target_of(path) is None
