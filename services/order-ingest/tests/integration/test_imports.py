"""Files of orders and orders typed by hand, over real HTTP and on real Postgres."""

import asyncio
import csv
import io
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from crossdock.contracts.base import Event
from crossdock.contracts.order_ingest import OrderCancelled, OrderPlaced, RecipientRecorded
from crossdock.messaging.transaction import Tx, transaction
from crossdock.service.app import Context, Process
from crossdock.testing.bench import HandlerBench, event_of
from order_ingest.domain.channel import Channel
from order_ingest.imports import PIECE_BYTES, advance
from order_ingest.sheets import template_text
from order_ingest.store import channels, imports

PHONE = UUID(int=70)
ADDRESS = {"name": "Test Person", "street1": "1 Example Street", "city": "Sampletown", "country": "IE"}
HEADER = "order_number,currency,sku,quantity,unit_price,name,street1,city,country"
PLACE = "Test Person,1 Example Street,Sampletown,IE"


def row(number: object, sku: str = "SHIRT", quantity: object = 1, price: str = "10.00", place: str = PLACE) -> str:
    return f"{number},EUR,{sku},{quantity},{price},{place}"


def sheet(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *rows, "")).encode()


@pytest.fixture(autouse=True)
async def phone(bench: HandlerBench) -> None:
    """A live channel of kind manual, and a store."""

    async def configure(tx: Tx) -> None:
        ids = [PHONE, UUID(int=7)]
        await channels.lock(tx, ids)
        found = await channels.lock(tx, ids)
        about = {PHONE: ("manual", "Phone"), UUID(int=7): ("shopify", "Store")}
        made = {
            i: found[i].__class__(**{**_fields(found[i]), "channel_version": 1, "kind": k, "name": n, "mode": "live"})
            for i, (k, n) in about.items()
        }
        await channels.save(tx, made)

    await bench.given(configure)


def _fields(channel: Channel) -> dict[str, Any]:
    return {name: getattr(channel, name) for name in channel.__slots__}


async def upload(api: httpx.AsyncClient, body: Any, **query: str) -> dict[str, Any]:
    reply = await api.post("/imports", params={"channel": "Phone", "name": "orders.csv"} | query, content=body)
    assert reply.status_code == 202, reply.text
    return dict(reply.json())


async def work(context: Context) -> None:
    """Turn the worker until nothing is due."""
    while await advance(context):
        pass


async def check(api: httpx.AsyncClient, context: Context, body: Any, **query: str) -> dict[str, Any]:
    found = await upload(api, body, **query)
    await work(context)
    return dict((await api.get(f"/imports/{found['import_id']}")).json())


async def take(api: httpx.AsyncClient, context: Context, body: Any, **query: str) -> dict[str, Any]:
    found = await check(api, context, body, **query)
    reply = await api.post(f"/imports/{found['import_id']}/start", json={"sha256": found["sha256"]})
    assert reply.status_code == 202, reply.text
    await work(context)
    return dict((await api.get(f"/imports/{found['import_id']}")).json())


