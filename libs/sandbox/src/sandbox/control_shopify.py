"""Steering of the simulated stores: set up, trade, break, and look inside."""

from dataclasses import asdict, fields
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import Field

from sandbox.clock import utc_now
from sandbox.control import Body
from sandbox.shopify import catalog_payloads
from sandbox.shopify.cost import Bucket
from sandbox.shopify.state import Fault, Ids, Location, Settings, Store, Subscription
from sandbox.shopify.webhooks import Event, topic_enum
from sandbox.world import World


class LocationBody(Body):
    """A location of a store."""

    name: str
    is_active: bool = True
    fulfills_online_orders: bool = True
    is_fulfillment_service: bool = False
    country_code: str = "US"


class SubscriptionBody(Body):
    """Webhooks to one address. `by_api` ones can be read by GraphQL and are deleted after too many failures."""

    uri: str
    topics: list[str]
    by_api: bool = True
    include_fields: list[str] = Field(default_factory=list)


class StoreBody(Body):
    """A store with everything in one call."""

    domain: str
    token: str
    secret: str
    client_id: str = "client-id"
    old_secret: str | None = None
    name: str | None = None
    currency: str = "USD"
    utc_offset: str = Field("-05:00", pattern=r"^[+-]\d\d:\d\d$")
    timezone_name: str = "America/New_York"
    locations: list[LocationBody] = Field(default_factory=lambda: [LocationBody(name="Main")])
    subscriptions: list[SubscriptionBody] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)


class ChangeBody(Body):
    """New values for a store; what is left out stays."""

    token: str | None = None
    secret: str | None = None
    old_secret: str | None = None
    installed: bool | None = None
    bucket: dict[str, float] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


class FaultBody(Body):
    """The next `times` calls of a root field (or `*`), or of a grant of the token endpoint, go wrong."""

    operation: str = "*"
    kind: str = Field(pattern="^(lose_reply|act_late|timeout|error_500|throttle|http_429|token_expired)$")
    times: int = Field(1, ge=1)
    seconds: float = 30.0


def routes(world: World) -> APIRouter:
    """The endpoints that steer stores."""
    router = APIRouter(prefix="/_control/shopify")
    _store_routes(world, router)
    _app_routes(world, router)
    return router


def store_in(world: World, shop: str) -> Store:
    """The store. Raises: HTTPException 404."""
    if shop not in world.stores:
        raise HTTPException(404, f"There is no store {shop}.")
    return world.stores[shop]


def configured(settings: Settings, given: dict[str, Any]) -> None:
    """Set fields of a store's settings. Raises: HTTPException 422."""
    known = {one.name for one in fields(Settings)}
    if unknown := set(given) - known:
        raise HTTPException(422, f"A store has no setting {', '.join(sorted(unknown))}; it has {sorted(known)}.")
    for name, value in given.items():
        setattr(settings, name, value)


def subscribe(store: Store, given: SubscriptionBody) -> None:
    """Add one subscription per topic."""
    for topic in given.topics:
        made = Subscription(
            store.ids.next(), topic_enum(topic), given.uri, given.by_api, include_fields=given.include_fields
        )
        store.subscriptions[made.id] = made


