"""Orders on the command line: a timeline that is longer than a page says how it goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from crossdock.cli.main import app
from sandbox.testing import serve

ORDER = "0190a000-0000-7000-8000-000000000001"
FIRST = "0190a000-0000-7000-8000-00000000000a"


def entry(sentence: str) -> dict[str, Any]:
    return {"at": "2026-03-02T12:00:00+00:00", "source": "shopify", "sentence": sentence, "cause": None}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str | None]]]:
    """Which pages a gateway was asked for that knows one order of two pages."""
    calls: list[tuple[str, str | None]] = []
    web = FastAPI()

    @web.get("/v1/orders/{reference}/timeline")
    async def timeline(reference: str, after: str | None = None) -> Any:
        calls.append((reference, after))
        if after is None:
            return {"order_id": ORDER, "timeline": [entry("It was imported")], "next": FIRST}
        return {"order_id": ORDER, "timeline": [entry("It was shipped")], "next": None}

    for url in serve(web):
        monkeypatch.setenv("CROSSDOCK_URL", url)
        monkeypatch.setenv("CROSSDOCK_API_KEY", "xd_test")
        yield calls


def test_a_timeline_says_how_it_goes_on_until_its_end(asked: list[tuple[str, str | None]]) -> None:
    first = CliRunner().invoke(app, ["order", "timeline", "#1001"])
    assert "It was imported" in first.output
    assert f"crossdock order timeline {ORDER} --after {FIRST}" in first.output
    second = CliRunner().invoke(app, ["order", "timeline", ORDER, "--after", FIRST])
    assert "It was shipped" in second.output
    assert "--after" not in second.output
    assert asked == [("#1001", None), (ORDER, FIRST)]
