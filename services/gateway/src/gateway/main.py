"""The gateway: what it is made of."""

from crossdock.service.app import Service
from gateway import api, handlers, tables, telling, workers
from gateway.parts import lifespan
from gateway.settings import Settings

service = Service(
    name="gateway",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
    workers=workers.WORKERS,
    needs_broker=False,
    lifespan=lifespan,
    complete=telling.complete,
)