def _store_routes(world: World, router: APIRouter) -> None:
    @router.post("/stores", status_code=201)
    async def create(body: StoreBody) -> dict[str, Any]:
        if body.domain in world.stores:
            raise HTTPException(409, f"There is a store {body.domain} already.")
        store = world.stores[body.domain] = opened(body, Ids(world.seed * 7919 + len(world.stores)))
        return shown_store(store)

    @router.get("/{shop}")
    async def read(shop: str) -> dict[str, Any]:
        return shown_store(store_in(world, shop))

    @router.patch("/{shop}")
    async def change(shop: str, body: ChangeBody) -> dict[str, Any]:
        store = store_in(world, shop)
        for name, value in body.model_dump(exclude_unset=True, exclude={"bucket", "settings"}).items():
            setattr(store, name, value)
        for name, amount in body.bucket.items():
            if name not in ("maximum", "restore", "available"):
                raise HTTPException(422, f"A bucket has no {name}; it has maximum, restore and available.")
            setattr(store.bucket, name, amount)
        before = sorted(store.settings.scopes)
        configured(store.settings, body.settings)
        if sorted(store.settings.scopes) != before:
            told = {"id": store.id, "previous": before, "current": sorted(store.settings.scopes)}
            Event(world, store, utc_now()).emit("app/scopes_update", told, store.domain)
        return shown_store(store)

    @router.post("/{shop}/subscriptions", status_code=201)
    async def add_subscription(shop: str, body: SubscriptionBody) -> dict[str, Any]:
        subscribe(store_in(world, shop), body)
        return shown_store(store_in(world, shop))

    @router.post("/{shop}/faults", status_code=201)
    async def add_fault(shop: str, body: FaultBody) -> list[dict[str, Any]]:
        store = store_in(world, shop)
        store.faults.append(Fault(body.operation, body.kind, body.times, body.seconds))
        return [asdict(fault) for fault in store.faults if fault.times]

    @router.delete("/{shop}/faults")
    async def clear_faults(shop: str) -> list[dict[str, Any]]:
        store_in(world, shop).faults.clear()
        return []


def opened(body: StoreBody, ids: Ids) -> Store:
    """A new store as it is described."""
    name = body.name or body.domain.split(".")[0].title()
    store = Store(
        body.domain, ids.next(), name, body.currency, body.token, body.secret, ids, Bucket(),
        client_id=body.client_id, old_secret=body.old_secret, utc_offset=body.utc_offset,
        timezone_name=body.timezone_name,
    )  # fmt: skip
    configured(store.settings, body.settings)
    for given in body.locations:
        location = Location(id=ids.next(), **given.model_dump())
        store.locations[location.id] = location
    for subscription in body.subscriptions:
        subscribe(store, subscription)
    return store


def _app_routes(world: World, router: APIRouter) -> None:
    @router.get("/{shop}/oauth")
    async def oauth(shop: str) -> dict[str, Any]:
        grants = store_in(world, shop).grants
        return {"calls": grants.calls, "peak": grants.peak, "access_tokens": len(grants.access)}

    @router.post("/{shop}/oauth/expire")
    async def expire_access(shop: str) -> dict[str, bool]:
        store_in(world, shop).grants.access.clear()
        return {"expired": True}

    @router.delete("/{shop}/subscriptions")
    async def forget_subscriptions(shop: str) -> dict[str, Any]:
        store = store_in(world, shop)
        store.subscriptions = {number: one for number, one in store.subscriptions.items() if not one.by_api}
        return shown_store(store)

    @router.post("/{shop}/uninstall")
    async def uninstall(shop: str) -> dict[str, Any]:
        store = store_in(world, shop)
        Event(world, store, utc_now()).emit("app/uninstalled", catalog_payloads.shop(store), store.domain)
        store.installed = False
        store.grants.revoke()
        store.subscriptions = {number: one for number, one in store.subscriptions.items() if not one.by_api}
        return shown_store(store)


def shown_store(store: Store) -> dict[str, Any]:
    """A store without its secrets."""
    return {
        "domain": store.domain,
        "name": store.name,
        "currency": store.currency,
        "installed": store.installed,
        "graphql": f"/shopify/{store.domain}/admin/api/{store.settings.served_versions[-1]}/graphql.json",
        "locations": [{"id": one.id, "name": one.name} for one in store.locations.values()],
        "services": [
            {"id": one.id, "name": one.name, "location_id": one.location_id, "callback_url": one.callback_url}
            for one in store.services.values()
        ],
        "subscriptions": [
            {"id": one.id, "topic": one.topic, "uri": one.uri, "by_api": one.by_api}
            for one in store.subscriptions.values()
        ],
        "settings": asdict(store.settings),
        "faults": [asdict(fault) for fault in store.faults if fault.times],
        "bucket": store.bucket.status(),
        "spent": {
            "answered": store.bucket.answered,
            "throttled": store.bucket.throttled,
            "lowest": store.bucket.lowest if store.bucket.answered else None,
        },
    }
