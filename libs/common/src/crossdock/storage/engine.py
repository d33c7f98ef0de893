"""The one way to reach Postgres: an async engine whose connections speak to one service's schema only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from crossdock.messaging.envelope import Outgoing

COMMIT_LISTENER = Callable[[Sequence[Outgoing]], None]


@dataclass(frozen=True)
class Database:
    """A service's own schema. `on_commit` is told what a transaction left in the outbox, once it is committed."""

    engine: AsyncEngine = field(repr=False)
    service: str
    on_commit: list[COMMIT_LISTENER] = field(default_factory=list, repr=False)

    def committed(self, rows: Sequence[Outgoing]) -> None:
        """Tell every listener what was committed."""
        for listener in self.on_commit:
            listener(rows)


def schema_of(service: str) -> str:
    """`order-ingest` owns schema `order_ingest`."""
    return service.replace("-", "_")


def async_url(url: str) -> URL:
    """A Postgres URL with the driver that Crossdock uses, whatever driver it named."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def pool_size(handlers: int, workers: int, api: int = 5) -> int:
    """Connections that one process may open: one for each handler (one batch in flight), one for each worker, the
    relay, and a few for its API. Keep Σ over pods below Postgres' `max_connections`."""
    return handlers + workers + 1 + api


def open_database(url: str, service: str, *, size: int = 10) -> Database:
    """Make the engine of a service; connects when first used."""
    engine = create_async_engine(
        async_url(url),
        pool_size=size,
        max_overflow=0,
        pool_use_lifo=True,  # the fewest connections stay warm: each keeps plans of its own
        pool_timeout=10,
        hide_parameters=True,  # values of customers must not reach a log through an error's text
        connect_args={
            "timeout": 5,
            "command_timeout": 30,
            "server_settings": {
                "application_name": f"crossdock-{service}",
                "search_path": schema_of(service),
                "idle_in_transaction_session_timeout": "30000",
                "statement_timeout": "20000",
                "timezone": "UTC",
                "jit": "off",
            },
        },
    )
    event.listen(engine.sync_engine, "connect", _speak_json)
    return Database(engine, service)


def _speak_json(connection: Any, _record: Any) -> None:
    """Take and give jsonb as Python values, in the binary form: a version byte before the text."""
    connection.run_async(
        lambda driver: driver.set_type_codec(
            "jsonb", schema="pg_catalog", format="binary", encoder=_encode_json, decoder=_decode_json
        )
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
