"""A file of orders, read as it arrives (pure): bytes → records → rows → the rows of one order.

Whatever the file, memory stays bounded: a record is at most RECORD_BYTES, an order's rows are handed on in parts. A
record that cannot be read costs itself and the order whose number it carries, and nothing else.
"""

import csv
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

RECORD_BYTES = 64 * 1024
"""Longer records are taken for one whose quote is not closed, or for a file that is no text."""

RECORD_LINES = 200
SEPARATORS = (",", ";", "\t", "|")
UNCLOSED = "begins a quoted field that is not closed, or is longer than it may be"
CUT_OFF = "ends within a quoted field: is the file cut off?"
HINT = b"sep="
"""Spreadsheets may write the separator into a first line of its own."""

SHOWN = 40


class Unusable(ValueError):
    """Nothing of the file can be read; its text is one sentence without anything that the file holds in its rows."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is written: where its rows begin, in bytes, its encoding, separator and line end, and the column of
    each place ('' where it is ignored)."""

    begin: int
    encoding: str
    separator: str
    line_end: str
    columns: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One row under its header. `number` counts as spreadsheets do: the header is row 1. `fault` says why `cells` could
    not be read, then only `order_number` may be known. `end`: the file's place behind it, in bytes."""

    number: int
    end: int
    order_number: str
    cells: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one order that follow one another. `part` counts from 0 where an order is too long to be held whole, and
    `more` says that another part follows."""

    order_number: str
    rows: tuple[Row, ...]
    part: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: bytes behind the file's beginning, the number of the last row, and how many parts of the
    order in hand went before."""

    offset: int = 0
    row: int = 0
    parts: int = 0
    order_number: str = ""


def first_place(dialect: Dialect) -> Place:
    """Behind the header, which is row 1."""
    return Place(dialect.begin, 1)


