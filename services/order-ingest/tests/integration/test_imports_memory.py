"""A hundred thousand rows: however long a file is, taking it needs no more memory (minutes: `-m promise`)."""

import os
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import psutil
import pytest

from crossdock.messaging.transaction import Tx
from crossdock.service import tokens
from crossdock.service.app import Process
from crossdock.testing.bench import HandlerBench
from order_ingest.imports import advance
from order_ingest.store import channels

pytestmark = [pytest.mark.promise, pytest.mark.timeout(600)]
ROWS = int(os.environ.get("CROSSDOCK_IMPORT_ROWS", "100000"))
WARM = 10_000
HEADER = b"order_number,currency,sku,quantity,unit_price,name,street1,city,country\n"
PHONE = "Phone"
KEY = "a key that only tests use, long enough"


async def test_a_hundred_thousand_rows_are_checked_and_taken_in_constant_memory(
    api: httpx.AsyncClient, process: Process, bench: HandlerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.database.on_commit.clear()  # the bench remembers what was published
    monkeypatch.setattr("order_ingest.store.imports.in_flight", nothing_in_flight)  # nobody answers here
    monkeypatch.setattr("order_ingest.imports.TURN_SECONDS", 0.2)  # to look often
    await bench.given(connect)

    async def body() -> AsyncIterator[bytes]:
        yield HEADER
        for start in range(0, ROWS, 100):
            yield b"".join(
                b"N-%d,EUR,SKU-%d,2,19.90,Test Person,1 Example Street,Sampletown,IE\n" % (n // 2, n)
                for n in range(start, start + 100)
            )

    me = psutil.Process()
    grown = {}
    reply = await api.post("/imports", params={"channel": PHONE}, content=body())
    path = f"/imports/{reply.json()['import_id']}"
    for phase, end in (("check", "checked"), ("import", "finished")):
        base, began = 0, me.cpu_times().user
        peak = 0
        while (found := (await api.get(path)).json())["state"] != end:
            assert await advance(process.context), found
            api.headers["authorization"] = f"Bearer {tokens.issue(KEY, issuer='gateway', audience='order-ingest')}"
            done = round(found["done"] * ROWS)
            rss = me.memory_info().rss
            base = rss if done < WARM else base
            peak = max(peak, rss)
        grown[phase] = (peak - base) / 2**20
        print(f"{phase}: {ROWS} rows, {me.cpu_times().user - began:.0f} s CPU, grew by {grown[phase]:.1f} MB")
        if phase == "check":
            assert (await api.post(f"{path}/start")).status_code == 202
    assert found["created"] == ROWS // 2
    assert max(grown.values()) < 20


async def nothing_in_flight(*_: object) -> int:
    return 0


async def connect(tx: Tx) -> None:
    phone = UUID(int=70)
    found = (await channels.lock(tx, [phone]))[phone]
    about = {"channel_version": 1, "kind": "manual", "name": PHONE, "mode": "live"}
    fields = {name: getattr(found, name) for name in found.__slots__}
    await channels.save(tx, {phone: found.__class__(**(fields | about))})
