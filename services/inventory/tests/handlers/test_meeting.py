"""Two handlers that bring the first facts of an order at the same time lose none of them."""

import asyncio

from crossdock.messaging.transaction import transaction
from crossdock.testing.bench import HandlerBench
from crossdock.testing.factories import matched, order, settled
from inventory import store
from inventory.domain import claims
from inventory.handlers import match_of


async def test_a_settlement_and_a_match_that_meet_at_a_new_order_are_both_kept(bench: HandlerBench) -> None:
    async with transaction(bench.database) as tx:
        held = await store.lock_claims(tx, [order(1)])
        held[order(1)] = claims.learn_match(held[order(1)], match_of(matched(1, SHIRT=2)))
        await store.save_claims(tx, held)
        other = asyncio.create_task(bench.handle("follow_fulfillment", [settled(1, content=2, version=1)]))
        await asyncio.sleep(0.3)
        assert not other.done(), "the other handler did not wait for the row that was being made"
    await other
    [row] = await bench.table("claim")
    assert (row["match_content"], row["settled_content"], row["settlement_version"]) == (1, 2, 1)
