"""Each named rule of the protocol is needed: left out of the service that keeps it, something breaks."""

import pytest
from protocol.rules import RULES, without

WALKS, STATES = 100, 20_000


def test_the_rules_are_the_sixteen_of_the_design_and_two_of_addresses() -> None:
    assert len(RULES) == 18


@pytest.mark.parametrize("name", RULES)
def test_without_the_rule_something_breaks(name: str) -> None:
    found = without(RULES[name], WALKS, STATES)
    assert found.reason, f"nobody misses {name}: {RULES[name].sentence}"
