"""How far a channel's list of changes has been read, and which of the orders it names are news.

Nothing is skipped: the place from which the next list is asked for only moves over changes that are stored, and never
into the last moments before the list was asked for, whose changes may still be on their way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Mention:
    """An order as a list of changes names it; None where the list is silent."""

    external_id: str
    updated_at: datetime
    financial_status: str | None = None
    cancelled: bool | None = None
    total: Decimal | None = None
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an order, as far as a mention can contradict it."""

    updated_at: datetime
    financial_status: str
    cancelled: bool
    total: Decimal
    ship_by: datetime | None = None
    deliver_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading stands. Changes before `start` are not ours to import. `since`: where the list in hand was asked
    from; `reached`: everything that changed up to here is stored; `page`: what leads to the next page of the list in
    hand, None when it is asked for anew."""

    start: datetime
    since: datetime
    reached: datetime
    page: str | None = None


def due(mentions: Sequence[Mention], until: datetime) -> list[Mention]:
    """Mentions that are not left to the webhooks which are still on their way."""
    return [mention for mention in mentions if mention.updated_at <= until]


def news(mentions: Sequence[Mention], known: Mapping[str, Known], start: datetime) -> list[str]:
    """The orders to read, each once: unknown, older than mentioned, or different with the same time."""
    wanted = (m.external_id for m in mentions if m.updated_at >= start and _is_news(m, known.get(m.external_id)))
    return list(dict.fromkeys(wanted))


def _is_news(mention: Mention, known: Known | None) -> bool:
    if known is None or mention.updated_at > known.updated_at:
        return True
    if mention.updated_at < known.updated_at:
        return False
    pairs = (
        (mention.financial_status, known.financial_status),
        (mention.cancelled, known.cancelled),
        (mention.total, known.total),
    )
    if any(told is not None and told != kept for told, kept in pairs):
        return True
    promises = ((mention.ship_by, known.ship_by), (mention.deliver_by, known.deliver_by))
    return any(told is not None and kept is None for told, kept in promises)  # webhooks are silent of them


def advance(position: Position, mentions: Sequence[Mention], page: str | None, until: datetime) -> Position:
    """After a page is stored whole, except what changed after `until`; `page` leads to the next one."""
    newest = max((mention.updated_at for mention in mentions), default=position.reached)
    reached = max(position.reached, min(newest, until))
    return replace(position, reached=reached, page=page, since=position.since if page is not None else reached)


def start_over(position: Position) -> Position:
    """Ask for the list anew, from what is stored: what led to its next page may not hold any more."""
    return replace(position, since=position.reached, page=None)
