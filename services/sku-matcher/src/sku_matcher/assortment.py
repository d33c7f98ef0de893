"""The part of the catalogue that one batch has locked: products are learnt one by one, and it is written at the end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crossdock.channels.model import ListingSet
from crossdock.contracts.base import Event
from crossdock.contracts.sku_matcher import SkuChanged
from crossdock.messaging.transaction import Tx
from crossdock.service.runs.model import Tally
from sku_matcher import telling
from sku_matcher.domain.listings import Change, History, Listing, Product, ProductState, Variant, learn_product
from sku_matcher.store import catalogue, presence
from sku_matcher.store.presence import Key


class Assortment:
    """Locked products with their listings."""

    def __init__(self, tx: Tx, products: dict[Key, Product], listings: dict[Key, Listing]) -> None:
        self._tx = tx
        self._products = products
        self._listings = listings
        self._of_product: dict[Key, set[str]] = {}
        self._changed: set[Key] = set()
        self._newer: set[Key] = set()
        self._touched: set[Key] = set()
        self._met: dict[str, tuple[str, Event | None]] = {}
        self._history = History()
        for listing in listings.values():
            self._place(listing)

    @classmethod
    async def lock(cls, tx: Tx, states: Sequence[ProductState]) -> "Assortment":
        """Lock what these states speak of."""
        products = {(state.channel_id, state.product_id) for state in states}
        named = {(state.channel_id, variant.listing_id) for state in states for variant in state.variants}
        if not products:
            return cls(tx, {}, {})
        locked = await catalogue.lock_products(tx, products)
        return cls(tx, locked, await catalogue.lock_listings(tx, named, products))

    def learn(self, state: ProductState, event: Event | None = None) -> Tally:
        """Take one state and tell what it changed; `event` carried it, where one did. Returns whether the product was
        new, changed or neither."""
        key = (state.channel_id, state.product_id)
        ids = self._of_product.get(key, set()) | {variant.listing_id for variant in state.variants}
        about = {listing_id: self._listings[state.channel_id, listing_id] for listing_id in ids}
        product, changes = learn_product(self._products[key], about, state)
        if product is not self._products[key]:
            self._products[key] = product
            self._newer.add(key)
        known = bool(self._of_product.get(key))
        for change in changes:
            self._apply(change, event)
        return Tally(changed=1) if changes and known else Tally(imported=1) if changes else Tally(unchanged=1)

    async def save(self) -> None:
        """Write what changed, and tell of the SKUs that were met for the first time."""
        await presence.claim_presence(self._tx, self._touched | {(presence.HUB, sku) for sku in self._met})
        await catalogue.save_catalogue(
            self._tx,
            [self._products[key] for key in sorted(self._newer)],
            [self._listings[key] for key in sorted(self._changed)],
            self._touched,
        )
        await catalogue.save_history(self._tx, self._history)
        fresh = await catalogue.add_skus(self._tx, {sku: title for sku, (title, _) in self._met.items()})
        for sku, (title, event) in self._met.items():
            if sku in fresh:
                self._tx.publish(SkuChanged(sku=sku, sku_version=1, title=title), cause=event)

    def _apply(self, change: Change, event: Event | None) -> None:
        listing = change.listing
        key = (listing.channel_id, listing.listing_id)
        self._listings[key] = listing
        self._place(listing)
        self._changed.add(key)
        self._history.take(change)
        self._touched |= {(listing.channel_id, sku) for sku in (listing.sku, change.previous_sku) if sku}
        if listing.sku:
            self._met.setdefault(listing.sku, (listing.title, event))
        self._tx.publish(telling.listing_event(change), cause=event)

    def _place(self, listing: Listing) -> None:
        self._of_product.setdefault((listing.channel_id, listing.product_id), set()).add(listing.listing_id)


def state_of(channel_id: UUID, told_at: datetime, told: ListingSet) -> ProductState:
    """One product, as its channel told it at a time."""
    return ProductState(
        channel_id=channel_id,
        product_id=told.product_id,
        updated_at=told.updated_at,
        told_at=told_at,
        variants=tuple(Variant(one.listing_id, one.sku, one.title, one.created_at) for one in told.listings),
        complete=told.complete,
    )
