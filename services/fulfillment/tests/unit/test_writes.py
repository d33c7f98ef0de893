"""What becomes of a write to the outside."""

from fulfillment.domain.writes import Again, Done, Doubt, after_look, look_pause, wait_before

MINUTES = 60.0


def looked(found: Done | None = None, *, strong: bool, looks: int = 1, minutes: float = 1) -> object:
    return after_look(
        found, strong=strong, note="seen", looks=looks, doubted_for=minutes * MINUTES, patience=15 * MINUTES
    )


def test_what_a_look_finds_is_adopted() -> None:
    assert looked(Done("F-1", adopted=True), strong=False) == Done("F-1", adopted=True)


def test_what_a_read_by_id_does_not_find_is_sent_again() -> None:
    assert looked(strong=True) == Again(0.0, "seen")


def test_what_a_search_does_not_find_is_looked_for_again_and_never_sent() -> None:
    outcome = looked(strong=False, minutes=14.9)
    assert isinstance(outcome, Doubt)
    assert not outcome.needs_person
    assert outcome.after > 0


def test_after_fifteen_minutes_of_searching_a_person_decides() -> None:
    outcome = looked(strong=False, minutes=15)
    assert isinstance(outcome, Doubt)
    assert outcome.needs_person


def test_several_looks_fit_into_the_patience() -> None:
    assert sum(look_pause(looks, 15 * MINUTES) for looks in range(1, 5)) < 15 * MINUTES
    assert look_pause(50, 15 * MINUTES) == 15 * MINUTES / 4


def test_attempts_are_spaced_out_but_never_closer_than_asked() -> None:
    assert [wait_before(n, 2.0) for n in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert wait_before(40, 2.0) == 300.0
    assert wait_before(1, 900.0) == 900.0
