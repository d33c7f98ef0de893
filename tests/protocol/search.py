"""How worlds are explored: breadth first with the shortest counterexample, and long random runs."""

import random
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from protocol.invariants import Judge, bad_request
from protocol.kept import Kept
from protocol.shapes import BUNDLE, ONE_SKU, TWO_SKUS, Vec
from protocol.words import describe
from protocol.world import HANDS, REPEATED, Action, Model, World

Move = tuple[str, World]
DROPPED = ": dropped"
LONGEST = 2000
"""Steps of one run at most; a world of a few actions ends long before."""


class Found(NamedTuple):
    """How far an exploration went, and the counterexample that ended it."""

    states: int
    depth: int
    complete: bool
    reason: str | None = None
    trace: tuple[str, ...] = ()


def deliveries(model: Model, world: World) -> list[Move]:
    """Every delivery. One that changes nothing now, and so never will, goes first and alone."""
    result = []
    for label, after in every_delivery(model, world):
        if label.endswith(DROPPED):
            return [(label, after)]
        result.append((label, after))
    return result


def every_delivery(model: Model, world: World) -> Iterator[Move]:
    """What is in flight, delivered."""
    for position, (to, kept) in enumerate(world.net):
        if position and world.net[position - 1] == (to, kept):
            continue
        after = model.deliver(world, position)
        label = told(to, kept)
        same = after[:7] == world[:7] and len(after.net) < len(world.net)
        yield label + DROPPED * (same and not isinstance(kept.value, REPEATED)), after
        for hand in HANDS:
            action = (hand, kept.value.order) if to == "W" else ()
            if action in world.todo:
                wrong = model.deliver(world, position, hand)
                yield f"{label}: {hand}", wrong._replace(todo=without(wrong.todo, action))


def initiatives(model: Model, world: World) -> Iterator[Move]:
    """Everything that the outside may do of its own accord."""
    for position, action in enumerate(world.todo):
        if action[0] in HANDS or (position and world.todo[position - 1] == action):
            continue
        after = model.outside(world, action)
        if after is not None:
            yield " ".join(map(str, action)), after._replace(todo=without(world.todo, action))
    for index, kept in enumerate(world.books):
        for revision, job in kept.value.jobs:
            if job.state == "accepted" and any(job.left):
                for units in _parcels(model, job.left):
                    label = f"3PL ships {units} of #{index} revision {revision}"
                    yield label, model.ship(world, index, revision, units)


def _parcels(model: Model, left: Vec) -> list[Vec]:
    """All that is left, or one unit of its first line."""
    one = model.shape.one(next(line for line, units in enumerate(left) if units))
    return [left] if one == left else [left, one]


def without(todo: tuple[Action, ...], action: Action) -> tuple[Action, ...]:
    """The actions less one of these."""
    position = todo.index(action)
    return todo[:position] + todo[position + 1 :]


def bfs(model: Model, first: World, limit: int) -> Found:
    """Breadth first, until every state is seen or more than `limit` are."""
    judge = Judge(model)
    came: dict[int, tuple[int, str] | None] = {hash(first): None}
    queue, deepest = deque([(first, 0)]), 0
    while queue:
        world, depth = queue.popleft()
        deepest = max(deepest, depth)
        here = hash(world)
        for label, after in _moves(model, world):
            key = hash(after)
            if key in came:
                continue
            came[key] = (here, label)
            reason = bad_request(world, after, model.shape) or judge.broken(after)
            if reason:
                return Found(len(came), depth + 1, False, reason, _trace(came, key))
            queue.append((after, depth + 1))
        if len(came) > limit:
            return Found(len(came), deepest, False)
    return Found(len(came), deepest, True)


def _moves(model: Model, world: World) -> list[Move]:
    moves = deliveries(model, world)
    if len(moves) == 1 and moves[0][0].endswith(DROPPED):
        return moves
    return [*moves, *initiatives(model, world)]


def _trace(came: dict[int, tuple[int, str] | None], key: int) -> tuple[str, ...]:
    steps = []
    while (before := came[key]) is not None:
        key, label = before
        steps.append(label)
    return tuple(reversed(steps))


KINDS = ("pay", "reduce", "reduce", "raise", "raise", "cancel", "return", "repeat", "redact", "move", "move",
         "move back", "retry", "retry", "void", "void", "scrap", "tie", "repeat ship", "no", "no", "lost", "lost",
         "gone", "give up", "late no", "inspect")  # fmt: skip
OF_A_LINE = ("reduce", "raise", "return", "tie")


