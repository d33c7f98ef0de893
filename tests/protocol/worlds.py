"""The worlds that are searched breadth first: what happens in each, how many orders, which lines are mapped."""

from typing import NamedTuple

from protocol.shapes import BUNDLE, ONE_SKU, TWO_SKUS, Shape, Vec
from protocol.world import Action, Model, World


class Story(NamedTuple):
    """A small world. What the `opening` says is done, and everything that follows from it delivered, before anything
    else happens: with an order placed and stock counted, it begins with the order at the 3PL."""

    actions: tuple[Action, ...]
    orders: int = 1
    mapped: Vec | None = None
    shape: Shape = ONE_SKU
    opening: tuple[Action, ...] = ()


C = ("create", 0, 2, 1)
ONE = ("create", 0, 1, 1)
CANCEL, NO, RETRY, VOID = ("cancel", 0), ("no", 0), ("retry", 0), ("void", 0)
MOVE, BACK = ("move", 0), ("move back", 0)
LESS, MORE, ADD = ("reduce", 0, 0), ("raise", 0, 0), ("raise", 0, 1)
STORIES = {
    "plain": Story((C, ("stock", 0, 2), NO, RETRY)),
    "unpaid": Story((("create", 0, 1, 0), ("stock", 0, 1), ("pay", 0), CANCEL)),
    "reduce": Story((C, ("stock", 0, 2), LESS, NO)),
    "cancel": Story((C, ("stock", 0, 2), CANCEL, NO)),
    "raise, reduce": Story((ONE, ("stock", 0, 2), MORE, LESS)),
    "raise, cancel": Story((ONE, ("stock", 0, 2), MORE, CANCEL, NO)),
    "add, late mapping": Story((ONE, ("stock", 0, 2), ADD, ("mapping", 0, 1)), mapped=(1, 0)),
    "void": Story((ONE, ("stock", 0, 1), VOID, CANCEL, NO)),
    "void, reduce": Story((C, ("stock", 0, 2), VOID, LESS)),
    "return": Story((C, ("stock", 0, 2), ("return", 0, 0))),
    "return, 3 units": Story((("create", 0, 3, 1), ("stock", 0, 3), ("return", 0, 0))),
    "void, cancel refused": Story((ONE, ("stock", 0, 1), VOID, VOID, CANCEL)),
    "same second": Story((C, ("stock", 0, 2), ("tie", 0, 0), ("tie", 0, 0))),
    "redact": Story((ONE, ("stock", 0, 1), ("redact", 0), ("repeat", 0))),
    "two orders": Story((ONE, ("create", 1, 1, 1), ("stock", 0, 1), CANCEL), orders=2),
    # Beyond the sketch:
    "reduce, raise": Story((C, ("stock", 0, 3), LESS, MORE)),
    "reduce, 3 units": Story((("create", 0, 3, 1), ("stock", 0, 3), LESS, MORE)),
    "at the 3PL: raise, reduce twice": Story((MORE, LESS, LESS, NO), opening=(C, ("stock", 0, 3))),
    "at the 3PL: void, cancel": Story((CANCEL, VOID), opening=(ONE, ("stock", 0, 1))),
    "move": Story((C, ("stock", 0, 2), MOVE, NO)),
    "move, call lost": Story((ONE, ("stock", 0, 1), MOVE, ("gone", 0), ("lost", 0))),
    "move, redact": Story((ONE, ("stock", 0, 1), MOVE, ("redact", 0))),
    "move, two orders": Story((ONE, ("create", 1, 1, 1), ("stock", 0, 1), MOVE), 2),
    "at the 3PL: move": Story((MOVE, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: move twice": Story((MOVE, MOVE, NO), opening=(ONE, ("stock", 0, 1))),
    "at the 3PL: move and back": Story((MOVE, BACK, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: move, cancel": Story((MOVE, CANCEL, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: move, reduce": Story((MOVE, LESS, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: move, raise": Story((MOVE, MORE, NO), opening=(C, ("stock", 0, 3))),
    "at the 3PL: move, void": Story((MOVE, VOID, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: move, return": Story((MOVE, ("return", 0, 0)), opening=(C, ("stock", 0, 2))),
    "at the 3PL: cancel refused": Story((CANCEL, NO), opening=(ONE, ("stock", 0, 1))),
    "at the 3PL: void, cancel, raise": Story((CANCEL, VOID, MORE), opening=(C, ("stock", 0, 3))),
    "at the 3PL: reduce, void, no": Story((LESS, VOID, NO, NO), opening=(C, ("stock", 0, 2))),
    "at the 3PL: reduce, reply lost": Story((LESS, LESS, ("lost", 0)), opening=(C, ("stock", 0, 2))),
    "at the 3PL: cancel lost": Story((CANCEL, ("gone", 0), ("lost", 0), VOID), opening=(ONE, ("stock", 0, 1))),
    "at the 3PL: gives up, raise": Story((("give up", 0), RETRY, MORE), opening=(C, ("stock", 0, 3))),
    "at the 3PL: return, raise": Story((("return", 0, 0), MORE), opening=(C, ("stock", 0, 3))),
    "at the 3PL: two orders": Story((CANCEL, MORE, VOID), 2, opening=(ONE, ("stock", 0, 2), ("create", 1, 1, 1))),
    "at the 3PL: bundle": Story(
        (VOID, LESS, ("raise", 0, 1)),
        shape=BUNDLE,
        opening=(("create", 0, (2, 0), 1), ("stock", 0, 3), ("stock", 1, 4)),
    ),
    "at the 3PL: count": Story((("count", 0), ("count", 0), MORE), opening=(C, ("stock", 0, 3))),
    "at the 3PL: count, void": Story((("count", 0), VOID, ("count", 0)), opening=(ONE, ("stock", 0, 2))),
    "at the 3PL: count, return": Story((("count", 0), ("return", 0, 0), MORE), opening=(ONE, ("stock", 0, 2))),
    "raise": Story((ONE, ("create", 1, 1, 1), ("stock", 0, 2), MORE), 2),
    "two lines of two SKUs": Story((("create", 0, (1, 1), 1), ("stock", 0, 1), ("stock", 1, 1), LESS), shape=TWO_SKUS),
    "two orders of two SKUs": Story(
        (("create", 0, (1, 1), 1), ("create", 1, (1, 1), 1), ("stock", 0, 1), ("stock", 1, 2)), 2, shape=TWO_SKUS
    ),
    "bundle": Story((("create", 0, (1, 1), 1), ("stock", 0, 2), ("stock", 1, 2), VOID), shape=BUNDLE),
    "bundle, raise": Story((("create", 0, (1, 0), 1), ("stock", 0, 2), ("stock", 1, 4), MORE), shape=BUNDLE),
    "bundle, reduce": Story((("create", 0, (2, 0), 1), ("stock", 0, 2), ("stock", 1, 4), LESS), shape=BUNDLE),
    "count": Story((C, ("stock", 0, 3), ("count", 0))),
    "count, raise": Story((ONE, ("stock", 0, 1), ("stock", 0, 1), MORE)),
    "count, void": Story((ONE, ("stock", 0, 2), ("count", 0), VOID)),
    "count, return": Story((ONE, ("stock", 0, 2), ("count", 0), ("return", 0, 0))),
    "count, two orders": Story((ONE, ("create", 1, 1, 1), ("stock", 0, 2), ("count", 0)), 2),
    "reply lost": Story((ONE, ("stock", 0, 1), ("lost", 0), ("lost", 0), CANCEL)),
    "call lost": Story((ONE, ("stock", 0, 1), ("gone", 0), ("gone", 0), CANCEL)),
    "reply lost, reduce": Story((C, ("stock", 0, 2), ("lost", 0), ("lost", 0), LESS)),
    "reply lost, void": Story((C, ("stock", 0, 2), ("lost", 0), LESS, VOID)),
    "scrap": Story((C, ("stock", 0, 2), ("scrap", 0))),
    "scrap, reduce": Story((("create", 0, 3, 1), ("stock", 0, 3), ("scrap", 0), LESS)),
    "gives up": Story((C, ("stock", 0, 2), ("give up", 0), RETRY, LESS)),
    "late no": Story((ONE, ("stock", 0, 1), ("late no", 0), RETRY, CANCEL)),
    "ship notice twice": Story((C, ("stock", 0, 2), ("repeat ship", 0), VOID)),
    "unmapped while shipping": Story((ONE, ("stock", 0, 2), ("unmapping", 0, 1), MORE, ("mapping", 0, 2))),
}


def world_of(story: Story) -> tuple[Model, World]:
    """A model and the world in which a story begins."""
    model = Model(story.shape)
    world = model.start(story.actions, story.orders, story.mapped)
    for action in story.opening:
        after = model.outside(world, action)
        assert after is not None, f"{action} cannot open a story"
        world = after
        while world.net:
            world = model.deliver(world, 0)
    return model, world
