"""The sku-matcher service: what it is made of."""

from crossdock.service.app import Service
from crossdock.service.runs.worker import workers
from sku_matcher import api, handlers, tables
from sku_matcher.runs import RUNS
from sku_matcher.settings import Settings

service = Service(
    name="sku-matcher",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
    workers=workers(RUNS),
)
