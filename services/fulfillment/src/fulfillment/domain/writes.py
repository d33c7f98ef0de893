"""What becomes of a write to the outside: pure decisions. Guards: nothing that may have happened is ever sent again
before a look has shown that it did not."""

from dataclasses import dataclass

from fulfillment.domain.desk import Answer

LONGEST_WAIT = 300.0
"""Seconds between two attempts at most."""


@dataclass(frozen=True, slots=True)
class Done:
    """It happened. `adopted`: a look found it, or it had been there before. `answer` is a destination's. `overtaken`:
    nobody waits for it any more, and nothing was done."""

    external_id: str = ""
    note: str = ""
    adopted: bool = False
    answer: Answer | None = None
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """It certainly did not happen: send it again after so many seconds; with `channel_waits`, nothing else before."""

    after: float
    note: str
    channel_waits: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """It may have happened: look, not before so many seconds have passed."""

    note: str
    after: float = 0.0
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not happen, and asking again changes nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It was not sent, because nobody wants it any more."""

    reason: str


Outcome = Done | Again | Doubt | Failed | Withdrawn


def wait_before(attempt: int, after: float) -> float:
    """Seconds before the next attempt: doubled with each one, never less than the other side asked for."""
    return max(after, min(after * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT))


def after_look(
    found: Done | None, *, strong: bool, note: str, looks: int, doubted_for: float, patience: float
) -> Outcome:
    """What follows from a look. `doubted_for` and `patience` are seconds.

    A strong look is a read by id: what it does not find did not happen. A weak one is a search whose index lags: it
    is repeated until patience ends, and then a person decides.
    """
    if found is not None:
        return found
    if strong:
        return Again(0.0, note)
    if doubted_for < patience:
        return Doubt(note, look_pause(looks, patience))
    return Doubt(note, patience, needs_person=True)


def look_pause(looks: int, patience: float) -> float:
    """Seconds before the next look: short at first, a quarter of the patience at most."""
    return min(patience / 4, patience / 180 * 2.0 ** min(looks, 16))
