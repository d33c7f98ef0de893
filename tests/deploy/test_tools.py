"""The tools that read the deployment files find no fault in them."""

from typing import Any

import pytest


@pytest.mark.parametrize("number", range(6))
def test_no_tool_finds_a_fault(check_deploy: Any, number: int) -> None:
    check = check_deploy.CHECKS[number]
    try:
        assert check.run() == []
    except check_deploy.Missing as reason:
        pytest.skip(f"{check.name}: {reason}")


def test_every_check_has_its_test(check_deploy: Any) -> None:
    assert len(check_deploy.CHECKS) == 6
