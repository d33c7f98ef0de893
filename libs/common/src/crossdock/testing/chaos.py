"""Chaos: faults drawn at random befall a running system under load; at the end the checker says what was lost or done
twice.

The seed decides which faults come, to whom and in which order; when they come depends on how fast the system recovers.
"""

import argparse
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from crossdock.local.processes import StartFailed
from crossdock.messaging.faults import EXIT_CODE
from crossdock.testing import checker
from crossdock.testing.checker import Verdict
from crossdock.testing.havoc import FAULTS, Scene
from crossdock.testing.market import Traffic
from crossdock.testing.world import World, open_world

RATE = 15.0
"""Orders a second: about half of what two cores carry with the store and the warehouse beside the hub."""

KILLED = (-signal.SIGKILL, EXIT_CODE)
KILLS = ("kill", "die", "node")
OTHERS = tuple(name for name in FAULTS if name not in KILLS)
KILLS_BETWEEN = 3
"""So many kills for each other fault."""

PAUSE_SECONDS = (0.5, 2.0)
"""How long nothing happens between two faults, at least and at most."""

CAUGHT_UP_SECONDS = 150.0
QUIET_SECONDS = 300.0
USUAL_SECONDS = 5.0
LOOK_EVERY = 0.25
SPARE_SECONDS = 100.0
"""For how long more is sold while the last fault lasts: some wait for work to fail at."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a schedule: what, to whom, and how long to wait before it."""

    fault: str
    target: str
    after: float
    seed: int


@dataclass(frozen=True, slots=True)
class Played:
    """A fault that happened: how long it lasted, and how long until every order that was accepted before its end, and
    is to be shipped, had shipped."""

    step: Step
    lasted: float
    recovered: float


@dataclass(frozen=True, slots=True)
class Report:
    """A run: the checker's verdict, the faults, what went wrong with some in words, how many processes were killed and
    how many ended by themselves, the usual seconds until all has shipped, and the orders a second."""

    verdict: Verdict
    played: Sequence[Played]
    problems: Sequence[str]
    kills: int
    crashes: int
    usual: float
    rate: float

    @property
    def ok(self) -> bool:
        """Whether every promise was kept and the system recovered from every fault."""
        return self.verdict.ok and not self.problems and not self.crashes

    def lines(self) -> Iterator[str]:
        """The run in words: recovery by kind of fault, then the checker's line."""
        kinds = sorted({one.step.fault for one in self.played}, key=list(FAULTS).index)
        yield f"without a fault, every order accepted had shipped after {self.usual:.1f} s; after the end of a fault:"
        yield f"  {'fault':<13} {'times':>5} {'median':>8} {'worst':>8}"
        for kind in kinds:
            took = [one.recovered for one in self.played if one.step.fault == kind]
            yield f"  {kind:<13} {len(took):>5} {statistics.median(took):>6.1f} s {max(took):>6.1f} s"
        crashed = f", {self.crashes} processes ended by themselves" if self.crashes else ""
        yield f"{self.rate:g} orders a second, {len(self.played)} faults, {self.kills} kills{crashed}"
        yield from self.problems
        yield str(self.verdict)


def schedule(seed: int) -> Iterator[Step]:
    """The faults of a seed, without end: three kills, then something else, so that every kind comes before one does
    twice."""
    dice = random.Random(seed)  # noqa: S311 - repeatable
    kills, others = _drawn(dice, KILLS), _drawn(dice, OTHERS)
    for number in count(1):
        fault, target = next(others) if number % (KILLS_BETWEEN + 1) == 0 else next(kills)
        yield Step(fault, target, dice.uniform(*PAUSE_SECONDS), dice.getrandbits(32))


