"""Steering of the sandbox as a whole under /_control: clock, deliveries and their misbehaviour, reset, quiet."""

from dataclasses import asdict, fields
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from sandbox.delivery import Misbehaviour
from sandbox.world import World


class Body(BaseModel):
    """Base of all bodies: unknown keys are refused, so that a typo shows."""

    model_config = ConfigDict(extra="forbid")


class ClockBody(Body):
    """`speed`: sandbox seconds per real second; `advance`: sandbox seconds to jump."""

    speed: float | None = Field(None, ge=0)
    advance: float = Field(0.0, ge=0)


class MisbehaviourBody(Body):
    """Fields of `Misbehaviour`; those left out stay as they are."""

    duplicate_rate: float | None = Field(None, ge=0, le=1)
    duplicate_next: int | None = Field(None, ge=0)
    drop_rate: float | None = Field(None, ge=0, le=1)
    drop_next: int | None = Field(None, ge=0)
    delay: float | None = Field(None, ge=0)
    delay_jitter: float | None = Field(None, ge=0)
    reorder: int | None = Field(None, ge=0)
    sign_with: str | None = Field(None, pattern="^(current|old|wrong)$")
    paused: bool | None = None


def routes(world: World) -> APIRouter:
    """The endpoints that concern the whole sandbox."""
    router = APIRouter(prefix="/_control")

    @router.post("/clock")
    async def clock(body: ClockBody) -> dict[str, float]:
        world.clock.set(body.speed, body.advance)
        return {"speed": world.clock.speed, "now": world.clock.now()}

    @router.post("/reset")
    async def reset() -> dict[str, bool]:
        world.reset()
        return {"reset": True}

    @router.get("/quiet")
    async def quiet() -> dict[str, Any]:
        return quiet_state(world)

    @router.put("/misbehaviour/{source:path}")
    async def misbehave(source: str, body: MisbehaviourBody) -> dict[str, Any]:
        how = world.courier.of(source)
        was_paused = how.paused
        for name, value in body.model_dump(exclude_unset=True).items():
            setattr(how, name, value)
        if was_paused and not how.paused:
            world.courier.resume()
        if how.reorder == 0:
            world.courier.release(source)
        return asdict(how)

    @router.delete("/misbehaviour")
    async def behave() -> dict[str, bool]:
        for how in world.courier.misbehaviour.values():
            for one in fields(Misbehaviour):
                setattr(how, one.name, one.default)
        world.courier.release()
        world.courier.resume()
        return {"behaves": True}

    @router.post("/pause")
    async def pause() -> dict[str, bool]:
        world.courier.paused = True
        return {"paused": True}

    @router.post("/resume")
    async def resume() -> dict[str, bool]:
        world.courier.paused = False
        world.courier.resume()
        return {"paused": False}

    _delivery_routes(world, router)
    return router


def _delivery_routes(world: World, router: APIRouter) -> None:
    @router.get("/deliveries")
    async def deliveries(
        source: str | None = None,
        topic: str | None = None,
        subject: str | None = None,
        state: str | None = None,
        bodies: bool = False,
        after: int = 0,
        limit: int = 1000,
    ) -> dict[str, Any]:
        wanted = {"source": source, "topic": topic, "subject": subject, "state": state}
        found = [
            one
            for one in world.courier.deliveries.values()
            if one.number > after
            and all(value is None or getattr(one, name) == value for name, value in wanted.items())
        ]
        return {"count": len(found), "deliveries": [one.summary(bodies) for one in found[:limit]]}

    @router.get("/deliveries/{number}")
    async def delivery(number: int) -> dict[str, Any]:
        if number not in world.courier.deliveries:
            raise HTTPException(404, f"There is no delivery {number}.")
        return world.courier.deliveries[number].summary(with_body=True)

    @router.post("/deliveries/{number}/again")
    async def again(number: int) -> dict[str, Any]:
        if number not in world.courier.deliveries:
            raise HTTPException(404, f"There is no delivery {number}.")
        return world.courier.again(number).summary()

    @router.post("/deliveries/release")
    async def release(source: str | None = None) -> dict[str, Any]:
        world.courier.release(source)
        return quiet_state(world)


def quiet_state(world: World) -> dict[str, Any]:
    """Whether nothing is queued, in flight, held back or planned; and what is."""
    busy = world.courier.busy | {"planned": world.clock.pending + world.late}
    return {"quiet": not any(busy.values()), **busy}
