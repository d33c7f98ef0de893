"""Day partitions of the inbox: made ahead by the owner role, dropped when they are past the retention."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

DAYS_AHEAD = 14
RETENTION_DAYS = 14
EXISTING = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'inbox'::regclass"
)


def first_id(day: date) -> UUID:
    """The smallest UUIDv7 of a day: its millisecond since 1970 in the first 48 bits, and nothing after."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def name_of(day: date) -> str:
    """The partition that holds a day's messages."""
    return f"inbox_{day:%Y%m%d}"


async def keep_partitions(
    connection: AsyncConnection, today: date, *, ahead: int = DAYS_AHEAD, retention: int = RETENTION_DAYS
) -> tuple[list[str], list[str]]:
    """Make the partitions from `retention` days ago to `ahead` days from now and drop older ones.

    Runs as the owner role with the schema as search path. Returns the names made and the names dropped.
    """
    there = set((await connection.execute(EXISTING)).scalars())
    wanted = {name_of(day): day for day in (today + timedelta(days=n) for n in range(-retention, ahead + 1))}
    made = sorted(set(wanted) - there)
    dropped = sorted(name for name in there - set(wanted) if name < name_of(today))
    for name in made:
        low, high = first_id(wanted[name]), first_id(wanted[name] + timedelta(days=1))
        await connection.execute(
            text(f"CREATE TABLE {name} PARTITION OF inbox FOR VALUES FROM ('{low}') TO ('{high}')")
        )
    for name in dropped:
        await connection.execute(text(f"DROP TABLE {name}"))
    return made, dropped
