"""Everything one sandbox holds, in memory: its clock, its webhook courier, its stores and 3PL accounts."""

import random
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.delivery import Courier
from sandbox.shopify.state import Store
from sandbox.threepl.state import Account


@dataclass
class World:
    """The state behind every endpoint. The same seed gives the same ids and the same misfortunes."""

    seed: int
    clock: Clock
    rng: random.Random
    courier: Courier
    stores: dict[str, Store] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    late: int = 0

    @classmethod
    def new(cls, seed: int) -> "World":
        """An empty world."""
        clock, rng = Clock(), random.Random(seed)  # noqa: S311 - misfortunes, not secrets
        return cls(seed, clock, rng, Courier(clock, rng))

    def reset(self) -> None:
        """Forget everything; the clock goes back to real pace."""
        self.clock.cancel_all()
        self.clock.set(speed=1.0)
        self.courier.reset()
        self.rng.seed(self.seed)
        self.end_bulk()
        self.stores.clear()
        self.accounts.clear()

    def end_bulk(self) -> None:
        """Stop all bulk operations and delete their files."""
        for store in self.stores.values():
            for task in store.bulk_tasks:
                task.cancel()
            for path in store.bulk_files:
                path.unlink(missing_ok=True)
            store.bulk_files.clear()