# ------------------------------------------------------------------ bytes to records
@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record; `fault` where it cannot be read, and then `cells` are a guess at its first line. `cut`:
    the file ends without a line end behind it."""

    cells: tuple[str, ...]
    end: int
    fault: str = ""
    cut: bool = False


class Records:
    """Takes bytes in pieces of any size and gives whole records; `offset` is the place of the first byte."""

    def __init__(self, encoding: str, separator: str, line_end: str, offset: int = 0) -> None:
        self._encoding = encoding
        self._separator = separator
        self._line_end = line_end.encode("ascii")
        self._rest = b""
        self._lines: deque[bytes] = deque()
        self._offset = offset
        self._skipping = 0
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Record]:
        """More of the file."""
        parts = (self._rest + data).split(self._line_end)
        self._rest = parts.pop()
        self._lines.extend(part + self._line_end for part in parts)
        yield from self._whole()
        if len(self._rest) > RECORD_BYTES and not self._lines:
            self._skipping += len(self._rest)
            self._rest = b""

    def end(self) -> Iterator[Record]:
        """The file is over."""
        if self._rest or self._skipping:
            self._lines.append(self._rest)
            self._rest = b""
        self._ended = True
        yield from self._whole()

    def _whole(self) -> Iterator[Record]:
        while self._lines:
            if self._skipping:
                length = self._skipping + len(self._lines.popleft())
                self._skipping = 0
                self._offset += length
                yield Record((), self._offset, f"is longer than {RECORD_BYTES // 1024} KB")
                continue
            record = self._next()
            if record is None:
                return
            yield record

    def _next(self) -> Record | None:
        """The next record; None when the lines at hand do not tell where it ends."""
        taken = 0
        size = 0

        def lines() -> Iterator[str]:
            nonlocal taken, size
            for line in self._lines:
                size += len(line)
                if taken == RECORD_LINES or size > RECORD_BYTES:
                    raise _TooLong
                taken += 1
                yield line.decode(self._encoding, "replace")
            if not self._ended:
                raise _Unfinished

        try:
            cells = next(csv.reader(lines(), delimiter=self._separator, strict=True))
        except _Unfinished:
            return self._broken(UNCLOSED) if len(self._rest) > RECORD_BYTES else None
        except _TooLong:
            return self._broken(UNCLOSED)
        except csv.Error as problem:
            cut = self._ended and taken == len(self._lines) and "unexpected end" in str(problem)
            return self._broken(CUT_OFF if cut else _explained(str(problem)))
        last = b""
        for _ in range(taken):
            last = self._lines.popleft()
            self._offset += len(last)
        return Record(tuple(cells), self._offset, cut=not last.endswith(self._line_end))

    def _broken(self, fault: str) -> Record:
        """Only the first line is given up: the next one may begin a good record."""
        line = self._lines.popleft()
        self._offset += len(line)
        guess = line[:RECORD_BYTES].decode(self._encoding, "replace").strip("\r\n").split(self._separator)
        return Record(tuple(cell.strip().strip('"') for cell in guess), self._offset, fault)


class _Unfinished(Exception):
    """The record goes on in lines that have not come."""


class _TooLong(Exception):
    """The record does not end where any honest one does."""


def _explained(problem: str) -> str:
    if "expected after" in problem:
        return "has text behind a closing quote: double the quotes within a field"
    return "cannot be read: is a quote or a line break in the wrong place?"


# ------------------------------------------------------------------ the header
def dialect_of(beginning: bytes, encoding: str, known: Collection[str], required: Sequence[str]) -> Dialect:
    """How a file is written, from its beginning. Raises Unusable."""
    line_end = "\r" if b"\n" not in beginning and b"\r" in beginning else "\n"
    mark = 3 if beginning.startswith(b"\xef\xbb\xbf") else 0
    first = beginning[mark:].split(line_end.encode(), 1)[0]
    hinted = first.lower().startswith(HINT) and len(first.strip()) <= len(HINT) + 1
    begin = mark + len(first) + 1 if hinted else mark
    headers = [_header(beginning, encoding, separator, line_end, begin) for separator in SEPARATORS]
    found = max(headers, key=lambda one: sum(_name(cell) in known for cell in one.cells))
    names = [_name(cell) for cell in found.cells]
    missing = [name for name in required if name not in names]
    if missing:
        raise Unusable(
            f"The first row is not the template's header: {_listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
    twice = sorted({name for name in names if name in known and names.count(name) > 1})
    if twice:
        raise Unusable(f"The header names {_listed(twice)} more than once.")
    separator = SEPARATORS[headers.index(found)]
    columns = tuple(name if name in known else "" for name in names)
    ignored = tuple(cell.strip()[:SHOWN] for cell, name in zip(found.cells, columns, strict=True) if not name)
    return Dialect(found.end, encoding, separator, line_end, columns, tuple(name for name in ignored if name))


def _header(beginning: bytes, encoding: str, separator: str, line_end: str, offset: int) -> Record:
    records = Records(encoding, separator, line_end, offset)
    for record in (*records.feed(beginning[offset:]), *records.end()):
        if not record.fault:
            return record
        break
    return Record((), offset)


def _name(cell: str) -> str:
    return "_".join(cell.strip().lower().replace("-", " ").split())


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# ------------------------------------------------------------------ records to rows and orders
class Sheet:
    """Takes a file in pieces, from a place where it was left, and gives the rows of one order after the other."""

    def __init__(self, dialect: Dialect, place: Place, longest: int) -> None:
        self._dialect = dialect
        self._records = Records(dialect.encoding, dialect.separator, dialect.line_end, place.offset)
        self._row = place.row
        self._longest = longest
        self._held: list[Row] = []
        self._number = place.order_number
        self._part = place.parts

    def feed(self, data: bytes) -> Iterator[Group]:
        """More of the file: what is complete by it."""
        for record in self._records.feed(data):
            yield from self._take(record)

    def end(self) -> Iterator[Group]:
        """The file is over: the rest."""
        for record in self._records.end():
            yield from self._take(record)
        if self._held:
            yield self._group(more=False)

    def _take(self, record: Record) -> Iterator[Group]:
        self._row += 1
        if not record.fault and not any(cell.strip() for cell in record.cells):
            return
        row = self._row_of(record)
        if self._held or self._part:
            if row.order_number != self._number or not row.order_number:
                if self._held:
                    yield self._group(more=False)
                self._part = 0
            elif len(self._held) == self._longest:
                yield self._group(more=True)
        self._number = row.order_number
        self._held.append(row)

    def _group(self, *, more: bool) -> Group:
        group = Group(self._number, tuple(self._held), self._part, more)
        self._held.clear()
        self._part = self._part + 1 if more else 0
        return group

    def _row_of(self, record: Record) -> Row:
        columns = self._dialect.columns
        cells = {name: cell for name, cell in zip(columns, record.cells, strict=False) if name}
        order_number = cells.get("order_number", "").replace("\0", "").strip()
        row = Row(self._row, record.end, order_number, cells, record.fault)
        extra = [cell for cell in record.cells[len(columns) :] if cell.strip()]
        if record.fault:
            return replace(row, cells={})
        if extra:
            what = f"has {len(record.cells)} cells and the header {len(columns)}: quote fields that hold the separator"
            return replace(row, cells={}, fault=what)
        if record.cut and len(record.cells) < len(columns):
            what = f"has {len(record.cells)} of {len(columns)} cells at the end of the file: is the file cut off?"
            return replace(row, cells={}, fault=what)
        if any("\0" in cell for cell in record.cells):
            return replace(row, cells={}, fault="holds a NUL character")
        return row


def place_after(group: Group) -> Place:
    """Where reading goes on once a group is done with."""
    last = group.rows[-1]
    return Place(last.end, last.number, group.part + 1 if group.more else 0, group.order_number if group.more else "")


# ------------------------------------------------------------------ rows to an order
@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a row: the column, blank for the row as a whole, and the reason without any value."""

    row: int
    column: str
    reason: str


def head_of(rows: Sequence[Row], of_order: Collection[str]) -> tuple[dict[str, str], list[Wrong]]:
    """What the rows say of the order as a whole: the first that is not blank; another one must not differ."""
    head: dict[str, str] = {}
    said_in: dict[str, int] = {}
    wrong = []
    for row in rows:
        for name in of_order:
            cell = row.cells.get(name, "").strip()
            if not cell:
                continue
            if name not in head:
                head[name], said_in[name] = cell, row.number
            elif head[name] != cell:
                reason = f"differs from row {said_in[name]} of the same order"
                wrong.append(Wrong(row.number, name, reason))
    return head, wrong


def escaped(cell: str) -> str:
    """A cell as it may be opened in a spreadsheet: text that would be taken for a formula begins with an apostrophe."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
