"""What a message about a product changes, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from sku_matcher.domain.listings import EPOCH, Change, History, Listing, Product, ProductState, Variant, learn_product

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = UUID(int=7)


def told(minute: int, *, second: int = 0, complete: bool = True, product: str = "P", **skus: str) -> ProductState:
    at = NOON + timedelta(minutes=minute)
    variants = tuple(Variant(listing_id, sku, f"Thing {listing_id}") for listing_id, sku in skus.items())
    return ProductState(SHOP, product, at, at + timedelta(seconds=second), variants, complete)


class Known:
    """Products and listings, as a service keeps them."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.listings: dict[str, Listing] = {}

    def learn(self, state: ProductState) -> tuple[Change, ...]:
        for variant in state.variants:
            self.listings.setdefault(variant.listing_id, Listing(SHOP, variant.listing_id))
        product = self.products.get(state.product_id, Product(SHOP, state.product_id))
        self.products[state.product_id], changes = learn_product(product, self.listings, state)
        self.listings |= {change.listing.listing_id: change.listing for change in changes}
        return changes

    def skus(self) -> dict[str, str]:
        return {key: listing.sku for key, listing in self.listings.items() if not listing.removed}


def test_a_new_product_brings_its_listings() -> None:
    known = Known()
    changes = known.learn(told(1, V1="SHIRT", V2=""))
    assert [(c.listing.listing_id, c.listing.listing_version, c.previous_sku) for c in changes] == [
        ("V1", 1, ""),
        ("V2", 1, ""),
    ]
    assert known.skus() == {"V1": "SHIRT", "V2": ""}


def test_the_same_again_changes_nothing() -> None:
    known = Known()
    known.learn(told(1, V1="SHIRT"))
    assert known.learn(told(1, V1="SHIRT")) == ()
    assert known.learn(told(2, V1="SHIRT")) == ()


def test_an_older_state_changes_nothing() -> None:
    known = Known()
    known.learn(told(2, V1="SHIRT"))
    assert known.learn(told(1, V1="MUG", V2="CAP")) == ()
    assert known.skus() == {"V1": "SHIRT"}


def test_of_two_states_of_one_second_the_one_told_last_wins_in_either_order() -> None:
    states = [told(1, second=1, V1="SHIRT"), told(1, second=2, V1="MUG")]
    for order in permutations(states):
        known = Known()
        for state in order:
            known.learn(state)
        assert known.skus() == {"V1": "MUG"}


def test_a_listing_that_is_no_longer_named_is_gone_and_carries_no_sku() -> None:
    known = Known()
    known.learn(told(1, V1="SHIRT", V2="MUG"))
    [change] = known.learn(told(2, V1="SHIRT"))
    assert (change.listing.listing_id, change.listing.sku, change.listing.removed, change.previous_sku) == (
        "V2",
        "",
        True,
        "MUG",
    )
    assert known.skus() == {"V1": "SHIRT"}


def test_a_shortened_list_removes_nothing() -> None:
    known = Known()
    known.learn(told(1, V1="SHIRT", V2="MUG"))
    assert known.learn(told(2, complete=False, V1="SHIRT")) == ()
    assert known.skus() == {"V1": "SHIRT", "V2": "MUG"}


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_listing_that_moved_to_another_product_stays_whichever_is_told_first(order: tuple[int, ...]) -> None:
    known = Known()
    known.learn(told(1, V1="SHIRT", V2="MUG"))
    states = [told(2, V1="SHIRT"), told(2, product="Q", V2="MUG")]
    for position in order:
        known.learn(states[position])
    assert known.skus() == {"V1": "SHIRT", "V2": "MUG"}
    assert known.listings["V2"].product_id == "Q"


def test_a_listing_that_comes_back_is_there_again() -> None:
    known = Known()
    for state in (told(1, V1="SHIRT"), told(2)):
        known.learn(state)
    [change] = known.learn(told(3, V1="SHIRT"))
    assert (change.listing.listing_version, change.listing.removed) == (3, False)


def test_the_time_of_a_sku_is_that_of_the_state_that_brought_it() -> None:
    known = Known()
    for state in (told(1, V1="SHIRT"), told(2, V1="SHIRT", V2="MUG"), told(3, V1="CAP", V2="MUG")):
        known.learn(state)
    since = {key: listing.sku_since for key, listing in known.listings.items()}
    assert since == {"V1": NOON + timedelta(minutes=3), "V2": NOON + timedelta(minutes=2)}


def test_who_carried_a_sku_when_is_remembered_however_the_changes_are_batched() -> None:
    known, at = Known(), [NOON + timedelta(minutes=minute) for minute in range(5)]
    changes = [change for minute, sku in enumerate(("A", "B", "", "B")) for change in known.learn(told(minute, V1=sku))]
    whole = History()
    for change in changes:
        whole.take(change)
    assert whole.ends == {}
    assert [(span.sku, span.since, span.until) for span in whole.begun] == [
        ("A", EPOCH, at[1]),
        ("B", at[1], at[2]),
        ("B", at[3], None),
    ]
    later = History()
    for change in changes[1:]:
        later.take(change)
    assert later.ends == {(SHOP, "V1"): at[1]}
    assert later.begun == whole.begun[1:]


def test_a_listing_that_is_new_to_us_carries_its_sku_since_it_was_made() -> None:
    made = NOON - timedelta(days=3)
    variant = Variant("V1", "A", "Thing", made)
    [change] = Known().learn(ProductState(SHOP, "P", NOON, NOON, (variant,), True))
    assert change.since == made
