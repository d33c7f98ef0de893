"""One service process: its consumers, workers, relay and HTTP API in one event loop, and an orderly end."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, ValidationError
from sqlalchemy import MetaData, text

from crossdock.channels.addresses import allow_private
from crossdock.channels.http import close_client
from crossdock.contracts.registry import EVENTS
from crossdock.messaging import outbox, suspects
from crossdock.messaging.batch import BatchProcessor, Window
from crossdock.messaging.broker import Broker
from crossdock.messaging.consumer import Consumer
from crossdock.messaging.failures import Verdict, explain, judge
from crossdock.messaging.relay import Relay
from crossdock.messaging.runner import BatchRunner
from crossdock.messaging.topology import Topology
from crossdock.messaging.transaction import Tx, transaction
from crossdock.service import errors, exporters, logs, parked_api, tokens
from crossdock.service.access import AccessClient
from crossdock.service.health import Health
from crossdock.service.patience import PatientProtocol
from crossdock.service.settings import ServiceSettings
from crossdock.storage.engine import Database, pool_size

DAY_SECONDS = 86_400.0
GC_THRESHOLD = 20_000
MANDATORY = frozenset(event.type for event in EVENTS.values() if event.consumers)
UNMEASURED = ("/webhooks/", "/healthz", "/readyz", "/metrics")
HTTP_TELEMETRY: TelemetryConfig = {
    "metrics": True,
    "exclude": lambda scope: scope.get("path", "").startswith(UNMEASURED),  # the gateway's door measures itself
    "tracing": False,  # a span of FastAPI carries the whole query, in which somebody may look for a person
    "operation_spans": False,
    "logs": False,
    "auto_configure": False,
}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What workers and the API of a running service may use; `stopping` tells a long step of a worker to end."""

    settings: Any
    database: Database
    access: AccessClient
    health: Health
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction of this service."""
        return transaction(self.database)


@dataclass(frozen=True, slots=True)
class Worker:
    """A loop that is no handler. `step` does some work and says whether there may be more at once; else the loop
    waits `seconds`."""

    name: str
    step: Callable[[Context], Awaitable[bool]]
    seconds: float


@dataclass(frozen=True)
class Service:
    """All that makes one service what it is."""

    name: str
    settings: type[ServiceSettings]
    consumer: Consumer
    metadata: MetaData
    router: Callable[[Context], APIRouter]
    workers: tuple[Worker, ...] = ()
    needs_broker: bool = True
    """Whether the service is unready without the broker; the gateway takes webhooks all the same."""
    lifespan: Callable[[Context], AbstractAsyncContextManager[None]] | None = field(default=None)
    complete: outbox.Complete = outbox.as_stored
    """Makes messages whole whose bodies it does not keep in the outbox."""

    def topology(self) -> Topology:
        """What it needs of the broker."""
        return Topology(("events", "internal"), tuple(h.queue(self.name) for h in self.consumer.handlers))


class Live(BaseModel):
    """Whether every loop of the process turns, and those that do not."""

    live: bool
    stuck: list[str]


class Ready(BaseModel):
    """Whether the process can do its work, and of each part that cannot, why."""

    ready: bool
    unready: dict[str, str]


class Process:
    """A running service."""

    def __init__(self, service: Service, settings: ServiceSettings) -> None:
        size = settings.database_pool or pool_size(len(service.consumer.handlers), len(service.workers))
        self.service = service
        self.settings = settings
        self.health = Health()
        allow_private(settings.private_hosts)
        self.database = Database(settings.database_url.get_secret_value(), service.name, size=size)
        self.broker = Broker(
            settings.broker_url.get_secret_value(),
            name=f"crossdock-{service.name}",
            topology=service.topology(),
            mandatory_types=MANDATORY,
        )
        self.relay = Relay(self.database, self.broker, self.health.beat("relay"), service.complete)
        key = settings.service_key.get_secret_value()
        access = AccessClient(settings.gateway_url, key, service.name)
        self.context = Context(settings, self.database, access, self.health)
        self.runners = [self._runner(handler.name) for handler in service.consumer.handlers]
        self.app = self._application()
        self._database_down: str | None = "not reached yet"
        self.health.ready_unless("database", lambda: self._database_down)
        if service.needs_broker:
            self.health.ready_unless("broker", lambda: None if self.broker.connected else "not connected")
        for runner in self.runners:
            self.health.ready_unless(runner.name, lambda runner=runner: runner.paused)  # type: ignore[misc]

    def _runner(self, handler: str) -> BatchRunner:
        days = self.settings.inbox_days * DAY_SECONDS
        processor = BatchProcessor(
            self.database, self.service.consumer.handler(handler), window=Window(past=days, future=DAY_SECONDS)
        )
        size = self.settings.batch_size
        stream = self.broker.stream(processor.queue, 2 * size)
        beat = self.health.beat(processor.queue)
        return BatchRunner(processor, stream, size=size, beat=beat, room=self.relay.room)

    def _application(self) -> FastAPI:
        app = FastAPI(title=f"Crossdock {self.service.name}", telemetry=HTTP_TELEMETRY, responses=errors.RESPONSES)
        errors.install(app)
        app.include_router(self._health_routes())
        guard = Depends(tokens.required(self.settings.service_key.get_secret_value(), self.service.name))
        app.include_router(parked_api.router(self.database), dependencies=[guard])
        app.add_api_route("/runtime", self._runtime, dependencies=[guard], tags=["health"])
        app.include_router(self.service.router(self.context))
        return app

    def _health_routes(self) -> APIRouter:
        routes = APIRouter(tags=["health"])

        @routes.get("/healthz", responses={503: {"model": Live}})
        async def live(response: Response) -> Live:
            stuck = self.health.stuck()
            response.status_code = 503 if stuck else 200
            return Live(live=not stuck, stuck=stuck)

        @routes.get("/readyz", responses={503: {"model": Ready}})
        async def ready(response: Response) -> Ready:
            unready = self.health.unready()
            response.status_code = 503 if unready else 200
            return Ready(ready=not unready, unready=unready)

        @routes.get("/metrics", response_class=PlainTextResponse)
        async def metrics() -> Response:
            return Response(exporters.prometheus_text(), media_type="text/plain; version=0.0.4")

        return routes

    async def _runtime(self) -> dict[str, int]:
        """What lies in the outbox, late or not, what is scheduled, and what is parked."""
        async with transaction(self.database) as tx:
            state = await outbox.state(tx)
        return {"outbox": state.rows, "late": state.late, "scheduled": state.scheduled, "parked": state.parked}

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT, then finish what is in hand."""
        config = uvicorn.Config(
            self.app,
            http=PatientProtocol,
            ws="none",
            host=self.settings.host,
            port=self.settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.context.stopping.set)
        async with self._lifespan():
            tasks = self._start()
            http = asyncio.create_task(server.serve(), name="http")
            stop = asyncio.create_task(self.context.stopping.wait())
            await asyncio.wait({stop, http, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            await self._stop(server, http, tasks)

    def _start(self) -> list[asyncio.Task[None]]:
        loops = [("broker", self.broker.run()), ("relay", self.relay.run()), ("database", self._watch_database())]
        loops += [(runner.name, runner.run()) for runner in self.runners]
        loops += [(worker.name, self._turn(worker)) for worker in self.service.workers]
        return [asyncio.create_task(loop, name=name) for name, loop in loops]

    async def _stop(self, server: uvicorn.Server, http: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
        log.info("stopping: finishing what is in hand")
        self.context.stopping.set()
        server.should_exit = True
        await _attempt("what was in hand", asyncio.wait_for(self._finish(http), self.settings.stop_seconds))
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                log.error("loop %s ended", task.get_name(), exc_info=task.exception())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _attempt("the broker", self.broker.close())
        await _attempt("calls to the gateway", self.context.access.close())
        await _attempt("calls to channels", close_client())
        await _attempt("the database", self.database.close())

    async def _finish(self, http: asyncio.Task[None]) -> None:
        await asyncio.gather(*(runner.stop() for runner in self.runners))
        names = {runner.name for runner in self.runners} | {worker.name for worker in self.service.workers}
        running = [task for task in asyncio.all_tasks() if task.get_name() in names]
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(http, return_exceptions=True)
        await _attempt("the relay", self.relay.stop())
        await self._clear_suspects()

    async def _clear_suspects(self) -> None:
        """Say that this was no death. Where nobody can be told, the next start looks at what was in hand once more."""
        try:
            async with transaction(self.database) as tx:
                await suspects.clear_mine(tx)
        except Exception as error:
            log.warning("an orderly stop could not be noted: %s", explain(error))

    async def _watch_database(self) -> None:
        beat = self.health.beat("database")
        while True:
            beat()
            try:
                async with transaction(self.database) as tx:
                    await tx.rows(text("SELECT 1 FROM inbox LIMIT 1"))
                self._database_down = None
            except Exception as error:
                self._database_down = explain(error)
            await asyncio.sleep(2.0)

    async def _turn(self, worker: Worker) -> None:
        """One worker's loop: an error is logged and waited out, never the end of the loop."""
        beat = self.health.beat(worker.name, idle=worker.seconds)
        while not self.context.stopping.is_set():
            beat()
            more = False
            try:
                more = await worker.step(self.context)
            except Exception as error:
                log.warning("worker %s waits after %s", worker.name, explain(error), exc_info=_unexpected(error))
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.context.stopping.wait(), worker.seconds)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        if self.service.lifespan is None:
            yield
        else:
            async with self.service.lifespan(self.context):
                yield


async def _attempt(what: str, step: Awaitable[Any]) -> None:
    """Take one step of a stop: what goes wrong with it is told, and keeps no other from being taken."""
    try:
        await step
    except Exception as error:
        log.warning("%s did not end in order: %s", what, explain(error) if str(error) else type(error).__name__)


def _unexpected(error: Exception) -> Exception | None:
    """Outages are told in a line; a mistake in the code with its traceback."""
    return error if judge(error) is Verdict.MESSAGE else None


def _no_signals() -> Any:
    """The process decides when the HTTP server ends: after the webhooks in hand, before the relay."""
    return nullcontext()


def service_guard(context: Context, service: str) -> Any:
    """The dependency for a service's own routes: calls from other Crossdock services only."""
    return Depends(tokens.required(context.settings.service_key.get_secret_value(), service))


def run(service: Service) -> None:
    """Start a service process from its environment. Exits with one sentence when a setting is missing or wrong."""
    settings = _settings_of(service)
    logs.configure(settings.log_level, service.name)
    exporters.configure(service.name, settings.otlp_endpoint)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.without_texts)
        process = Process(service, settings)
        # What is loaded by now stays: without this a quarter of a batch's CPU went into looking at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)
        await process.serve()

    uvloop.run(main())


def _settings_of(service: Service) -> ServiceSettings:
    try:
        return service.settings()  # values come from the environment
    except ValidationError as problem:
        wrong = ", ".join(
            f"CROSSDOCK_{'_'.join(str(p) for p in e['loc']).upper()} ({e['type']})" for e in problem.errors()
        )
        raise SystemExit(
            f"{service.name} does not start: set {wrong}. services/{service.name}/README.md lists the settings."
        ) from None
