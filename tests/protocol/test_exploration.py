"""Small worlds and random ones, explored over the services' own functions: nothing that must hold is ever broken.

The bounds keep this within a minute; `explore.py` goes as far as one likes.
"""

import random

import pytest
from protocol.search import Found, bfs, models, random_run, random_world, shortened, walk
from protocol.world import Model
from protocol.worlds import STORIES, world_of

STATES, WALKS = 2500, 12
RUNS, CHUNK = 160, 40


def broken(found: Found) -> str:
    """A counterexample, to be read."""
    return "\n".join(("", found.reason or "", *found.trace))


@pytest.mark.parametrize("name", STORIES)
def test_no_order_of_arrival_breaks_what_must_hold(name: str) -> None:
    model, first = world_of(STORIES[name])
    found = bfs(model, first, STATES)
    assert not found.reason, broken(found)
    for seed in range(WALKS):
        found = walk(model, first, random.Random(seed))
        assert not found.reason, broken(shortened(model, first, found))


def test_a_world_is_searched_to_its_end() -> None:
    """Every state that any order of arrival can lead to: a refused cancellation of an order of one unit."""
    found = bfs(*world_of(STORIES["at the 3PL: cancel refused"]), 50_000)
    assert not found.reason, broken(found)
    assert found.complete


@pytest.fixture(scope="module")
def known() -> dict[str, Model]:
    """Models that remember their steps over all random runs."""
    return models()


@pytest.mark.parametrize("first", range(0, RUNS, CHUNK))
def test_no_random_run_breaks_what_must_hold(first: int, known: dict[str, Model]) -> None:
    for seed in range(first, first + CHUNK):
        found = random_run(seed, known)
        assert not found.reason, broken(shortened(*random_world(random.Random(seed), known), found))
