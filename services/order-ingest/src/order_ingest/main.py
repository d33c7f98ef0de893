"""The order-ingest service: what it is made of."""

from crossdock.service.app import Service, Worker
from crossdock.service.runs.worker import workers as run_workers
from order_ingest import api, handlers, tables, workers
from order_ingest.runs import RUNS, learn_zones
from order_ingest.settings import Settings

service = Service(
    name="order-ingest",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
    workers=(*workers.WORKERS, Worker("time_zones", learn_zones, 60.0), *run_workers(RUNS)),
)