def _drawn(dice: random.Random, faults: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Faults with a target each; every fault comes once in a round, and every target of a fault before one twice."""
    left: dict[str, list[str]] = {}
    while True:
        for fault in dice.sample(faults, len(faults)):
            targets = left.get(fault) or dice.sample(FAULTS[fault][1], len(FAULTS[fault][1]))
            left[fault] = targets[1:]
            yield fault, targets[0]


class Run:
    """Orders being sold in a world while faults befall it."""

    def __init__(self, world: World, traffic: Traffic) -> None:
        self._world = world
        self._traffic = traffic
        self._shipped: set[str] = set()

    def play(self, step: Step) -> Played:
        """Let one fault happen and wait until the system has caught up."""
        time.sleep(step.after)
        self._world.say(f"{step.fault}: {step.target}")
        began = time.monotonic()
        dice = random.Random(step.seed)  # noqa: S311 - repeatable
        with FAULTS[step.fault][0](Scene(self._world, self._traffic, dice), step.target):
            lasted = time.monotonic() - began
            recovered = self.catch_up()
        self._world.say(f"  for {lasted:.1f} s, recovered in {recovered:.1f} s")
        return Played(step, lasted, recovered)

    def catch_up(self) -> float:
        """Wait until all that was accepted before now has shipped; returns the seconds that it took. Raises
        AssertionError when it takes too long."""
        began = time.monotonic()
        waiting = {one.external_id for one in self._traffic.accepted_orders if one.ships} - self._shipped
        while waiting := waiting - self._shipped:
            if time.monotonic() - began > CAUGHT_UP_SECONDS:
                raise AssertionError(f"{len(waiting)} orders have not shipped after {CAUGHT_UP_SECONDS:.0f} s")
            self._shipped |= checker.shipped(self._world.system, waiting)
            time.sleep(LOOK_EVERY)
        self._world.system.wait_ready()
        return time.monotonic() - began


def play(world: World, steps: Iterable[Step], *, orders: int, rate: float) -> Report:
    """Sell so many orders or a few more at this rate, let faults happen meanwhile, and let the checker judge."""
    prepared = world.prepare(orders + int(SPARE_SECONDS * rate))
    before = len(world.system.deaths)
    began = time.monotonic()
    played: list[Played] = []
    problems: list[str] = []
    usual = 0.0
    with world.selling(prepared, per_second=rate) as traffic:
        run = Run(world, traffic)
        try:
            time.sleep(USUAL_SECONDS)
            usual = run.catch_up()
            for step in steps:
                if time.monotonic() >= began + orders / rate:
                    break
                try:
                    played.append(run.play(step))
                except (AssertionError, StartFailed, TimeoutError) as problem:
                    problems.append(f"{step.fault} {step.target}: {problem}")
                    world.say(problems[-1])
        except KeyboardInterrupt:
            world.say("stopped by hand: the checker judges what was sold so far")
        finally:
            traffic.stop()
    verdict = world.settle(traffic, seconds=QUIET_SECONDS)
    codes = [death.code for death in world.system.deaths[before:]]
    kills = sum(code in KILLED for code in codes)
    crashes = sum(code != 0 for code in codes) - kills
    return Report(verdict, played, problems, kills, crashes, usual, rate)


def main() -> None:
    """`python -m crossdock.testing.chaos --seconds 300`; the exit status says whether all promises were kept. Ctrl-C
    ends the faults, and what was sold until then is judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="let faults happen for so long")
    parser.add_argument("--orders", type=int, help="sell so many orders instead, however long it takes")
    parser.add_argument("--kills", type=int, default=0, help="fail if fewer processes were killed")
    parser.add_argument("--rate", type=float, default=RATE, help="orders a second")
    parser.add_argument(
        "--ships", default="*", help="numbers of the orders that the warehouse ships: '*0', every tenth"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of an earlier run")
    wanted = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"seed {wanted.seed}, {wanted.rate:g} orders a second", flush=True)
    with open_world(Path.cwd() / ".run" / "tools", lambda line: print(line, flush=True), wanted.ships) as world:
        orders = wanted.orders or int(wanted.rate * wanted.seconds)
        report = play(world, schedule(wanted.seed), orders=orders, rate=wanted.rate)
    print("\n".join([f"seed {wanted.seed}", *report.lines()]))
    sys.exit(0 if report.ok and report.kills >= wanted.kills else 1)


if __name__ == "__main__":
    main()
