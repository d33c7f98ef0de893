"""The sandbox as one HTTP application: stores under /shopify, the 3PL under /3pl, their strings under /_control."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sandbox import control, control_orders, control_routes, control_shopify, control_threepl
from sandbox.shopify import api as shopify
from sandbox.shopify import oauth
from sandbox.shopify.resolvers import schema
from sandbox.threepl import api as threepl
from sandbox.world import World


def create_app(seed: int = 1, control_enabled: bool = True) -> FastAPI:
    """A sandbox with nothing in it. `control_enabled` opens /_control, which asks for no token: loopback only."""
    world = World.new(seed)
    schema()  # built now, so that the first request is as quick as any

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        world.clock.cancel_all()
        world.end_bulk()
        await world.courier.close()

    app = FastAPI(title="Crossdock sandbox", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.world = world

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    app.include_router(shopify.routes(world))
    app.include_router(oauth.routes(world))
    app.include_router(threepl.routes(world))
    if control_enabled:
        for part in (control, control_shopify, control_orders, control_routes, control_threepl):
            app.include_router(part.routes(world))
    return app
