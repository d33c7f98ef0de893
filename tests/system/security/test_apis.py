"""Every API of a running system with real orders keeps to what it says of itself, for many more requests.

It would fail: see tests/openapi, whose long sister this is.
"""

from typing import Any

import pytest

from crossdock.cli.stack import SERVICES
from crossdock.testing.apis import apis_of, explore, unguarded
from crossdock.testing.waiting import eventually

pytestmark = pytest.mark.timeout(1800)

EXAMPLES = 25


def test_replies_are_as_described_with_orders_of_every_kind(expendable: Any) -> None:
    market, stack = expendable.market, expendable.system.stack
    market.sell({"SHIRT-M": 1})
    market.sell({"MUG-BLUE": 100_000})
    eventually(lambda: len(market.call("GET", "/v1/orders")["orders"]) >= 2)
    urls = {name: stack.url(name) for name in SERVICES}
    apis = apis_of(urls, stack.secret("api key"), stack.secret("service key"))
    wrong, sent = [], 0
    for api in apis.values():
        number, found = explore(api, examples=EXAMPLES)
        sent += number
        wrong += [f"{api.name}: {one}" for one in found + unguarded(api)]
    print(f"{sent} requests to {len(apis)} APIs")
    assert wrong == []
