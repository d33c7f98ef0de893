"""The order-ingest service: what it is made of."""

from crossdock.service.app import Service
from order_ingest import api, handlers, tables, workers
from order_ingest.settings import Settings

service = Service(
    name="order-ingest",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
    workers=workers.WORKERS,
)