async def outcomes(api: httpx.AsyncClient, found: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    rows = (await api.get(f"/imports/{found['import_id']}/rows")).json()["rows"]
    return [(one["row"], one["outcome"], one["field"], one["reason"]) for one in rows]


def told(bench: HandlerBench, kind: type[Event] = OrderPlaced) -> list[Any]:
    return [event for event in (event_of(one) for one in bench.published if one.exchange) if isinstance(event, kind)]


async def test_a_dry_run_says_what_each_row_will_come_to_and_takes_nothing(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    await take(api, context, sheet(row("PO-0")))
    bench.published.clear()
    found = await check(api, context, sheet(row("PO-0"), row("PO-1"), row("PO-2", quantity=0)))
    assert (found["state"], found["orders"], found["will_create"], found["duplicates"], found["errors"]) == (
        "checked", 3, 1, 1, 1,
    )  # fmt: skip
    assert await outcomes(api, found) == [
        (2, "duplicate", "", "An order with this number is stored already; the file does not change it."),
        (3, "will_create", "", ""),
        (4, "error", "quantity", "quantity is less than 1."),
    ]
    assert told(bench) == []


async def test_what_was_checked_is_taken_and_partial_success_is_normal(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    body = sheet(row("PO-1"), row("PO-2", quantity=-1), row("PO-3", "MUG", 2), row("PO-3", "SHIRT", 3))
    found = await take(api, context, body)
    assert (found["state"], found["created"], found["errors"]) == ("finished_partially", 2, 1)
    assert [(event.number, event.channel_kind, len(event.lines)) for event in told(bench)] == [
        ("PO-1", "manual", 1),
        ("PO-3", "manual", 2),
    ]
    assert {str(event.total.amount) for event in told(bench)} == {"10.00", "50.00"}
    assert await bench.table("order_import_piece") == []  # the file, which holds personal data, is forgotten


async def test_the_same_file_again_creates_nothing(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    body = sheet(*(row(f"PO-{n}") for n in range(5)))
    await take(api, context, body)
    bench.published.clear()
    found = await take(api, context, body)
    assert (found["state"], found["created"], found["duplicates"]) == ("finished", 0, 5)
    assert bench.published == []


async def test_only_the_file_that_was_checked_is_started_and_only_once(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    found = await upload(api, sheet(row("PO-1")))
    path = f"/imports/{found['import_id']}/start"
    assert (await api.post(path)).json()["code"] == "not_checked"
    await work(context)
    assert (await api.post(path, json={"sha256": "0" * 64})).json()["code"] == "another_file"
    for _ in range(2):
        assert (await api.post(path, json={"sha256": found["sha256"]})).status_code == 202
        await work(context)
    assert len(told(bench)) == 1


async def test_rows_of_an_order_stand_together_and_say_the_same_of_it(api: httpx.AsyncClient, context: Context) -> None:
    other = PLACE.replace("Sampletown", "Elsewhere")
    body = sheet(row("A"), row("A", "MUG"), row("B"), row("A", "HAT"), row("C"), row("C", place=other))
    found = await check(api, context, body)
    assert await outcomes(api, found) == [
        (2, "will_create", "", ""),
        (3, "will_create", "", ""),
        (4, "will_create", "", ""),
        (5, "error", "order_number", "order_number stands apart from row 2 with the same number: put its "
         "rows together, or number them otherwise."),
        (6, "error", "", "Row 7 of the same order is wrong: an order is taken whole or not at all."),
        (7, "error", "city", "city differs from row 6 of the same order."),
    ]  # fmt: skip


async def test_an_order_of_ten_thousand_rows_is_refused_and_its_neighbours_are_taken(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    found = await take(api, context, sheet(row("A"), *(row("LONG", f"S{n}") for n in range(10_000)), row("B")))
    assert (found["state"], found["rows"], found["orders"], found["created"], found["errors"]) == (
        "finished_partially", 10_002, 3, 2, 1,
    )  # fmt: skip
    assert {event.number for event in told(bench)} == {"A", "B"}
    refused = [one for one in await outcomes(api, found) if one[1] == "error"]
    assert refused[-1][3] == "The row belongs to an order of more than 1,000 rows: split the order."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_encodings_and_separators_are_recognised(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench, encoding: str, separator: str
) -> None:
    body = sheet(row("Ä-1", price="10.50")).decode().replace(",", separator).encode(encoding)
    found = await take(api, context, body)
    assert (found["state"], found["separator"]) == ("finished", separator)
    assert told(bench)[0].number == "Ä-1"


async def test_a_file_that_is_killed_half_way_goes_on_where_it_was_without_loss_or_duplicates(
    api: httpx.AsyncClient, process: Process, bench: HandlerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_ingest.imports.BATCH_ORDERS", 25)
    monkeypatch.setattr("order_ingest.imports.TURN_SECONDS", 0.0)  # a turn is one piece of the file
    rows = [line for n in range(600) for line in (row(f"N-{n}", "A" * 60), row(f"N-{n}", "B" * 60))]
    found = await check(api, process.context, sheet(*rows))
    assert found["will_create"] == 600
    assert found["bytes"] > 2 * PIECE_BYTES
    await api.post(f"/imports/{found['import_id']}/start")
    chance = random.Random(4)
    for _ in range(12):
        doomed = asyncio.create_task(advance(process.context))
        await asyncio.wait([doomed], timeout=chance.random() * 0.3)
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
        async with transaction(process.database) as tx:  # its lease ends
            await tx.run(text("UPDATE order_import SET due_at = now() WHERE due_at IS NOT NULL"))
    await work(process.context)
    found = (await api.get(f"/imports/{found['import_id']}")).json()
    assert (found["state"], found["created"], found["duplicates"]) == ("finished", 600, 0)
    # What a death kept from being handed to the relay at once lies in the outbox like the rest.
    assert [one["type"] for one in await bench.table("outbox")].count("order.placed.v1") == 600
    stored = {one["external_id"]: len(one["source"]["lines"]) for one in await bench.table("orders")}
    assert stored == {f"N-{n}": 2 for n in range(600)}


async def test_whoever_lost_the_lease_writes_nothing(
    api: httpx.AsyncClient, process: Process, bench: HandlerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await check(api, process.context, sheet(*(row(f"N-{n}") for n in range(20))))
    await api.post(f"/imports/{found['import_id']}/start")
    monkeypatch.setattr("order_ingest.imports.LEASE_SECONDS", 0.0)
    await asyncio.gather(*(advance(process.context) for _ in range(3)))
    await work(process.context)
    assert len(told(bench)) == 20


async def test_an_import_pauses_while_its_orders_are_under_way(
    api: httpx.AsyncClient, process: Process, bench: HandlerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_ingest.imports.BATCH_ORDERS", 10)
    object.__setattr__(process.context, "settings", process.settings.model_copy(update={"import_in_flight": 20}))
    found = await check(api, process.context, sheet(*(row(f"N-{n}") for n in range(50))))
    await api.post(f"/imports/{found['import_id']}/start")
    assert not await advance(process.context)
    assert len(told(bench)) == 20


async def test_what_was_uploaded_stays_out_of_every_error_and_result(api: httpx.AsyncClient, context: Context) -> None:
    secret = "Person-of-the-test"
    broken = [
        row("=1+1", price="12,345", place=f"{secret},1 Example Street,Sampletown,{secret}"),
        row("X", quantity=f"<b>{secret}</b>", place=f"{secret * 90},1 Example Street,Sampletown,IE"),
        f'Y,EUR,S,1,1,"{secret}" {secret},a,b,IE',
        f"Z,EUR,S,1,1,{secret}",
    ]
    found = await check(api, context, sheet(*broken))
    assert found["errors"] == 4
    reply = await api.get(f"/imports/{found['import_id']}/result")
    assert secret not in reply.text + str(await outcomes(api, found))
    rows = list(csv.reader(io.StringIO(reply.text.lstrip("\ufeff"))))
    assert rows[0] == ["row", "order_number", "status", "column", "reason", "order_id"]
    assert rows[1][:3] == ["2", "'=1+1", "error"]  # no spreadsheet takes it for a formula


async def test_a_redaction_leaves_no_file_that_its_person_may_stand_in(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    started = await check(api, context, sheet(row("PO-1")))
    looked_at = await check(api, context, sheet(row("PO-2")))
    unlooked_at = await upload(api, sheet(row("PO-3")))
    await api.post(f"/imports/{started['import_id']}/start", json={"sha256": started["sha256"]})
    asked = {"channel": str(PHONE), "email": "person@example.com"}
    for new, files in (
        ({"kind": "redact_customer", "channel": str(UUID(int=7)), "email": "person@example.com"}, 0),
        ({"kind": "export"} | asked, 0),
        ({"kind": "redact_customer"} | asked, 3),
        ({"kind": "redact_customer"} | asked, 0),
    ):
        reply = await api.post("/privacy/requests", json=new)
        assert (reply.status_code, reply.json()["files_ended"]) == (202, files), reply.text
    assert await bench.table("order_import_piece") == []
    await work(context)
    assert told(bench) == []
    for one in (started, looked_at, unlooked_at):
        found = (await api.get(f"/imports/{one['import_id']}")).json()
        assert found["state"] == "stopped"
        assert found["problem"].endswith("upload it again without that customer's orders.")
    assert (await take(api, context, sheet(row("PO-2"))))["created"] == 1


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_redaction_ends_a_file_that_is_still_arriving_and_nothing_of_it_is_kept(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench, pieces: int
) -> None:
    async def arriving() -> AsyncIterator[bytes]:
        data = sheet(*(row(f"PO-{n:06}") for n in range(PIECE_BYTES // 40)))
        assert len(data) > PIECE_BYTES
        yield data[:PIECE_BYTES]
        while not await bench.table("order_import_piece"):
            await asyncio.sleep(0.01)
        asked = {"kind": "redact_customer", "channel": str(PHONE), "email": "person@example.com"}
        assert (await api.post("/privacy/requests", json=asked)).json()["files_ended"] == 1
        yield data[PIECE_BYTES:] * (pieces - 1)

    refused = await api.post("/imports", params={"channel": "Phone"}, content=arriving())
    assert (refused.status_code, refused.json()["code"]) == (409, "import_ended")
    assert "A customer of this channel was redacted" in refused.json()["message"]
    await work(context)
    assert (await bench.table("order_import_piece"), told(bench)) == ([], [])
    [ended] = (await api.get("/imports")).json()["imports"]
    assert (ended["state"], ended["problem"].startswith("A customer of this channel")) == ("stopped", True)


async def test_a_file_that_is_none_and_is_stopped_at_that_moment_harms_no_other(
    api: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = imports.piece

    async def stopped_meanwhile(tx: Tx, import_id: UUID, position: int) -> bytes | None:
        monkeypatch.setattr(imports, "piece", read)
        await api.post(f"/imports/{import_id}/stop")
        return await read(tx, import_id, position) or b"no,header"

    none = await upload(api, b"sku,quantity\nA,1\n")
    good = await upload(api, sheet(row("PO-1")))
    monkeypatch.setattr(imports, "piece", stopped_meanwhile)
    await work(context)
    states = [(await api.get(f"/imports/{one['import_id']}")).json()["state"] for one in (none, good)]
    assert states == ["stopped", "checked"]


async def test_a_file_that_is_none_says_so(api: httpx.AsyncClient, context: Context) -> None:
    for body, sentence in (
        (b"", "The first row is not the template's header"),
        (b"\x00\x01\x02" * 50_000, "The first row is not the template's header"),
        (b"sku,quantity\nA,1\n", "order_number and currency are missing."),
        (HEADER.encode() + b",sku\n", "more than once"),
    ):
        found = await check(api, context, body)
        assert found["state"] == "failed"
        assert sentence in found["problem"]


async def test_a_file_over_the_limit_is_refused_while_it_comes(api: httpx.AsyncClient, process: Process) -> None:
    small = process.settings.model_copy(update={"import_file_bytes": 2**20})
    object.__setattr__(process.context, "settings", small)
    reply = await api.post("/imports", params={"channel": "Phone"}, content=b"x" * (2**20 + 1))
    assert (reply.status_code, reply.json()["message"]) == (413, "The file is larger than 1 MB.")


async def test_only_a_manual_channel_takes_files(api: httpx.AsyncClient) -> None:
    for name, status, code in (("Store", 409, "not_manual"), ("Nobody", 404, "not_found")):
        reply = await api.post("/imports", params={"channel": name}, content=b"x")
        assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_the_template_is_a_file_that_can_be_taken(
    api: httpx.AsyncClient, context: Context, bench: HandlerBench
) -> None:
    reply = await api.get("/imports/template")
    assert reply.text == template_text()
    found = await take(api, context, reply.content)
    assert (found["state"], found["created"], found["ignored_columns"]) == ("finished", 1, [])
    [recorded] = told(bench, RecipientRecorded)
    assert recorded.recipient.address.city == "Sampletown"
    [placed] = told(bench)
    assert (str(placed.ship_by), placed.service) == ("2026-11-25 23:59:59+00:00", "Express")
    [listed] = (await api.get("/orders", params={"sort": "due"})).json()["orders"]
    assert (listed["number"], listed["ship_by"]) == ("PO-1001", "2026-11-25T23:59:59Z")


# ------------------------------------------------------------------ one by one
ORDER = {
    "channel": "Phone",
    "order_number": "T-1",
    "currency": "EUR",
    "lines": [{"sku": "SHIRT", "quantity": 2}],
} | ADDRESS


async def test_an_order_is_typed_shown_and_cancelled(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    today = datetime.now(UTC).date().isoformat()
    dates = {"ship_by": today, "deliver_by": f"{today}T23:59:59.500Z", "service": "Courier"}
    late = await api.post("/orders", json=ORDER | dates | {"deliver_by": f"{today}T23:00Z"})
    assert (late.status_code, late.json()["message"]) == (422, "deliver_by is before ship_by.")
    reply = await api.post("/orders", json=ORDER | dates | {"shipping": 4.90})
    assert reply.status_code == 201, reply.text
    shown = (await api.get("/orders/T-1")).json()
    assert [shown[name] for name in dates] == [f"{today}T23:59:59Z", f"{today}T23:59:59.500000Z", "Courier"]
    assert reply.json()["status"] == "matching"
    [event] = told(bench)
    assert (event.number, str(event.total.amount)) == ("T-1", "4.9")
    assert (await api.post("/orders/T-1/cancel")).status_code == 200
    assert [event.number for event in told(bench, OrderCancelled)] == ["T-1"]


async def test_a_key_makes_an_order_once_however_often_it_is_sent(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    body = {name: value for name, value in ORDER.items() if name != "order_number"}
    key = {"idempotency-key": "k-1"}
    replies = await asyncio.gather(*(api.post("/orders", json=body, headers=key) for _ in range(4)))
    assert {reply.status_code for reply in replies} <= {200, 201}, [reply.text for reply in replies]
    assert len({reply.json()["order_id"] for reply in replies}) == 1
    assert len(told(bench)) == 1
    other = await api.post("/orders", json=body | {"note": "another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (await api.post("/orders", json=body)).status_code == 201  # without a key it is another order


async def test_a_number_that_is_there_is_refused(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    assert (await api.post("/orders", json=ORDER)).status_code == 201
    reply = await api.post("/orders", json=ORDER | {"note": "more"})
    assert (reply.status_code, reply.json()["code"]) == (409, "order_exists")
    assert len(told(bench)) == 1


async def test_every_wrong_field_is_named_without_its_value(api: httpx.AsyncClient) -> None:
    wrong = ORDER | {"currency": "XX", "colour": "red", "lines": [{"sku": "", "quantity": 10**9}]}
    assert (await api.post("/orders", json=wrong)).json()["message"] == "colour is no field of an order."
    del wrong["colour"]
    message = (await api.post("/orders", json=wrong)).json()["message"]
    assert message == (
        "currency is no currency code of ISO 4217, such as EUR; lines[0].sku is missing; "
        "lines[0].quantity is more than 1,000,000."
    )


async def test_what_a_store_sold_is_not_cancelled_here(api: httpx.AsyncClient, bench: HandlerBench) -> None:
    from ingest_examples import placed, receive

    await receive(bench, placed(1))
    reply = await api.post("/orders/1001/cancel")
    assert (reply.status_code, reply.json()["code"]) == (409, "not_manual")
