"""The one way to reach Postgres: a pool of connections that speak to one service's schema only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.engine import URL, make_url

from crossdock.messaging.envelope import Outgoing

CommitListener = Callable[[Sequence[Outgoing]], None]

WAIT_SECONDS = 10.0
"""How long somebody waits for a connection to be free, or to be made."""

DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row: its columns are attributes, and it unpacks in their order."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the statement selects no column {name}") from None


if TYPE_CHECKING:
    Base = asyncpg.Connection[Row]
    Pool = asyncpg.Pool[Row]
    Connection = asyncpg.pool.PoolConnectionProxy[Row]
else:
    Base = asyncpg.Connection  # its stubs alone are generic


class Session(Base):
    """A connection of the pool. Transactions change its settings with SET LOCAL alone, so that there is nothing to
    reset when it is given back, which asyncpg takes a round trip for."""

    def get_reset_query(self) -> str:
        """Nothing."""
        return ""


@dataclass
class Database:
    """A service's own schema, connected to when first used. `on_commit` is told what a transaction left in the outbox,
    once it is committed."""

    url: str = field(repr=False)
    service: str
    size: int = 10
    on_commit: list[CommitListener] = field(default_factory=list, repr=False)
    _pool: "Pool | None" = field(default=None, repr=False)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Connection]":
        """A connection of our own for a while. Raises TimeoutError when none gets free, OSError, or what Postgres
        says."""
        pool = self._pool or await self._open()
        async with asyncio.timeout(WAIT_SECONDS):
            connection = await pool.acquire()
        try:
            yield connection
        finally:
            await pool.release(connection)

    async def _open(self) -> "Pool":
        pool = asyncpg.create_pool(
            make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False),
            min_size=0,
            max_size=self.size,
            connection_class=Session,
            record_class=Row,
            init=_speak_json,
            timeout=5,
            command_timeout=30,
            server_settings={
                "application_name": f"crossdock-{self.service}",
                "search_path": schema_of(self.service),
                "idle_in_transaction_session_timeout": "30000",
                "statement_timeout": "20000",
                "timezone": "UTC",
                "jit": "off",
            },
        )
        self._pool = await pool  # connects to nothing yet, so that nobody can come in between
        return self._pool

    async def close(self) -> None:
        """Close every connection; whoever wants one after that gets a new one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def committed(self, rows: Sequence[Outgoing]) -> None:
        """Tell every listener what was committed."""
        for listener in self.on_commit:
            listener(rows)


def schema_of(service: str) -> str:
    """`order-ingest` owns schema `order_ingest`."""
    return service.replace("-", "_")


def async_url(url: str) -> URL:
    """A Postgres URL for SQLAlchemy's engines, with the driver that Crossdock uses, whatever driver it named."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def pool_size(handlers: int, workers: int, api: int = 5) -> int:
    """Connections that one process may open: one for each handler (one batch in flight), one for each worker, the
    relay, and a few for its API. Keep Σ over pods below Postgres' `max_connections`."""
    return handlers + workers + 1 + api


@lru_cache(maxsize=2048)
def positional(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """A statement as Postgres takes it ($1, $2 …), and the names of its parameters in that order."""
    compiled = statement.compile(dialect=DIALECT)
    return compiled.string, tuple(compiled.positiontup or ())


async def _speak_json(connection: "Base") -> None:
    """Take and give jsonb as Python values, in the binary form: a version byte before the text."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_encode_json, decoder=_decode_json
    )


class Json:
    """A list that goes into an array of jsonb: bare, it would be taken for a further dimension of the array.

    No dataclass, since orjson writes those by itself.
    """

    __slots__ = ("value",)

    def __init__(self, value: Sequence[Any]) -> None:
        self.value = value


def _encode_json(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Json) else str(value)


def _decode_json(data: bytes) -> Any:
    return orjson.loads(memoryview(data)[1:])


def columns(rows: Sequence[Any], *names: str) -> dict[str, list[Any]]:
    """Turn rows (dataclasses) into one list per field: what `unnest` takes. With no rows, `names` must be given."""
    wanted = names or tuple(f.name for f in fields(rows[0]))
    return {name: [getattr(row, name) for row in rows] for name in wanted}
