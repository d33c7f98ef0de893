"""Commands about what listings are tied to."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TextIO
from uuid import UUID

import typer

from crossdock.cli import views
from crossdock.cli.terminal import AsJson, client, one_sentence, say, show

COLUMNS = ("channel_id", "listing_id", "sku", "quantity")
BATCH = 1000
MOST_UNITS = 10_000

app = typer.Typer(no_args_is_help=True, help="What a channel's listings are, where their own SKU does not tell.")


class Row(NamedTuple):
    """A row of a file: what it wishes, or why it cannot be read."""

    number: int
    wish: dict[str, Any]
    reason: str


@app.command("set")
def mapping_set(
    channel_id: str, listing_id: str, sku: str, quantity: Annotated[int, typer.Option(min=1, max=MOST_UNITS)] = 1
) -> None:
    """A listing is so many units of a SKU; orders that wait for it go on."""
    wish = {"channel_id": channel_id, "listing_id": listing_id, "sku": sku, "quantity": quantity}
    with one_sentence():
        refused = [one for one in _put([wish]) if one["outcome"] == "refused"]
    if refused:
        say(refused[0]["reason"])
        raise typer.Exit(1)
    say(f"Listing {listing_id} is {quantity} of {sku}.")


@app.command("remove")
def mapping_remove(channel_id: str, listing_id: str) -> None:
    """A listing is again what its own SKU says; orders that were matched stay so."""
    with one_sentence():
        _put([{"channel_id": channel_id, "listing_id": listing_id, "sku": None}])
    say(f"Listing {listing_id} is what its own SKU says.")


@app.command("list")
def mapping_list(channel: str, after: str = "", as_json: AsJson = False) -> None:
    """The mappings of a channel (its id)."""
    with one_sentence():
        show(client().get("/v1/mappings", channel=channel, after=after), as_json, views.mappings)


@app.command("import")
def mapping_import(file: Path) -> None:
    """Map many listings from a CSV file with the columns channel_id, listing_id, sku, quantity. An empty sku takes a
    mapping away. Every row has its own outcome; the file may be imported again."""
    outcomes: Counter[str] = Counter()
    with one_sentence(), file.open(encoding="utf-8-sig", newline="") as opened:
        rows = _rows(opened, file.name)
        while batch := list(islice(rows, BATCH)):
            for number, outcome, reason in _imported(batch):
                outcomes[outcome] += 1
                if reason:
                    say(f"Row {number}: {reason}")
    say(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "The file has no rows.")
    raise typer.Exit(1 if outcomes["refused"] else 0)


def _put(wishes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = client().call("PUT", "/v1/mappings", wishes)["mappings"]
    return answers


def _imported(batch: list[Row]) -> Iterator[tuple[int, str, str]]:
    """The outcome of each row, and why it was refused."""
    good = [row for row in batch if not row.reason]
    answers = dict(zip((row.number for row in good), _put([row.wish for row in good]) if good else [], strict=True))
    for row in batch:
        if row.reason:
            yield row.number, "refused", row.reason
        else:
            yield row.number, answers[row.number]["outcome"], answers[row.number]["reason"]


def _rows(lines: TextIO, name: str) -> Iterator[Row]:
    reader = csv.DictReader(lines)
    if missing := [column for column in COLUMNS[:3] if column not in (reader.fieldnames or ())]:
        say(f"{name} lacks the column {missing[0]}: its first row must be {','.join(COLUMNS)}.")
        raise typer.Exit(1)
    for number, row in enumerate(reader, 2):
        yield _row(number, row)


def _row(number: int, row: dict[str, str | None]) -> Row:
    texts = {column: (row.get(column) or "").strip() for column in COLUMNS}
    quantity = texts["quantity"] or "1"
    try:
        UUID(texts["channel_id"])
    except ValueError:
        return Row(number, {}, "channel_id is no id of a channel: crossdock channel list shows them.")
    if not texts["listing_id"]:
        return Row(number, {}, "listing_id is blank: give the variant's id in the channel.")
    if not (quantity.isascii() and quantity.isdecimal() and 1 <= int(quantity) <= MOST_UNITS):
        return Row(number, {}, f"quantity is no whole number from 1 to {MOST_UNITS}.")
    return Row(number, texts | {"sku": texts["sku"] or None, "quantity": int(quantity)}, "")
