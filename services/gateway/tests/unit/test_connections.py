"""When tokens are renewed and handed out, and what a check says in sentences."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain import connections
from gateway.domain.connections import Missing, Token

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def token(life: float | None) -> Token:
    return Token("secret", NOON, None if life is None else NOON + timedelta(seconds=life))


@pytest.mark.parametrize(
    ("life", "age", "seconds"),
    [
        (None, 10**6, 60.0),
        (3600, 0, 60.0),
        (3600, 3540, 45.0),
        (3600, 3585, 0.0),
        (3600, 9999, 0.0),
        (4, 0, 3.0),
        (4, 3, 0.0),
        (0, 0, 0.0),
    ],
)
def test_a_token_is_never_handed_out_into_its_last_moments(life: float | None, age: float, seconds: float) -> None:
    assert connections.good_for(token(life), NOON + timedelta(seconds=age), 60.0) == seconds
    assert "secret" not in repr(token(life))


def test_a_token_is_renewed_while_it_is_still_handed_out() -> None:
    for life in (0.5, 4, 60, 600, 3600, 86_400, 10**7):
        due = connections.renewal_due(NOON, life)
        assert due <= NOON + timedelta(seconds=life)
        assert connections.good_for(token(life), due, 60.0) > 0
    assert connections.renewal_due(NOON, 3600) == NOON + timedelta(minutes=50)


def test_a_renewal_that_fails_is_tried_ever_later_but_never_given_up() -> None:
    pauses = [connections.pause_after(failures) for failures in range(12)]
    assert (pauses[0], pauses[-1]) == (2.0, 300.0)
    assert pauses == sorted(pauses)
    assert connections.pause_after(0, told=30.0) == 30.0


def test_missing_scopes_are_named_in_one_sentence_with_what_does_not_work() -> None:
    missing = (Missing(("read_a", "read_b"), "a is not known", True), Missing(("write_c",), "c is not written", False))
    step = connections.scopes_step(missing)
    said = "Access scopes are missing: without read_a or read_b, a is not known; without write_c, c is not written"
    assert (step.ok, step.says) == (False, said)
    assert connections.scopes_step(missing[1:]).ok
    assert connections.scopes_step(()).ok


def test_a_check_says_what_was_repaired_and_what_stands_in_the_way() -> None:
    def step(*given: Any) -> tuple[bool, str]:
        made = connections.webhooks_step(*given)
        return made.ok, made.says

    assert step(["a", "b"], [], []) == (True, "2 topics are subscribed to")
    assert step(["a", "b"], [], ["b"]) == (True, "2 topics are subscribed to; subscribed anew to b")
    assert step(["a", "b"], ["a"], ["b"], "no scope") == (
        False,
        "Not subscribed to a: no scope; subscribed anew to b",
    )


def test_only_the_newest_repairs_are_kept() -> None:
    repairs: Any = []
    for number in range(30):
        repairs = connections.repairs_after(repairs, NOON + timedelta(minutes=number), ["orders/create"])
    assert (len(repairs), repairs[0]["at"]) == (20, "2026-11-21T12:29:00+00:00")
    assert connections.repairs_after(repairs, NOON, []) == repairs