def random_world(pick: random.Random, models: dict[str, Model]) -> tuple[Model, World]:
    """A world with random actions."""
    model = models[pick.choice(("one", "one", "two", "bundle"))]
    lines, orders = len(model.shape.lines), pick.choice((1, 1, 2, 3))
    actions: list[Action] = [
        ("create", i, tuple(pick.randint(int(line == 0), 3) for line in range(lines)), pick.randint(0, 2))
        for i in range(orders)
    ]
    for _ in range(pick.randint(1, 10 * orders)):
        kind, index = pick.choice(KINDS), pick.randrange(orders)
        actions.append((kind, index, pick.randrange(lines)) if kind in OF_A_LINE else (kind, index))
    skus = range(len(model.shape.skus))
    actions += [("stock", sku, pick.randint(1, 6)) for sku in skus for _ in range(pick.randint(1, 3))]
    actions += [("count", pick.choice(skus))] * pick.randint(0, 2) + [("mapping", 0, 1)]
    actions += [("unmapping", 0, 2), ("mapping", 0, 3)] * (pick.random() < 0.2)
    return model, model.start(actions, orders, tuple(pick.randint(0, 1) for _ in range(lines)))


def models() -> dict[str, Model]:
    """One model for each shape."""
    return {"one": Model(ONE_SKU), "two": Model(TWO_SKUS), "bundle": Model(BUNDLE)}


def random_run(seed: int, known: dict[str, Model]) -> Found:
    """One long run in a random world; the same seed makes the same run."""
    pick = random.Random(seed)
    return walk(*random_world(pick, known), pick)


def walk(model: Model, world: World, pick: random.Random) -> Found:
    """One run to the end of a world, every step a random one."""
    judge = Judge(model)
    steps: list[str] = []
    eager = pick.choice((0.05, 0.3, 0.7))
    while len(steps) < LONGEST:
        own = list(initiatives(model, world)) if not world.net or pick.random() < eager else []
        if own:
            label, after = pick.choice(own)
        elif world.net:
            label, after = _random_delivery(pick, model, world)
        else:
            break
        steps.append(label)
        reason = bad_request(world, after, model.shape) or judge.broken(after)
        if reason:
            return Found(len(steps), len(steps), False, reason, tuple(steps))
        world = after
    return Found(len(steps), len(steps), True)


def shortened(model: Model, first: World, found: Found) -> Found:
    """A violation of the same kind, with every step left out that it does not need."""
    best, size = found, len(found.trace)
    while size:
        start = 0
        while start < len(best.trace):
            fewer = _replayed(model, first, best.trace[:start] + best.trace[start + size :])
            if kind_of(fewer.reason) == kind_of(best.reason) and len(fewer.trace) < len(best.trace):
                best = fewer
            else:
                start += size
        size //= 2
    return best


def kind_of(reason: str | None) -> str:
    """A reason without its numbers."""
    return "".join(c for c in reason or "" if c.isalpha() or c == " ").strip()


def _replayed(model: Model, world: World, labels: tuple[str, ...]) -> Found:
    """Take these steps as far as they can be taken, then deliver what is in flight."""
    judge, wanted = Judge(model), deque(labels)
    steps: list[str] = []
    while wanted or world.net:
        moves = {label.removesuffix(DROPPED): after for label, after in _all_moves(model, world)}
        label = wanted.popleft().removesuffix(DROPPED) if wanted else next(iter(moves))
        if label not in moves:
            continue
        steps.append(label)
        reason = bad_request(world, moves[label], model.shape) or judge.broken(moves[label])
        if reason:
            return Found(len(steps), len(steps), False, reason, tuple(steps))
        world = moves[label]
        if len(steps) > LONGEST:
            break
    return Found(len(steps), len(steps), True)


def _all_moves(model: Model, world: World) -> list[Move]:
    return [*every_delivery(model, world), *initiatives(model, world)]


def _random_delivery(pick: random.Random, model: Model, world: World) -> Move:
    waiting = sorted(range(len(world.net)), key=lambda n: told(*world.net[n]))
    position = waiting[pick.randrange(len(waiting))]
    to, kept = world.net[position]
    hands = [hand for hand in HANDS if to == "W" and (hand, kept.value.order) in world.todo]
    hand = pick.choice(hands) if hands and pick.random() < 0.5 else ""
    after = model.deliver(world, position, hand)
    if hand:
        after = after._replace(todo=without(after.todo, (hand, kept.value.order)))
    return f"{told(to, kept)}: {hand}" if hand else told(to, kept), after


def told(to: str, kept: Kept[Any]) -> str:
    """A delivery as a step of a trace."""
    if not kept.text:
        kept.text = describe(kept.value)
    return f"{to} <- {kept.text}"
