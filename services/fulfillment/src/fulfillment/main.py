"""The fulfillment service: what it is made of."""

from crossdock.service.app import Service
from fulfillment import api, handlers, tables, workers
from fulfillment.settings import Settings

service = Service(
    name="fulfillment",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
    workers=workers.WORKERS,
)
