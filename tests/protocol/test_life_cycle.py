"""The life of orders as a state machine: whatever people, shops and the 3PL do, in whatever order messages arrive.

Any interleaving of create, update, pay, cancel, refund, stock change, ship, void and replay leaves a legal status;
stock adds up; nothing is oversold; and nothing ships that was settled as cancelled.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from protocol.invariants import Judge, bad_request
from protocol.messages import Counted, Told
from protocol.search import told
from protocol.shapes import BUNDLE, ONE_SKU, TWO_SKUS, minus, plus
from protocol.world import HANDS, Delivery, Model, World

from crossdock.channels.model import ShipNotice
from crossdock.contracts.base import Event
from order_ingest.domain.status import STATUSES, status

MODELS = {shape: Model(shape) for shape in (ONE_SKU, TWO_SKUS, BUNDLE)}
ORDERS, LINES = st.integers(0, 1), st.integers(0, 1)


class OrderLifeCycle(RuleBasedStateMachine):
    """Two orders over the services' own functions."""

    model: Model
    world: World

    @initialize(shape=st.sampled_from(list(MODELS)), on_hand=st.lists(st.integers(1, 6), min_size=2, max_size=2))
    def open_the_shop(self, shape: Any, on_hand: list[int]) -> None:
        self.model = MODELS[shape]
        self.judge = Judge(self.model)
        self.seen: list[Delivery] = []
        self.world = self.model.start((), orders=2)
        for sku in range(len(shape.skus)):
            self.act("stock", sku, on_hand[sku])
        self.act("create", 0, (2, 1), True)

    def act(self, *action: Any) -> None:
        """Something happens outside, if it makes sense now."""
        after = self.model.outside(self.world, action)
        if after is not None:
            self.step(after)

    def step(self, after: World) -> None:
        """The world goes on, and what must hold does."""
        fault = bad_request(self.world, after, self.model.shape) or self.judge.broken(after)
        assert not fault, fault
        self.world = after

    # ------------------------------------------------------------------ people, the shop, the stock room
    @rule(order=ORDERS, units=st.tuples(st.integers(0, 3), st.integers(0, 3)), paid=st.booleans())
    def create(self, order: int, units: tuple[int, int], paid: bool) -> None:
        self.act("create", order, units, paid)

    @rule(order=ORDERS, line=LINES, how=st.sampled_from(("reduce", "raise", "tie")))
    def update(self, order: int, line: int, how: str) -> None:
        self.act(how, order, line)

    @rule(order=ORDERS)
    def pay(self, order: int) -> None:
        self.act("pay", order)

    @rule(order=ORDERS)
    def cancel(self, order: int) -> None:
        self.act("cancel", order)

    @rule(order=ORDERS, line=LINES)
    def refund(self, order: int, line: int) -> None:
        self.act("return", order, line)

    @rule(sku=st.integers(0, 1), more=st.integers(0, 3))
    def change_stock(self, sku: int, more: int) -> None:
        self.act("stock", sku % len(self.model.shape.skus), more)

    @rule(order=ORDERS)
    def retry(self, order: int) -> None:
        self.act("retry", order)

    # ------------------------------------------------------------------ the 3PL
    @rule(order=ORDERS, whole=st.booleans())
    def ship(self, order: int, whole: bool) -> None:
        for revision, job in self.world.books[order].value.jobs:
            if job.state == "accepted" and any(job.left):
                first = next(line for line, units in enumerate(job.left) if units)
                units = job.left if whole else self.model.shape.one(first)
                self.step(self.model.ship(self.world, order, revision, units))
                return

    @rule(order=ORDERS, how=st.sampled_from(("void", "scrap")))
    def void(self, order: int, how: str) -> None:
        self.act(how, order)

    @rule(order=ORDERS, how=st.sampled_from(("give up", "late no", "inspect", "repeat ship")))
    def surprise(self, order: int, how: str) -> None:
        self.act(how, order)

    # ------------------------------------------------------------------ the network
    @rule(which=st.lists(st.integers(0, 99), min_size=1, max_size=8), hand=st.sampled_from(("", "", "", *HANDS)))
    @precondition(lambda self: self.world.net)
    def deliver(self, which: list[int], hand: str) -> None:
        for one in which:
            if not self.world.net:
                return
            position = one % len(self.world.net)
            to, kept = self.world.net[position]
            if isinstance(kept.value, Event | ShipNotice | Counted) or _plain_word(kept.value):
                self.seen.append((to, kept))
            self.step(self.model.deliver(self.world, position, hand if to == "W" else ""))

    @rule(which=st.integers(0, 999))
    @precondition(lambda self: self.seen)
    def replay(self, which: int) -> None:
        """A message that was handled comes again under a new id: from a person's hand, or because it was sent twice."""
        again = self.seen[which % len(self.seen)]
        net = sorted((*self.world.net, again), key=lambda one: (one[0], one[1].number))
        self.step(self.world._replace(net=tuple(net)))

    @rule()
    def let_it_rest(self) -> None:
        """All that is in flight arrives; then everybody must agree."""
        for _ in range(400):
            if not self.world.net:
                return
            first = min(range(len(self.world.net)), key=lambda n: told(*self.world.net[n]))
            self.step(self.model.deliver(self.world, first))
        raise AssertionError(f"it never comes to rest: {self.world.net}")

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.let_it_rest()

    # ------------------------------------------------------------------ what must hold, in plain words
    @invariant()
    def every_status_is_legal(self) -> None:
        assert all(status(row.value.order) in STATUSES for row in self.world.rows)

    @invariant()
    def nothing_is_oversold(self) -> None:
        shape = self.model.shape
        promised = shape.parts(shape.total(book.value.outstanding for book in self.world.books))
        assert min(minus(self.world.goods, promised)) >= 0

    @invariant()
    def stock_adds_up(self) -> None:
        stock = self.world.stock.value
        for level in stock.levels:
            assert level.reserved == sum(i.held for claim in stock.claims for i in claim.items if i.sku == level.sku)

    @invariant()
    def nothing_ships_that_was_settled_as_cancelled(self) -> None:
        for row, book in zip(self.world.rows, self.world.books, strict=True):
            if status(row.value.order) == "cancelled":
                assert not any(plus(book.value.outstanding, book.value.left_house))


def _plain_word(message: Any) -> bool:
    return isinstance(message, Told) and not message.fetched


OrderLifeCycle.TestCase.settings = settings(
    max_examples=80, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_life_of_orders = OrderLifeCycle.TestCase
