"""What a channel's message about a product changes in the catalogue (pure).

Guards: of one product the newest state wins, whatever the order of arrival; a listing that is gone carries no SKU; when
which listing carried which SKU is never forgotten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Listing:
    """A channel's product variant. Version 0: an order named it, and its channel has not told of it yet.

    `sku` is blank when it has none or is gone; `sku_since` is the channel's time at which it got its present one.
    """

    channel_id: UUID
    listing_id: str
    product_id: str = ""
    listing_version: int = 0
    sku: str = ""
    title: str = ""
    sku_since: datetime = EPOCH
    removed: bool = True


@dataclass(frozen=True, slots=True)
class Product:
    """How new what we know of a product is: the channel's time of the state, then the time at which it told."""

    channel_id: UUID
    product_id: str
    updated_at: datetime = EPOCH
    told_at: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant as the channel tells it."""

    listing_id: str
    sku: str
    title: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProductState:
    """All variants of a product as of `updated_at`; with `complete` those not named are gone. `told_at` orders two
    states of one second, for a product can change twice within it."""

    channel_id: UUID
    product_id: str
    updated_at: datetime
    told_at: datetime
    variants: tuple[Variant, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A listing that changed, the SKU that it carried before, and since when it carries its present one: for one that
    is told of for the first time since it was made, or since ever where its channel does not tell when that was."""

    listing: Listing
    previous_sku: str
    since: datetime


def learn_product(
    product: Product, listings: Mapping[str, Listing], state: ProductState
) -> tuple[Product, tuple[Change, ...]]:
    """Take a newer state of a product. `listings` holds, by id, those of the product and those that the state names.
    Returns the product and what changed; an older state, or the same again, changes nothing."""
    if (state.updated_at, state.told_at) <= (product.updated_at, product.told_at):
        return product, ()
    named = {variant.listing_id: variant for variant in state.variants}
    changes = [_take(listings[listing_id], state, variant) for listing_id, variant in named.items()]
    if state.complete:
        changes += [_gone(listing, state) for listing in _left_out(listings.values(), state.product_id, named)]
    newer = replace(product, updated_at=state.updated_at, told_at=state.told_at)
    return newer, tuple(change for change in changes if change is not None)


def _take(old: Listing, state: ProductState, variant: Variant) -> Change | None:
    new = replace(
        old,
        product_id=state.product_id,
        sku=variant.sku,
        title=variant.title,
        sku_since=old.sku_since if old.sku == variant.sku else state.updated_at,
        removed=False,
    )
    if new == old:
        return None
    first = old.listing_version == 0
    since = (variant.created_at or EPOCH) if first else state.updated_at
    return Change(replace(new, listing_version=old.listing_version + 1), old.sku, since)


def _left_out(listings: Iterable[Listing], product_id: str, named: Mapping[str, Variant]) -> list[Listing]:
    left = (one for one in listings if one.product_id == product_id and not one.removed)
    return sorted((one for one in left if one.listing_id not in named), key=lambda one: one.listing_id)


def _gone(old: Listing, state: ProductState) -> Change:
    gone = replace(old, sku="", sku_since=EPOCH, removed=True, listing_version=old.listing_version + 1)
    return Change(gone, old.sku, state.updated_at)


@dataclass(frozen=True, slots=True)
class Span:
    """A listing carried a SKU from `since` until `until`; None: it still does."""

    channel_id: UUID
    listing_id: str
    sku: str
    since: datetime
    until: datetime | None = None


class History:
    """What a batch of changes adds to the history of who carried which SKU: spans that begin, and the times at which
    the one span of a listing that was open before the batch ends."""

    def __init__(self) -> None:
        self.ends: dict[tuple[UUID, str], datetime] = {}
        self._begun: dict[tuple[UUID, str], list[Span]] = {}

    def take(self, change: Change) -> None:
        """Take a change; those of one listing come in their order."""
        listing = change.listing
        if listing.sku == change.previous_sku:
            return
        key = (listing.channel_id, listing.listing_id)
        begun = self._begun.setdefault(key, [])
        if begun:
            begun[-1] = replace(begun[-1], until=begun[-1].until or change.since)
        elif change.previous_sku:
            self.ends[key] = change.since
        if listing.sku:
            begun.append(Span(*key, listing.sku, change.since))

    @property
    def begun(self) -> list[Span]:
        """The spans that begin, those that end within the batch too, but not those that last no time at all."""
        return [
            span for spans in self._begun.values() for span in spans if span.until is None or span.until > span.since
        ]
