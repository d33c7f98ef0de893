"""The matcher's API over real HTTP, on a real Postgres."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from crossdock.contracts.gateway import ChannelConfigured
from crossdock.contracts.sku_matcher import ListingMapped
from crossdock.messaging.transaction import Tx
from sku_matcher import handlers

SHOP = UUID(int=7)
OTHER = UUID(int=8)


@pytest.fixture
async def matcher(start: Callable[..., Any], make: Any) -> Any:
    """One shop that is known, with three listings, and an order that lacks a SKU."""

    async def given(tx: Tx) -> None:
        shop = ChannelConfigured(channel_id=SHOP, channel_version=1, kind="shopify", name="Shop", mode="live")
        await handlers.learn_channels([shop], tx)
        await handlers.learn_listings([make.product(1, V11="SHIRT", V12="MUG"), make.product(2, V21="")], tx)
        await handlers.match_orders([make.order(1, "SHIRT", "CAP")], tx)

    async with start() as running:
        await running.write(given)
        yield running


async def published(matcher: Any, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def step(tx: Tx) -> None:
        rows = await tx.rows(text("SELECT body FROM outbox WHERE type = :kind ORDER BY id"), kind=kind)
        found.extend(json.loads(row.body) for row in rows)

    await matcher.write(step)
    return found


async def test_only_other_services_are_let_in(matcher: Any) -> None:
    for path in ("/skus", "/listings?channel=" + str(SHOP), f"/orders/{UUID(int=1)}/match"):
        assert (await matcher.client.get(path, headers={"authorization": "Bearer nobody"})).status_code == 401


async def test_a_sku_is_added_by_hand_once(matcher: Any) -> None:
    first = await matcher.client.post("/skus", json={"sku": " CAP ", "title": "A cap"})
    again = await matcher.client.post("/skus", json={"sku": "CAP"})
    assert (first.status_code, again.status_code) == (201, 200)
    expected = {"sku": "CAP", "title": "A cap", "sku_version": 1, "listings": 0, "by_hand": True, "by_hand_for": []}
    assert first.json() == again.json() == expected
    assert [event["sku"] for event in await published(matcher, "sku.changed.v1")][2:] == ["CAP"]


async def test_a_sku_that_is_known_gets_a_title_or_a_channel_under_a_new_version(matcher: Any) -> None:
    titled = await matcher.client.post("/skus", json={"sku": "SHIRT", "title": "Shirt"})
    bound = await matcher.client.post("/skus", json={"sku": "MUG", "channel_ids": [str(SHOP)]})
    assert (titled.json()["title"], titled.json()["sku_version"], titled.json()["listings"]) == ("Shirt", 2, 1)
    assert (bound.json()["by_hand"], bound.json()["by_hand_for"]) == (False, [str(SHOP)])


async def test_a_sku_for_a_channel_that_nobody_knows_is_refused_and_leaves_nothing(matcher: Any) -> None:
    reply = await matcher.client.post("/skus", json={"sku": "CAP", "channel_ids": [str(SHOP), str(OTHER)]})
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert str(OTHER) in reply.json()["message"]
    assert (await matcher.client.get("/skus", params={"sku": "CAP"})).json() == []


@pytest.mark.parametrize("sku", ["", "   ", "A\x00B", "A\nB", "x" * 256, None, 5, "\ud800"])
async def test_what_can_be_no_sku_is_refused(matcher: Any, sku: object) -> None:
    body = json.dumps({"sku": sku})
    reply = await matcher.client.post("/skus", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert {"code", "message", "next"} <= set(reply.json())


async def test_skus_come_in_pages(matcher: Any) -> None:
    first = (await matcher.client.get("/skus", params={"limit": 1})).json()
    second = (await matcher.client.get("/skus", params={"limit": 1, "after": first[-1]["sku"]})).json()
    assert [row["sku"] for row in first + second] == ["MUG", "SHIRT"]


async def test_the_listings_of_a_channel_come_in_pages_and_by_sku(matcher: Any) -> None:
    async def ids(**query: Any) -> list[str]:
        return [row["listing_id"] for row in (await matcher.client.get("/listings", params=query)).json()]

    assert await ids(channel=str(SHOP)) == ["11", "12", "21"]
    assert await ids(channel=str(SHOP), after="11", limit=1) == ["12"]
    assert await ids(channel=str(SHOP), sku="SHIRT") == ["11"]
    assert await ids(channel=str(OTHER)) == []


async def test_an_order_shows_what_it_was_matched_to_and_what_it_lacks(matcher: Any) -> None:
    body = (await matcher.client.get(f"/orders/{UUID(int=1)}/match")).json()
    assert (body["matched"], body["content_version"], body["match_version"]) == (False, 1, 0)
    assert body["lines"] == [{"line_id": "L1", "wanted": 1, "components": [{"sku": "SHIRT", "per_unit": 1}]}]
    assert [(hold["code"], hold["lines"], hold["actor"]) for hold in body["holds"]] == [
        ("sku_unknown", ["L2"], "operator")
    ]


async def test_an_order_that_nobody_placed_is_not_found(matcher: Any) -> None:
    reply = await matcher.client.get(f"/orders/{UUID(int=99)}/match")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


async def test_a_mapping_lets_the_orders_that_wait_for_it_go_on(matcher: Any, make: Any) -> None:
    async def sold(tx: Tx) -> None:
        line = make.line("L1", "PACK-OF-6", wanted=2, listing_id="77")
        await handlers.match_orders([make.order(2, lines=(line,))], tx)

    await matcher.write(sold)
    wish = {"channel_id": str(SHOP), "listing_id": "77", "sku": "SHIRT", "quantity": 6}
    wrong = [wish | {"sku": "TYPO"}, wish | {"channel_id": str(OTHER)}]
    answers = (await matcher.client.put("/mappings", json=[wish, wish, *wrong])).json()["mappings"]
    assert [answer["outcome"] for answer in answers] == ["mapped", "unchanged", "refused", "refused"]
    assert "TYPO is not known" in answers[2]["reason"]
    assert [(event["sku"], event["quantity"]) for event in await published(matcher, "listing.mapped.v1")] == [
        ("SHIRT", 6)
    ]
    listed = (await matcher.client.get("/mappings", params={"channel": str(SHOP)})).json()["mappings"]
    assert [(row["listing_id"], row["sku"], row["quantity"]) for row in listed] == [("77", "SHIRT", 6)]

    async def told(tx: Tx) -> None:
        event = ListingMapped(channel_id=SHOP, listing_id="77", mapping_version=1, sku="SHIRT", quantity=6)
        await handlers.rematch_orders([event], tx)

    await matcher.write(told)
    body = (await matcher.client.get(f"/orders/{UUID(int=2)}/match")).json()
    assert (body["matched"], body["lines"][0]["components"]) == (True, [{"sku": "SHIRT", "per_unit": 6}])


async def test_a_mapping_that_is_taken_away_leaves_matched_orders_and_judges_new_ones_by_their_sku(
    matcher: Any, make: Any
) -> None:
    wish = {"channel_id": str(SHOP), "listing_id": "77", "sku": "SHIRT"}
    await matcher.client.put("/mappings", json=[wish])
    [gone] = (await matcher.client.put("/mappings", json=[wish | {"sku": None}])).json()["mappings"]
    assert gone["outcome"] == "unmapped"

    async def sold(tx: Tx) -> None:
        await handlers.match_orders([make.order(2, lines=(make.line("L1", "PACK", listing_id="77"),))], tx)

    await matcher.write(sold)
    assert not (await matcher.client.get(f"/orders/{UUID(int=2)}/match")).json()["matched"]


async def test_a_person_says_what_a_line_is(matcher: Any) -> None:
    path = f"/orders/{UUID(int=1)}/match/lines"
    said = {"sku": "SHIRT", "quantity": 2}
    by = {"x-crossdock-actor": "Test Person"}
    refused = [
        await matcher.client.put(f"{path}/2", json={"sku": "TYPO"}),
        await matcher.client.put(f"{path}/1", json=said),
        await matcher.client.put(f"{path}/9", json=said),
    ]
    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [
        (422, "unknown_sku"),
        (409, "nothing_to_assign"),
        (404, "not_found"),
    ]
    assert (await matcher.client.put(f"{path}/2", json=said, headers=by)).json()["matched"]
    [event] = await published(matcher, "order.matched.v1")
    assert event["decision"] == "Test Person said that line 2 is 2 units of SHIRT each"
    assert [line["components"] for line in event["lines"]][1] == [{"sku": "SHIRT", "per_unit": 2}]
