"""Integrations and runs over HTTP: the same routes in every service that has them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossdock.contracts.base import utc_now
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context
from crossdock.service.errors import Problem, not_found
from crossdock.service.runs import store
from crossdock.service.runs.model import OPEN, ChannelRow, Integration, Kind, Runs
from crossdock.service.runs.schedule import BadSchedule, Schedule, check, next_slot
from crossdock.service.runs.worker import queue_now, schedule_of, zone_of
from crossdock.storage.engine import Row

State = Literal["waiting", "running", "finished", "finished_partially", "failed", "stopped"]
HIDDEN = ("token", "lane", "due_at", "stop_requested", "failing_since")
"""Of a run's row: how it is kept, which is nobody's business outside."""


class NewSchedule(BaseModel):
    """A frequency or a cron expression; neither: only when somebody starts it."""

    model_config = ConfigDict(extra="forbid")

    every_seconds: float | None = None
    cron: Annotated[str, Field(max_length=200)] | None = None


class Change(BaseModel):
    """What to change; what is left out stays. A schedule of null is the service's default, a time zone of null the
    channel's own."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool | None = None
    schedule: NewSchedule | None = None
    time_zone: Annotated[str, Field(max_length=100)] | None = None
    settings: dict[str, Any] | None = None


class Start(BaseModel):
    """What a run is asked for, where its kind needs to know."""

    model_config = ConfigDict(extra="forbid")

    request: dict[str, Any] = {}


def router(context: Context, runs: Runs, guard: Any) -> APIRouter:
    """The routes; `guard` lets other services in."""
    routes = APIRouter(dependencies=[guard], tags=["integrations and runs"])
    _integration_routes(routes, context, runs)
    _run_routes(routes, context, runs)
    return routes


def _integration_routes(routes: APIRouter, context: Context, runs: Runs) -> None:
    @routes.get("/integrations")
    async def list_integrations() -> dict[str, Any]:
        """Every integration with its newest run."""
        async with context.transaction() as tx:
            channels = await _channels(tx, runs)
            newest = await store.newest(tx)
            there = await store.integrations(tx)
        return {
            "integrations": [
                _integration(context, runs.by_name[one.kind], one, channels, newest.get(one.integration_id))
                for one in there
                if one.kind in runs.by_name
            ]
        }

    @routes.get("/integrations/{integration_id}")
    async def show_integration(integration_id: UUID) -> dict[str, Any]:
        """One integration with its newest run."""
        async with context.transaction() as tx:
            return await _shown(context, tx, runs, integration_id)

    @routes.patch("/integrations/{integration_id}")
    async def change(integration_id: UUID, body: Change) -> dict[str, Any]:
        """Enable, disable, schedule; a run under way is not touched, one that only waits for its time is dropped when
        the integration is disabled."""
        async with context.transaction() as tx:
            kind, one = await found(tx, runs, integration_id)
            await store.change(tx, _changed(kind, one, body))
            if body.enabled is False:
                await store.stop(tx, integration_id=integration_id, waiting_only=True)
            return await _shown(context, tx, runs, integration_id)

    @routes.post("/integrations/{integration_id}/start", status_code=202)
    async def start(integration_id: UUID, body: Start | None = None) -> dict[str, Any]:
        """Start now; the answer is the run."""
        async with context.transaction() as tx:
            kind, one = await found(tx, runs, integration_id)
            if kind.how_to_start:
                raise Problem(422, "not_this_way", "This integration has to be told what to do.", kind.how_to_start)
            return await start_now(tx, kind, one, _valid(kind.request, (body or Start()).request))

    @routes.post("/integrations/{integration_id}/stop")
    async def stop(integration_id: UUID) -> dict[str, Any]:
        """Stop what runs or waits; what was taken stays."""
        async with context.transaction() as tx:
            await found(tx, runs, integration_id)
            if not await store.stop(tx, integration_id=integration_id):
                raise Problem(409, "nothing_runs", "No run of this integration runs or waits.", "List its runs.")
            return await _shown(context, tx, runs, integration_id)


