"""One running system for all promises; a test that fails takes it down, so that the next one finds a sound one."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crossdock.testing.world import World, open_world

FAILED = pytest.StashKey[bool]()


class Worlds:
    """Starts a world when one is needed."""

    def __init__(self, start: Callable[[ExitStack], World]) -> None:
        self._start = start
        self._ending = ExitStack()
        self._world: World | None = None

    def get(self) -> World:
        if self._world is None:
            self._world = self._start(self._ending)
        return self._world

    def end(self) -> None:
        self._world = None
        self._ending.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def worlds(pytestconfig: pytest.Config) -> Iterator[Worlds]:
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")

    def say(line: str) -> None:
        if capture is not None and reporter is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(line)

    tools = pytestconfig.rootpath / ".run" / "tools"
    worlds = Worlds(lambda ending: ending.enter_context(open_world(tools, say)))
    yield worlds
    worlds.end()


@pytest.fixture
def world(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[World]:
    """A running system in which nothing moves."""
    found = worlds.get()
    yield found
    if request.node.stash.get(FAILED, False):
        worlds.end()
    else:
        found.system.back_to_normal()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole running systems take minutes: `make promises` runs them, `make test` stays quick."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.path.name != "test_health.py":
            item.add_marker(pytest.mark.promise)
