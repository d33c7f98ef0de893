"""A channel's import policy over real HTTP: read, changed, checked, with its history."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from ingest_examples import CHANNEL, configured

from crossdock.contracts.order_ingest import PolicyChanged
from crossdock.testing.bench import HandlerBench, event_of

POLICY = f"/channels/{CHANNEL}/policy"
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
async def shop(bench: HandlerBench) -> None:
    await bench.handle("learn_channels", [configured("live")])


async def put(api: httpx.AsyncClient, document: Any, **headers: str) -> httpx.Response:
    return await api.put(POLICY, json=document, headers={name.replace("_", "-"): one for name, one in headers.items()})


async def test_a_channel_begins_with_the_standard_policy_every_setting_named(api: httpx.AsyncClient) -> None:
    reply = await api.get(POLICY)
    assert (reply.status_code, reply.headers["etag"]) == (200, '"0"')
    policy = reply.json()["policy"]
    assert (policy["financial_statuses"], policy["max_age_days"], policy["retention_days"]) == (["paid"], 90, None)
    assert (policy["test_orders"], policy["locations"], policy["mapping"]["phone"]) == (False, [], "address")


async def test_a_change_is_numbered_and_told_with_who_made_it(api: httpx.AsyncClient) -> None:
    changed = await api.patch(POLICY, json={"max_age_days": 30}, headers={"x-crossdock-actor": "tester"})
    assert (changed.json()["version"], changed.json()["policy"]["max_age_days"]) == (1, 30)
    again = await api.patch(POLICY, json={"max_age_days": 30})
    assert again.json()["version"] == 1
    await api.patch(POLICY, json={"mapping": {"phone": "off"}, "test_orders": True})
    [newest, first] = (await api.get(f"{POLICY}/history")).json()["changes"]
    assert (first["changed_by"], first["changes"]) == ("tester", {"max_age_days": {"before": 90, "after": 30}})
    assert set(newest["changes"]) == {"mapping", "test_orders"}
    assert (await api.get(POLICY)).json()["policy"]["max_age_days"] == 30


async def test_put_replaces_the_whole_policy_and_patch_only_what_it_names(api: httpx.AsyncClient) -> None:
    await put(api, {"max_age_days": 30, "mapping": {"note": "off"}})
    await api.patch(POLICY, json={"mapping": {"phone": "attribute:Phone"}})
    mapping = (await api.get(POLICY)).json()["policy"]["mapping"]
    assert (mapping["note"], mapping["phone"]) == ("off", "attribute:Phone")
    policy = (await put(api, {"test_orders": True})).json()["policy"]
    assert (policy["max_age_days"], policy["mapping"]["note"], policy["test_orders"]) == (90, "note", True)


async def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(api: httpx.AsyncClient) -> None:
    version = (await api.get(POLICY)).headers["etag"]
    assert (await put(api, {"max_age_days": 30}, if_match=version)).status_code == 200
    late = await put(api, {"max_age_days": 60}, if_match=version)
    assert (late.status_code, late.json()["code"]) == (412, "policy_changed")
    assert "version 1" in late.json()["message"]
    assert (await api.get(POLICY)).json()["policy"]["max_age_days"] == 30


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_age_days", 0),
        ("max_age_days", "30"),
        ("first_import_days", True),
        ("financial_statuses", []),
        ("financial_statuses", ["Paid!"]),
        ("fulfillment_statuses", ["shipped"]),
        ("fulfillment_statuses", ["partial", "partial"]),
        ("locations", ["1 2"]),
        ("currencies", {"*": "euro"}),
        ("test_orders", "yes"),
        ("mapping.note", "attribute:nul\u0000"),
        ("mapping.note", "somewhere"),
        ("mapping.phone", "attribute:"),
        ("mapping.service", "carrier"),
        ("retention_days", -1),
        ("written_back.tag", "x" * 41),
        ("written_back.tag", "one, two"),
        ("written_back.tag", None),
        ("written_back.notify_customer", "yes"),
    ],
)
async def test_a_wrong_setting_is_named_with_what_it_must_be(api: httpx.AsyncClient, setting: str, value: Any) -> None:
    outer, _, inner = setting.partition(".")
    reply = await put(api, {outer: {inner: value} if inner else value})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_policy")
    assert reply.json()["message"].startswith(f"{setting} must be ")
    assert (await api.get(POLICY)).json()["version"] == 0


async def test_each_wrong_setting_has_its_sentence_and_an_unknown_one_is_named(api: httpx.AsyncClient) -> None:
    message = (await put(api, {"max_age_days": 0, "test_orders": 5, "colour": "red"})).json()["message"]
    assert message.count(" must be ") == 2
    assert "colour: there is no such setting." in message
    assert (await put(api, ["paid"])).status_code == 422


async def test_a_preview_checks_a_policy_and_stores_nothing(api: httpx.AsyncClient) -> None:
    reply = await api.put(POLICY, json={"max_age_days": 30}, params={"preview": "true"})
    assert (reply.json()["policy"]["max_age_days"], reply.json()["version"]) == (30, 0)
    assert (await api.get(POLICY)).json()["policy"]["max_age_days"] == 90


async def test_a_channel_that_nobody_connected_has_no_policy(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/channels/{UUID(int=99)}/policy")).status_code == 404


async def test_a_new_configuration_of_the_channel_leaves_its_policy(
    api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    await put(api, {"max_age_days": 30})
    await bench.handle("learn_channels", [configured("observe", version=2, name="Renamed")])
    found = (await api.get(POLICY)).json()
    assert (found["channel"], found["version"], found["policy"]["max_age_days"]) == ("Renamed", 1, 30)


async def test_what_is_written_back_is_changed_setting_by_setting_and_other_services_are_told(
    api: httpx.AsyncClient, bench: HandlerBench
) -> None:
    await api.patch(POLICY, json={"written_back": {"tag": " Crossdock "}})
    changed = await api.patch(POLICY, json={"written_back": {"notify_customer": True}})
    assert changed.json()["policy"]["written_back"] == {"tag": "Crossdock", "notify_customer": True}
    await put(api, {})
    told = [event for event in map(event_of, bench.published) if isinstance(event, PolicyChanged)]
    assert [(one.channel_id, one.policy_version, one.notify_customer) for one in told] == [
        (CHANNEL, 1, False),
        (CHANNEL, 2, True),
        (CHANNEL, 3, False),
    ]


async def test_a_tag_is_refused_for_a_channel_that_takes_none(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    await bench.handle("learn_channels", [configured("live", version=2, kind="generic")])
    for params in ({}, {"preview": "true"}):
        reply = await api.put(POLICY, json={"written_back": {"tag": "Crossdock"}}, params=params)
        assert (reply.status_code, reply.json()["code"]) == (422, "no_tags")
        assert "Channels of kind generic take no tags" in reply.json()["message"]
