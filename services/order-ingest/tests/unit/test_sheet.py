"""A file of orders, read in pieces: whatever it holds, every row has its fate and no row spoils another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_ingest.domain.encoding import Recoder, UnknownEncoding
from order_ingest.domain.sheet import (
    RECORD_BYTES,
    Group,
    Place,
    Row,
    Sheet,
    Unusable,
    dialect_of,
    escaped,
    first_place,
    place_after,
)

COLUMNS = ("order_number", "sku", "note")
LONGEST = 5


def read(body: bytes, *, pieces: int = 7, place: Place | None = None) -> list[Group]:
    dialect = dialect_of(body, "utf-8", COLUMNS, COLUMNS[:2])
    where = place or first_place(dialect)
    sheet = Sheet(dialect, where, LONGEST)
    rest = body[where.offset :]
    found = [group for i in range(0, len(rest), pieces) for group in sheet.feed(rest[i : i + pieces])]
    return [*found, *sheet.end()]


def rows(body: bytes, pieces: int = 7) -> list[Row]:
    return [row for group in read(body, pieces=pieces) for row in group.rows]


def test_rows_are_numbered_as_spreadsheets_do_and_blank_ones_count() -> None:
    found = rows(b'Order Number;SKU;NOTE\r\nA;S;"two\r\nlines; and ""quotes"""\r\n\r\n;;\r\nB;=1+1;\r\n')
    assert [(row.number, row.order_number, row.cells.get("sku"), row.cells.get("note")) for row in found] == [
        (2, "A", "S", 'two\r\nlines; and "quotes"'),
        (5, "B", "=1+1", ""),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'X,S,"never closed', "begins a quoted field that is not closed, or is longer than it may be"),
        (b'X,S,"closed" twice', "has text behind a closing quote: double the quotes within a field"),
        (b"X,S,n,more", "has 4 cells and the header 3: quote fields that hold the separator"),
        (b"X,S\0,n", "holds a NUL character"),
        (b"X,S," + b"n" * (2 * RECORD_BYTES), "is longer than 64 KB"),
    ],
)
def test_a_row_that_cannot_be_read_costs_itself_alone(line: bytes, fault: str) -> None:
    after = b"".join(b"B%d,S,n\n" % n for n in range(300))
    found = rows(b"order_number,sku,note\nA,S,n\n" + line + b"\n" + after, pieces=50_000)
    assert [row.order_number for row in found if not row.fault] == ["A", *(f"B{n}" for n in range(300))]
    [broken] = [row for row in found if row.fault]
    assert (broken.number, broken.fault, dict(broken.cells)) == (3, fault, {})
    assert broken.order_number == ("" if "64 KB" in fault else "X")


def test_a_broken_row_belongs_to_the_order_whose_number_it_carries() -> None:
    body = b'order_number,sku,note\nA,S,n\nA,S,"x" y\nA,S,n\nB,S,n\n'
    assert [(group.order_number, len(group.rows)) for group in read(body)] == [("A", 3), ("B", 1)]


@pytest.mark.parametrize("end", [b'B,S,"cut', b"B,S"])
def test_a_file_that_was_cut_off_says_so(end: bytes) -> None:
    [good, cut] = rows(b"order_number,sku,note\nA,S,n\n" + end)
    assert not good.fault
    assert cut.fault.endswith("is the file cut off?")


def test_an_order_that_is_too_long_is_handed_on_in_parts() -> None:
    body = b"order_number,sku,note\n" + b"A,S,n\n" * 12 + b"B,S,n\n"
    assert [(group.order_number, len(group.rows), group.part, group.more) for group in read(body)] == [
        ("A", 5, 0, True), ("A", 5, 1, True), ("A", 2, 2, False), ("B", 1, 0, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "separator", "line_end"),
    [
        (b"order_number,sku\nA,S\n", ",", "\n"),
        (b"sep=;\r\norder_number;sku\r\nA;S\r\n", ";", "\n"),
        (b"\xef\xbb\xbforder_number\tsku\rA\tS\r", "\t", "\r"),
        (b'"order_number"|"sku"\nA|S\n', "|", "\n"),
    ],
)
def test_separators_and_line_ends_are_recognised(body: bytes, separator: str, line_end: str) -> None:
    found = dialect_of(body, "utf-8", COLUMNS, COLUMNS[:2])
    assert (found.separator, found.line_end) == (separator, line_end)
    assert [(row.number, row.order_number) for row in rows(body)] == [(2, "A")]


def test_columns_of_others_are_named_and_ignored() -> None:
    found = dialect_of(b"Colour,order_number,sku,\n", "utf-8", COLUMNS, COLUMNS[:2])
    assert (found.columns, found.ignored) == (("", "order_number", "sku", ""), ("Colour",))


@pytest.mark.parametrize("body", [b"", b"\n", b"a,b,c\n1,2,3\n", b"order_number,order_number,sku\n", b"\0" * 99])
def test_without_the_templates_header_nothing_is_read(body: bytes) -> None:
    with pytest.raises(Unusable):
        dialect_of(body, "utf-8", COLUMNS, COLUMNS[:2])


TEXTS = st.lists(
    st.sampled_from([b"A", b"B", b",", b'"', b"\n", b"\r\n", b"\0", b"\xff", b"S", b"A,S,n\n", b'""', "é".encode()])
)


@given(TEXTS.map(b"".join), st.integers(1, 40))
def test_the_pieces_in_which_a_file_comes_make_no_difference(body: bytes, pieces: int) -> None:
    whole = b"order_number,sku,note\n" + body
    assert read(whole, pieces=pieces) == read(whole, pieces=10**6)


@given(TEXTS.map(b"".join))
def test_reading_goes_on_from_any_place_as_if_it_had_never_stopped(body: bytes) -> None:
    whole = b"order_number,sku,note\n" + body
    found = read(whole)
    for done, group in enumerate(found, 1):
        assert read(whole, place=place_after(group)) == found[done:]


def test_text_that_a_spreadsheet_takes_for_a_formula_is_escaped() -> None:
    assert [escaped(cell) for cell in ("=1", "+1", "-1", "@a", "\t=1", "a=1", "")] == [
        "'=1", "'+1", "'-1", "'@a", "'\t=1", "a=1", "",
    ]  # fmt: skip


# ------------------------------------------------------------------ encodings
def recoded(data: bytes, named: str = "", pieces: int = 300) -> tuple[str, str]:
    recoder = Recoder(named)
    kept = b"".join(recoder.feed(data[i : i + pieces]) for i in range(0, len(data), pieces)) + recoder.end()
    return kept.decode(recoder.kept_as, "replace").removeprefix("\ufeff"), recoder.found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_are_recognised(encoding: str) -> None:
    text = "order_number,sku\n" * 30 + "Ä-1,Größe €\n" * 300
    assert recoded(text.encode(encoding))[0] == text


def test_text_with_a_little_damage_is_still_read_as_what_it_mostly_is() -> None:
    text = "Ä-1,Größe\n" * 99
    found, encoding = recoded(text.encode() + b"\xff,S\n")
    assert (found, encoding) == (text + "\ufffd,S\n", "utf-8")


def test_an_encoding_can_be_named_and_must_be_one() -> None:
    assert recoded("Łódź,S\n".encode("windows-1250"), "windows-1250")[0] == "Łódź,S\n"
    for wrong in ("nonsense", "base64", "rot13", "a\0b"):
        with pytest.raises(UnknownEncoding):
            Recoder(wrong)
