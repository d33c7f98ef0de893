"""The HTTP API of files of orders: upload, look, start, stop, and what became of each row. A file is kept in pieces as
it arrives, and no transaction is open while its sender is waited for.
"""

import csv
import io
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from crossdock.channels.manual import orders as given
from crossdock.channels.protocols import KeptHere
from crossdock.channels.reading import clean
from crossdock.channels.registry import can
from crossdock.messaging.envelope import new_id
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from crossdock.service.tokens import actor_of
from order_ingest.domain.encoding import Recoder, UnknownEncoding
from order_ingest.domain.sheet import escaped
from order_ingest.imports import PIECE_BYTES
from order_ingest.store import imports

RESULT_COLUMNS = ("row", "order_number", "status", "column", "reason", "order_id")
RESULT_PAGE = 2000
CSV = "text/csv; charset=utf-8"
A_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
"""What a route that answers with a file says of its reply."""
Outcome = Literal["will_create", "created", "duplicate", "error"]


class Start(BaseModel):
    """Which file was looked at: its SHA-256 in hexadecimal digits."""

    sha256: str | None = None


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/imports", tags=["files of orders"])

    @routes.get("/template", responses=A_FILE)
    async def template() -> Response:
        """The header that a file needs, with an order as an example."""
        headers = {"content-disposition": 'attachment; filename="orders.csv"'}
        return Response(template_text(), media_type=CSV, headers=headers)

    @routes.post("", status_code=202)
    async def upload(
        request: Request, channel: str, name: str = "", encoding: Annotated[str, Query(max_length=40)] = ""
    ) -> dict[str, Any]:
        """Send a file (the body as it is) to be checked; nothing is taken before it is started."""
        async with context.transaction() as tx:
            target = await manual_channel(tx, channel)
        import_id = await receive(context, request, target, clean(name)[:200], encoding)
        return await shown(context, import_id)

    @routes.get("")
    async def list_imports(
        before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> dict[str, Any]:
        """Files, newest first; `next` is the `before` of the next page."""
        async with context.transaction() as tx:
            rows = await imports.page(tx, before, limit)
        return {"imports": [view(row) for row in rows], "next": rows[-1].import_id if len(rows) == limit else None}

    @routes.get("/{import_id}")
    async def show(import_id: UUID) -> dict[str, Any]:
        """How far a file was taken, and what its orders came to."""
        return await shown(context, import_id)

    _progress(context, routes)
    _outcomes(context, routes)
    return routes


def _progress(context: Context, routes: APIRouter) -> None:
    """Starting and stopping."""

    @routes.post("/{import_id}/start", status_code=202)
    async def start(import_id: UUID, which: Start | None = None) -> dict[str, Any]:
        """Take the orders of a checked file; one that was started before is left alone."""
        async with context.transaction() as tx:
            await begin(tx, import_id, "" if which is None or which.sha256 is None else which.sha256)
        return await shown(context, import_id)

    @routes.post("/{import_id}/stop")
    async def stop(import_id: UUID) -> dict[str, Any]:
        """End an import before its file does; what was taken stays."""
        async with context.transaction() as tx:
            found = await imports.lock(tx, import_id)
            if found is None:
                raise not_found("import", import_id)
            if found.state not in imports.ENDED:
                await imports.stop(tx, [import_id], "A person stopped it.")
        return await shown(context, import_id)


def _outcomes(context: Context, routes: APIRouter) -> None:
    """What became of each row."""

    @routes.get("/{import_id}/rows")
    async def list_rows(
        import_id: UUID,
        outcome: Outcome | None = None,
        after: int = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> dict[str, Any]:
        """What each row came to; `next` is the `after` of the next page."""
        await shown(context, import_id)
        async with context.transaction() as tx:
            rows = await imports.rows_after(tx, import_id, after=after, outcome=outcome, limit=limit)
        return {"rows": [dict(row) for row in rows], "next": rows[-1].row if len(rows) == limit else None}

    @routes.get("/{import_id}/result", responses=A_FILE)
    async def result(import_id: UUID) -> StreamingResponse:
        """What each row came to, as a file for spreadsheets; it holds no personal data."""
        await shown(context, import_id)
        headers = {"content-disposition": f'attachment; filename="result-{import_id}.csv"'}
        return StreamingResponse(result_lines(context, import_id), media_type=CSV, headers=headers)


def template_text() -> str:
    """The template: its columns, and one order of one line."""
    return _line([column.name for column in given.COLUMNS]) + _line([column.example for column in given.COLUMNS])


async def manual_channel(tx: Tx, name: str) -> Any:
    """The channel that takes orders from files and people, by name or id. Raises Problem: 404, 409."""
    found = await imports.channels_named(tx, clean(name)) if name else []
    if not found:
        raise not_found("connected channel", clean(name)[:100], "List them: crossdock channel list.")
    if len(found) > 1:
        raise Problem(409, "several_channels", "Several channels have this name.", "Name one by its id.")
    if not can(found[0].kind, KeptHere):
        raise Problem(
            409,
            "not_manual",
            f"Channel {found[0].name} is of kind {found[0].kind}: its orders come from there.",
            "Connect a channel of kind manual, and name that.",
        )
    return found[0]


async def receive(context: Context, request: Request, channel: Any, name: str, encoding: str) -> UUID:
    """Keep a file as it arrives. Raises Problem: 400, 409 when it is ended before it is here, 413, 422."""
    try:
        recoder = Recoder(encoding)
    except UnknownEncoding as problem:
        raise Problem(422, "unknown_encoding", str(problem), "Leave it out: most are recognised.") from None
    import_id = new_id()
    actor = actor_of(request)
    async with context.transaction() as tx:
        await imports.add(tx, import_id, channel, name, actor)
    store = _Store(context, import_id)
    digest, size = sha256(), 0
    try:
        async for data in request.stream():
            digest.update(data)
            size += len(data)
            if size > context.settings.import_file_bytes:
                raise too_large(context.settings.import_file_bytes)
            await store.keep(recoder.feed(data))
        await store.keep(recoder.end(), last=True)
        async with context.transaction() as tx:
            here = await imports.uploaded(
                tx,
                import_id,
                sha256=digest.hexdigest(),
                size=size,
                kept_bytes=store.kept,
                encoding=recoder.found,
                kept_as=recoder.kept_as,
            )
        if not here:
            raise await _ended(context, import_id)
    except ClientDisconnect:
        await _give_up(context, import_id)
        raise Problem(400, "broken_off", "The upload broke off.", "Send the file again.") from None
    except UnknownEncoding as problem:
        await _give_up(context, import_id)
        raise Problem(422, "unknown_encoding", str(problem), "Save the file as UTF-8.") from None
    except Problem:
        await _give_up(context, import_id)
        raise
    return import_id


def too_large(limit: int) -> Problem:
    """413 in the one wording."""
    return Problem(
        413, "file_too_large", f"The file is larger than {limit // 2**20} MB.", "Split it between two orders."
    )


async def _ended(context: Context, import_id: UUID) -> Problem:
    """What the sender of a file is told whose import somebody ended."""
    async with context.transaction() as tx:
        found = await imports.lock(tx, import_id)
    why = found.problem if found is not None else ""
    return Problem(409, "import_ended", f"The import ended while its file arrived. {why}", "Send another file.")


async def _give_up(context: Context, import_id: UUID) -> None:
    async with context.transaction() as tx:
        found = await imports.lock(tx, import_id)
        if found is not None and found.state == "uploading":
            await imports.stop(tx, [import_id], "The upload was not completed.")


class _Store:
    """Keeps bytes in pieces of one size, each in a transaction of its own. Raises Problem (409) once somebody ended the
    import: nothing that still arrives is kept."""

    def __init__(self, context: Context, import_id: UUID) -> None:
        self._context = context
        self._import_id = import_id
        self._rest = bytearray()
        self._position = 0
        self.kept = 0

    async def keep(self, data: bytes, *, last: bool = False) -> None:
        """Keep more; with `last`, all of it."""
        self._rest += data
        while len(self._rest) >= PIECE_BYTES or (last and self._rest):
            piece = bytes(self._rest[:PIECE_BYTES])
            del self._rest[:PIECE_BYTES]
            async with self._context.transaction() as tx:
                kept = await imports.add_piece(tx, self._import_id, self._position, piece)
            if not kept:
                raise await _ended(self._context, self._import_id)
            self._position += 1
            self.kept += len(piece)


async def begin(tx: Tx, import_id: UUID, digest: str) -> None:
    """Let a checked import begin. Raises Problem: 404, 409 while it is checked or when the file is another one."""
    found = await imports.lock(tx, import_id)
    if found is None:
        raise not_found("import", import_id)
    if digest and digest.lower() != found.sha256:
        raise Problem(
            409,
            "another_file",
            "The file that was checked is another one than you name.",
            "Upload your file, look at its check, and start that.",
        )
    if found.state in ("uploading", "checking"):
        raise Problem(409, "not_checked", "The file is still being checked.", "Wait until its state is checked.")
    if found.state == "checked":
        await imports.start(tx, import_id)


async def shown(context: Context, import_id: UUID) -> dict[str, Any]:
    """An import. Raises Problem (404)."""
    async with context.transaction() as tx:
        row = await imports.one(tx, import_id)
    if row is None:
        raise not_found("import", import_id)
    return view(row)


def view(row: Any) -> dict[str, Any]:
    """An import as the API shows it; `done` goes from 0 to 1 while it is checked, and again while it is taken."""
    names = ("import_id", "channel_id", "channel", "file_name", "sha256", "bytes", "encoding", "state", "problem",
             "rows", "orders", "will_create", "created", "duplicates", "errors", "created_by", "created_at",
             "changed_at")  # fmt: skip
    dialect, place = row.dialect or {}, row.place or {}
    working = row.state in imports.WORKING
    done = place.get("offset", 0) / max(row.kept_bytes, 1) if working else float(row.state not in ("uploading",))
    return {name: getattr(row, name) for name in names} | {
        "separator": dialect.get("separator"),
        "ignored_columns": dialect.get("ignored", []),
        "done": round(done, 4),
    }


async def result_lines(context: Context, import_id: UUID) -> AsyncIterator[str]:
    """The result file, a page at a time. A byte order mark tells spreadsheets that it is UTF-8."""
    yield "\ufeff" + _line(RESULT_COLUMNS)
    after, order_id = 0, ""
    number = None
    while True:
        async with context.transaction() as tx:
            rows = await imports.rows_after(tx, import_id, after=after, outcome=None, limit=RESULT_PAGE)
        lines = []
        for row in rows:
            order_id = str(row.order_id) if row.order_id else order_id if row.order_number == number else ""
            number = row.order_number
            cells = (str(row.row), row.order_number, row.outcome, row.field, row.reason, order_id)
            lines.append(_line([escaped(cell) for cell in cells]))
        yield "".join(lines)
        if len(rows) < RESULT_PAGE:
            return
        after = rows[-1].row


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
