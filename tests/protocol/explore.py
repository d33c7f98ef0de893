"""Explore the order protocol over the services' own functions for as long as one likes.

python tests/protocol/explore.py bfs [--states N] [--world NAME]     breadth first, shortest counterexample
python tests/protocol/explore.py random [--runs N] [--seed S]        long random runs
python tests/protocol/explore.py rules [--runs N]                    each rule left out in turn: what breaks
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from protocol.rules import RULES, without  # noqa: E402
from protocol.search import Found, bfs, kind_of, models, random_run, random_world, shortened  # noqa: E402
from protocol.worlds import STORIES, world_of  # noqa: E402


def main() -> int:
    """Run what the command line asks for; return how many violations were found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bfs", "random", "rules"))
    parser.add_argument("--states", type=int, default=50_000)
    parser.add_argument("--world", choices=STORIES)
    parser.add_argument("--runs", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "random":
        return explore_randomly(options.seed, options.runs)
    if options.what == "rules":
        return explore_rules(options.runs, options.states)
    bad = 0
    for name in [options.world] if options.world else STORIES:
        began = time.time()
        found = bfs(*world_of(STORIES[name]), options.states)
        how = "complete" if found.complete else "cut off"
        print(f"{name}: {found.states} states, depth {found.depth}, {how}, {time.time() - began:.0f} s", flush=True)
        bad += show(found)
    return bad


def explore_randomly(seed: int, runs: int) -> int:
    """Random runs; of each kind of violation the shortest is shown."""
    began, steps, known = time.time(), 0, models()
    bad: dict[str, tuple[int, Found]] = {}
    for number in range(seed, seed + runs):
        found = random_run(number, known)
        steps += found.states
        if found.reason:
            kind = kind_of(found.reason)
            if kind not in bad or found.states < bad[kind][1].states:
                bad[kind] = number, found
    print(f"{runs} runs, {steps} steps, {time.time() - began:.0f} s, {len(bad)} kinds of violation")
    for number, found in bad.values():
        print(f"seed {number}", end="")
        show(shortened(*random_world(random.Random(number), known), found))
    return len(bad)


def explore_rules(walks: int, states: int) -> int:
    """Leave out each rule in turn and explore its world; return how many nobody missed."""
    unnoticed = 0
    for name, rule in RULES.items():
        print(f"\nwithout {name} ({rule.kept_in}), in the world {rule.world!r}: {rule.sentence}", flush=True)
        unnoticed += not show(without(rule, walks, states))
    return unnoticed


def show(found: Found) -> bool:
    """Print a counterexample, if there is one."""
    if found.reason:
        print("  BROKEN:", found.reason, *found.trace, sep="\n    ", flush=True)
    return found.reason is not None


if __name__ == "__main__":
    sys.exit(main())