def _run_routes(routes: APIRouter, context: Context, runs: Runs) -> None:
    @routes.get("/runs")
    async def list_runs(
        integration: UUID | None = None,
        kind: Annotated[str | None, Query(max_length=100)] = None,
        state: State | None = None,
        before: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        """Runs, newest first; `next` is the `before` of the next page."""
        async with context.transaction() as tx:
            channels = await _channels(tx, runs)
            rows = await store.page(tx, integration_id=integration, state=state, kind=kind, before=before, limit=limit)
        return {
            "runs": [run_view(row, channels) for row in rows],
            "next": rows[-1].scheduled_at if len(rows) == limit else None,
        }

    @routes.get("/runs/{run_id}")
    async def show_run(run_id: UUID) -> dict[str, Any]:
        """One run with what it could not take."""
        async with context.transaction() as tx:
            row = await _run(tx, run_id)
            errors = await store.errors(tx, run_id)
            channels = await _channels(tx, runs)
        return run_view(row, channels) | {"errors": [dict(error) for error in errors]}

    @routes.post("/runs/{run_id}/stop")
    async def stop(run_id: UUID) -> dict[str, Any]:
        """Stop a run; what was taken stays."""
        async with context.transaction() as tx:
            row = await _run(tx, run_id)
            if not await store.stop(tx, run_id=run_id):
                sentence = f"The run is {row.state} already."
                raise Problem(409, "run_ended", sentence, "Start its integration again if need be.")
            return run_view(await _run(tx, run_id), await _channels(tx, runs))


async def found(tx: Tx, runs: Runs, integration_id: UUID) -> tuple[Kind, Integration]:
    """An integration, locked, and its kind. Raises Problem: 404."""
    one = await store.integration(tx, integration_id)
    if one is None or one.kind not in runs.by_name:
        raise not_found("integration", integration_id, "List them: crossdock integration list.")
    return runs.by_name[one.kind], one


async def start_now(
    tx: Tx,
    kind: Kind,
    one: Integration,
    request: Any,
    *,
    notes: Sequence[str] = (),
    expected: int | None = None,
) -> dict[str, Any]:
    """Queue a run and show it. Raises Problem: 409 when one waits already."""
    run_id = await queue_now(tx, kind, one, request, notes=notes, expected=expected)
    if run_id is None:
        raise Problem(409, "run_waits", "A run of this integration waits already.", "Stop it first, or let it run.")
    return run_view(await _run(tx, run_id), {})


def _changed(kind: Kind, one: Integration, body: Change) -> Integration:
    """Raises Problem: 422."""
    if body.enabled is not None:
        one = replace(one, enabled=body.enabled)
    if "time_zone" in body.model_fields_set:
        one = replace(one, time_zone=body.time_zone)
    if "schedule" in body.model_fields_set:
        new = body.schedule
        one = replace(one, schedule=None if new is None else Schedule(new.every_seconds, new.cron))
    if body.settings is not None:
        one = replace(one, settings=_valid(kind.options, {**one.settings, **body.settings}))
    try:
        check(one.schedule or Schedule(), one.time_zone or "UTC")
    except BadSchedule as problem:
        raise Problem(422, "bad_schedule", str(problem), "Correct it and send it again.") from None
    return one


def _valid(model: type[BaseModel] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a kind wants them. Raises Problem: 422."""
    if model is None:
        if given:
            raise Problem(422, "invalid_request", "This kind of integration takes no values.", "Leave them out.")
        return {}
    try:
        return model.model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        message = f"{where}: {first['type'].replace('_', ' ')}."
        fields = ", ".join(model.model_fields)
        raise Problem(422, "invalid_request", message, f"The fields are {fields}.") from None


async def _channels(tx: Tx, runs: Runs) -> dict[UUID, ChannelRow]:
    return {one.channel_id: one for one in await runs.channels(tx)}


async def _run(tx: Tx, run_id: UUID) -> Row:
    row = await store.one(tx, run_id)
    if row is None:
        raise not_found("run", run_id, "List them: crossdock run list.")
    return row


async def _shown(context: Context, tx: Tx, runs: Runs, integration_id: UUID) -> dict[str, Any]:
    kind, one = await found(tx, runs, integration_id)
    rows = await store.page(tx, integration_id=integration_id, state=None, kind=None, before=None, limit=1)
    return _integration(context, kind, one, await _channels(tx, runs), rows[0] if rows else None)


def _integration(
    context: Context, kind: Kind, one: Integration, channels: Mapping[UUID, ChannelRow], newest: Row | None
) -> dict[str, Any]:
    channel = channels.get(one.channel_id)
    schedule, zone = schedule_of(context, kind, one), zone_of(kind, one)
    follows = channel is not None and channel.connected and one.enabled and zone
    next_at = next_slot(schedule, zone, one.last_slot, one.created_at) if follows and zone else None
    return {
        "integration_id": one.integration_id,
        "kind": one.kind,
        "channel_id": one.channel_id,
        "channel": channel.name if channel else "",
        "channel_kind": channel.kind if channel else "",
        "connected": channel.connected if channel else False,
        "origin": kind.origin.format(channel=channel.name if channel else one.channel_id),
        "destination": kind.destination.format(channel=channel.name if channel else one.channel_id),
        "enabled": one.enabled,
        "schedule": {
            "every_seconds": schedule.every_seconds,
            "cron": schedule.cron,
            "default": one.schedule is None,
        },
        "time_zone": zone,
        "next_at": max(next_at, utc_now()) if next_at else None,
        "settings": _settings(kind, one),
        "newest_run": None if newest is None else run_view(newest, channels),
    }


def _settings(kind: Kind, one: Integration) -> dict[str, Any]:
    if kind.options is None:
        return {}
    return kind.options.model_validate(dict(one.settings)).model_dump(mode="json")


def run_view(row: Row, channels: Mapping[UUID, ChannelRow]) -> dict[str, Any]:
    """A run as people see it. `remaining` is None until it is known how many records there are."""
    shown = {name: value for name, value in row.items() if name not in HIDDEN}
    channel = channels.get(row.channel_id)
    left = None if row.expected is None else max(row.expected - row.seen, 0)
    return shown | {
        "channel": channel.name if channel else "",
        "remaining": left if row.state in OPEN or left is None else 0 if row.state.startswith("finished") else left,
        "stopping": row.stop_requested and row.state == "running",
    }
