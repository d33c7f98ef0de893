"""A net for personal data: where in a service's schema planted values stand, whatever they are wrapped in."""

from base64 import b64encode
from collections.abc import Collection

from sqlalchemy import text

from crossdock.messaging.transaction import transaction
from crossdock.storage.engine import Database, schema_of

TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema ORDER BY tablename")


def forms_of(value: str) -> list[str]:
    """A value as it may stand in a row that is shown as JSON, in lower case: as it is, inside base64 (which has three
    ways to cut it), and either of them in bytes, which Postgres shows in hex."""
    data = value.encode()
    plain = [value, *(b64encode(b"\0" * shift + data)[4 if shift else 0 : -4].decode() for shift in range(3))]
    return [form.casefold() for form in (*plain, *(one.encode().hex() for one in plain)) if len(form) >= 4]


async def planted_in(database: Database, values: Collection[str]) -> dict[str, str]:
    """The tables of the database's own schema that hold one of the values, and which."""
    found = {}
    async with transaction(database) as tx:
        for (table,) in await tx.rows(TABLES, schema=schema_of(database.service)):
            if table == "alembic_version":
                continue
            rows = await tx.rows(text(f"SELECT lower(to_jsonb(t)::text) AS it FROM {table} AS t"))  # noqa: S608
            for value in values:
                forms = forms_of(value)
                if any(form in row.it for row in rows for form in forms):
                    found[table] = value
    return found
