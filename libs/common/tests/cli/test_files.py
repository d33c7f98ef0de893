"""Orders on the command line: a file with its outcome, and one order as it is typed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from typer.testing import CliRunner

from crossdock.cli.client import CannotCall
from crossdock.cli.commands.files import line_in, order_in
from crossdock.cli.main import app
from sandbox.testing import serve

ID = "0190a000-0000-7000-8000-000000000009"


class Gateway:
    """Stands in for the gateway: takes one file, and goes through it at the second look."""

    def __init__(self) -> None:
        self.errors = 0
        self.looks = 0
        self.state = "checking"
        self.got: list[Any] = []

    def shown(self) -> dict[str, Any]:
        counts = {"rows": 3, "orders": 2, "will_create": 2 - self.errors, "created": 0, "duplicates": 0}
        about = {"file_name": "orders.csv", "sha256": "ab" * 32, "problem": "", "ignored_columns": ["Colour"]}
        return about | counts | {"import_id": ID, "state": self.state, "errors": self.errors, "done": 0.5}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    known, web = Gateway(), FastAPI()

    @web.post("/v1/imports")
    async def upload(request: Request, channel: str, name: str) -> Any:
        known.got.append((channel, name, await request.body()))
        return known.shown()

    @web.get("/v1/imports/{import_id}")
    def show(import_id: str) -> Any:
        known.looks += 1
        if known.state == "checking":
            known.state = "checked"
        elif known.state == "importing":
            known.state = "finished_partially" if known.errors else "finished"
        return known.shown()

    @web.post("/v1/imports/{import_id}/start")
    async def start(import_id: str, request: Request) -> Any:
        known.got.append(await request.json())
        known.state = "importing"
        return known.shown()

    @web.get("/v1/imports/{import_id}/rows")
    def rows(import_id: str) -> Any:
        wrong = {"row": 4, "order_number": "PO-2", "field": "quantity", "reason": "quantity is less than 1."}
        return {"rows": [wrong] * known.errors}

    @web.get("/v1/imports/{import_id}/result")
    def result(import_id: str) -> Response:
        return Response("row,order_number\r\n", media_type="text/csv")

    @web.post("/v1/orders")
    async def create(request: Request) -> Any:
        known.got.append((await request.json(), request.headers.get("idempotency-key")))
        return {"order_id": ID, "number": "M-1", "status": "matching"}

    for url in serve(web):
        monkeypatch.setenv("CROSSDOCK_URL", url)
        monkeypatch.setenv("CROSSDOCK_API_KEY", "xd_key")
        monkeypatch.setattr("crossdock.cli.commands.files.LOOK_SECONDS", 0.01)
        yield known


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "orders.csv"
    made.write_bytes(b"order_number\nA\n")
    return made


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_file_is_checked_and_exactly_that_file_is_taken(gateway: Gateway, file: Path, tmp_path: Path) -> None:
    done = run("orders", "import", file, "--channel", "Phone", "--result", tmp_path / "result.csv")
    assert done.exit_code == 0, done.output
    assert gateway.got == [("Phone", "orders.csv", b"order_number\nA\n"), {"sha256": "ab" * 32}]
    assert "finished" in done.output
    assert (tmp_path / "result.csv").read_bytes() == b"row,order_number\r\n"


def test_a_dry_run_takes_nothing_and_names_what_is_wrong(gateway: Gateway, file: Path) -> None:
    gateway.errors = 1
    done = run("orders", "import", file, "--channel", "Phone", "--dry-run")
    assert done.exit_code == 1
    assert len(gateway.got) == 1
    assert "quantity is less than 1." in done.output
    assert "Colour" in done.output


def test_an_order_is_typed(gateway: Gateway) -> None:
    words = ("--channel", "Phone", "--line", "SHIRT-M:2:19.90", "--set", "city=Cork", "--key", "k-1")
    done = run("order", "create", *words)
    assert done.exit_code == 0, done.output
    line = {"sku": "SHIRT-M", "quantity": "2", "unit_price": "19.90"}
    assert gateway.got == [({"city": "Cork", "lines": [line], "channel": "Phone"}, "k-1")]


def test_an_order_comes_from_a_file_and_is_completed_by_words(tmp_path: Path) -> None:
    made = tmp_path / "order.json"
    made.write_text(json.dumps({"channel": "Phone", "city": "Cork", "lines": [{"sku": "A", "quantity": 1}]}))
    assert order_in(made, "", [], ["city=Sampletown"]) == {
        "channel": "Phone", "city": "Sampletown", "lines": [{"sku": "A", "quantity": 1}],
    }  # fmt: skip
    made.write_text("[1")
    with pytest.raises(CannotCall, match=r"order\.json is no JSON"):
        order_in(made, "", [], [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SHIRT:2", {"sku": "SHIRT", "quantity": "2"}),
        ("SHIRT:2:9.90", {"sku": "SHIRT", "quantity": "2", "unit_price": "9.90"}),
        ("A:B:2:9", {"sku": "A:B", "quantity": "2", "unit_price": "9"}),
        ("A:B:2", {"sku": "A:B", "quantity": "2"}),
    ],
)
def test_a_line_is_read_as_it_is_typed(text: str, line: dict[str, str]) -> None:
    assert line_in(text) == line


def test_a_line_without_a_quantity_is_refused() -> None:
    with pytest.raises(CannotCall, match="SKU:QUANTITY"):
        line_in("SHIRT")
